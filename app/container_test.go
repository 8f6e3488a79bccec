//go:build e2e

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var listening = regexp.MustCompile(`\[::\](:\d+)`)

// A container with the memory of a pod withstands all attacks: the kernel ends it if it
// needs more. As in a pod, two probes in a row may not fail. The network is the machine's,
// so that the load stays on 127.0.0.1.
func TestAttacksOnContainer(t *testing.T) {
	docker := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("docker", args...).Output()
		if err != nil {
			t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	name := fmt.Sprintf("hello-timber-attacks-%d", os.Getpid())
	archive := filepath.Join(t.TempDir(), "timber.tar")
	if out, err := exec.Command("tar", "--create", "--file="+archive, "--directory="+filepath.Dir(build(t, "v1")), "timber").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	docker("import", "--change", `ENTRYPOINT ["/timber"]`, archive, name)
	t.Cleanup(func() { exec.Command("docker", "image", "rm", "--force", name).Run() })
	for i, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			id := docker("run", "--detach", "--network=host", "--memory=256m", "--memory-swap=256m", "--cpus=1", "--read-only", "--cap-drop=ALL", "--user=65532:65532",
				"--env=PORT=0", "--env=GOMEMLIMIT=160MiB", name)
			defer exec.Command("docker", "rm", "--force", id).Run()
			var address string
			for began := time.Now(); address == ""; time.Sleep(100 * time.Millisecond) {
				if found := listening.FindStringSubmatch(docker("logs", id)); found != nil {
					address = "127.0.0.1" + found[1]
				} else if time.Since(began) > time.Minute {
					t.Fatal("the service does not listen")
				}
			}
			lay(t, i, 1, 2, 10*time.Second, func(timeout time.Duration) (net.Conn, error) { return net.DialTimeout("tcp", address, timeout) })
			if state := docker("inspect", "--format", "running: {{.State.Running}}, killed for its memory: {{.State.OOMKilled}}", id); state != "running: true, killed for its memory: false" {
				t.Error(state)
			}
		})
	}
}
