//go:build linux

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/progress"
)

// ensureDocker installs and starts Debian's Docker as root on a Debian machine.
// Elsewhere it does nothing, and the checks print how to do it.
func ensureDocker(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	if !checkout.Exists("/etc/debian_version") || os.Geteuid() != 0 || os.Getenv("DOCKER_HOST") != "" {
		return nil
	}
	e := askEngine(ctx, c)
	if !e.answers() && !e.installed {
		if err := AptInstall(ctx, c, p, "docker.io", "containerd", "runc", "iptables"); err != nil {
			return err
		}
		e = askEngine(ctx, c)
	}
	log := c.Home("logs", "dockerd.log")
	starts := [][]string{{"service", "docker", "start"}, {"setsid", "--fork", "sh", "-c", `exec dockerd >"$0" 2>&1 </dev/null`, log}}
	if checkout.Exists("/run/systemd/system") {
		starts = [][]string{{"systemctl", "start", "docker"}}
	}
	for _, start := range starts {
		if e.answers() {
			return nil
		}
		p.Say("starting the engine: " + start[0])
		// Sandboxes without all of root's rights make the init script fail, and dockerd itself work.
		failed := p.Run(c.Command(ctx, "", start[0], start[1:]...), nil)
		for range 30 {
			if e = askEngine(ctx, c); failed != nil || e.answers() || ctx.Err() != nil {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	if !e.answers() {
		return fmt.Errorf("the Docker engine was started but does not answer. Fix: read %s and %s", p.Log(), log)
	}
	return nil
}

// browser is where Chromium is installed, or empty.
func browser(c checkout.Checkout) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path := c.Installed(name); path != "" {
			return path
		}
	}
	return ""
}

// chromium is only for the tests, so its absence is no problem.
func chromium(c checkout.Checkout) Finding {
	return fine("chromium", "%s", cmp.Or(browser(c), "not installed; only make test needs it"))
}

// Browser installs Chromium for the tests as root on Debian. Elsewhere it prints how to.
func Browser(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	if browser(c) != "" {
		return nil
	}
	if !checkout.Exists("/etc/debian_version") || os.Geteuid() != 0 {
		return errors.New("the tests look at the service's page in a browser, and none is installed. Fix: install Chromium (on Debian: sudo apt-get install chromium) or Google Chrome")
	}
	return AptInstall(ctx, c, p, "chromium")
}

// AptInstall installs Debian packages without recommended ones. It waits for another
// checkout's.
func AptInstall(ctx context.Context, c checkout.Checkout, p *progress.Report, packages ...string) error {
	p.Say("installing " + strings.Join(packages, " "))
	const install = `apt-get --option DPkg::Lock::Timeout=600 install --yes --no-install-recommends "$@"`
	script := install + " || { apt-get update && " + install + "; }"
	cmd := c.Command(ctx, "", "sh", append([]string{"-c", script, "sh"}, packages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return p.Run(cmd, nil)
}
