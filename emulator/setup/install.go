//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// ensureDocker installs and starts Debian's Docker as root on a Debian machine.
// Elsewhere it does nothing, and the checks print how to do it.
func (c checkout) ensureDocker(ctx context.Context, p *progress) error {
	if !exists("/etc/debian_version") || os.Geteuid() != 0 || os.Getenv("DOCKER_HOST") != "" {
		return nil
	}
	e := c.engine(ctx)
	if !e.answers() && !e.installed {
		if err := c.aptInstall(ctx, p, "docker.io", "containerd", "runc", "iptables"); err != nil {
			return err
		}
		e = c.engine(ctx)
	}
	log := c.home("logs", "dockerd.log")
	starts := [][]string{{"service", "docker", "start"}, {"setsid", "--fork", "sh", "-c", `exec dockerd >"$0" 2>&1 </dev/null`, log}}
	if exists("/run/systemd/system") {
		starts = [][]string{{"systemctl", "start", "docker"}}
	}
	for _, start := range starts {
		if e.answers() {
			return nil
		}
		p.say("starting the engine: " + start[0])
		// Sandboxes without all of root's rights make the init script fail, and dockerd itself work.
		failed := p.run(c.command(ctx, "", start[0], start[1:]...), nil)
		for range 30 {
			if e = c.engine(ctx); failed != nil || e.answers() || ctx.Err() != nil {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	if !e.answers() {
		return fmt.Errorf("the Docker engine was started but does not answer. Fix: read %s and %s", p.log, log)
	}
	return nil
}

// browsers are the names under which Chromium is installed.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// chromium is only for the tests, so its absence is no problem.
func (c checkout) chromium() finding {
	for _, name := range browsers {
		if path := c.installed(name); path != "" {
			return ok("chromium", "%s", path)
		}
	}
	return ok("chromium", "not installed; only make test needs it")
}

// browser installs Chromium for the tests as root on Debian. Elsewhere it prints how to.
func browser(ctx context.Context, c checkout) error {
	for _, name := range browsers {
		if c.installed(name) != "" {
			return nil
		}
	}
	if !exists("/etc/debian_version") || os.Geteuid() != 0 {
		return errors.New("the tests look at the service's page in a browser, and none is installed. Fix: install Chromium (on Debian: sudo apt-get install chromium) or Google Chrome")
	}
	return c.watched(ctx, "chromium", func(ctx context.Context, p *progress) error {
		return c.aptInstall(ctx, p, "chromium")
	})
}

// aptInstall installs Debian packages without recommended ones. It waits for another
// checkout's.
func (c checkout) aptInstall(ctx context.Context, p *progress, packages ...string) error {
	p.say("installing " + strings.Join(packages, " "))
	const install = `apt-get --option DPkg::Lock::Timeout=600 install --yes --no-install-recommends "$@"`
	script := install + " || { apt-get update && " + install + "; }"
	cmd := c.command(ctx, "", "sh", append([]string{"-c", script, "sh"}, packages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return p.run(cmd, nil)
}
