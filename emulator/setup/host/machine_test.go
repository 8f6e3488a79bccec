//go:build linux

package host

import (
	"os"
	"path/filepath"
	"testing"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/progress"
)

// A machine without Docker: apt-get brings it, the init script cannot start it
// (as in a sandbox without all of root's rights), dockerd by itself can.
func TestEnsureDocker(t *testing.T) {
	if os.Geteuid() != 0 || !checkout.Exists("/etc/debian_version") || checkout.Exists("/run/systemd/system") {
		t.Skip("only root on Debian without systemd gets Docker installed and started this way")
	}
	c := checkouttest.New(t)
	c.Path = checkouttest.Programs(t, map[string]string{
		"docker": `[ "$1" = info ] || exit 1; if [ -e "$0.up" ]; then cat "$RECORDED"; else echo "Cannot connect" >&2; exit 1; fi`,
		// What it installs is itself, under another name.
		"apt-get": `case "$0" in *dockerd) touch "${0%/*}/docker.up"; exit;; esac
[ "$*" = "--option DPkg::Lock::Timeout=600 install --yes --no-install-recommends docker.io containerd runc iptables" ] && ln -s "$0" "${0%/*}/dockerd"`,
		"service": `echo "ulimit: Operation not permitted"; exit 1`,
	})
	t.Setenv("DOCKER_HOST", "")
	recorded, err := filepath.Abs("testdata/engine-20.10.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("RECORDED", recorded)
	if e := askEngine(t.Context(), c); e.answers() || e.installed {
		t.Fatalf("before: %+v", e)
	}
	if err := progress.One(t.Context(), c, "docker", ensureDocker); err != nil {
		t.Fatal(err)
	}
	if e := askEngine(t.Context(), c); !e.answers() {
		t.Errorf("after: %+v", e)
	}
}
