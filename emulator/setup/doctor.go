//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// finding is one thing that the emulator needs. When mend is not empty it is
// missing, and mend is the command or step that mends it.
type finding struct{ what, says, mend string }

// doctor reports every prerequisite and fails when one is missing. It changes nothing.
func doctor(ctx context.Context, c checkout) error {
	missing := 0
	for _, f := range c.examine(ctx) {
		verdict := "ok"
		if f.mend != "" {
			verdict, f.says = "MISSING", f.says+"; to mend: "+f.mend
			missing++
		}
		fmt.Printf("%-8s %-8s %s\n", verdict, f.what, f.says)
	}
	if missing > 0 {
		return fmt.Errorf("%d of what the emulator needs is missing (see above)", missing)
	}
	return nil
}

func (c checkout) examine(ctx context.Context) []finding {
	return []finding{c.system(), c.engine(ctx), c.cli(ctx), c.chromium()}
}

func (c checkout) system() finding {
	var memory syscall.Sysinfo_t
	var disk syscall.Statfs_t
	if err := cmp.Or(syscall.Sysinfo(&memory), syscall.Statfs(c.root, &disk)); err != nil {
		return finding{"system", err.Error(), "see that free and df work"}
	}
	total, free := memory.Totalram*uint64(memory.Unit)>>20, disk.Bavail*uint64(disk.Bsize)>>20
	f := finding{what: "system", says: fmt.Sprintf("%s/%s, %s, %d MB of memory, %d MB of disk free", runtime.GOOS, runtime.GOARCH, runtime.Version(), total, free)}
	needed := uint64(10000)
	if exists(c.home("node-image")) {
		needed = 2000
	}
	switch {
	case runtime.GOARCH != "amd64":
		f.mend = "use an x86-64 machine: the image is for Google's linux/amd64 nodes, and the emulator's nodes run it"
	case total < 3500:
		f.mend = "4 GB of memory at least: compiling Kubernetes takes 2.5 GB"
	case free < needed:
		f.mend = fmt.Sprintf("free %d MB of disk for modules, compiled packages and images", needed)
	}
	return f
}

// What make up mends by itself on a Debian machine as root.
const (
	notInstalled = "Docker Engine is not installed"
	notRunning   = "the Docker engine does not answer"
)

func (c checkout) engine(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	version, err := c.output(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	if err != nil {
		switch {
		case strings.Contains(err.Error(), "permission denied"):
			return finding{"docker", "this user may not use the Docker engine", "sudo usermod -aG docker $USER, then log in again"}
		case c.installed("dockerd") == "":
			return finding{"docker", notInstalled, "https://docs.docker.com/engine/install (as root on Debian, make up does it)"}
		}
		return finding{"docker", notRunning, "sudo systemctl start docker, without systemd sudo service docker start (as root on Debian, make up does it)"}
	}
	info, err := c.output(ctx, "docker", "info", "--format", "{{.OperatingSystem}} {{.SecurityOptions}}")
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // what is no version is too old
	f := finding{what: "docker", says: "engine " + version}
	switch host := os.Getenv("DOCKER_HOST"); {
	case err != nil:
		f.mend = err.Error()
	case host != "" && !strings.HasPrefix(host, "unix:"):
		f.says, f.mend = host+" is another machine's engine", "unset DOCKER_HOST; docker context use default"
	case strings.Contains(info, "Docker Desktop"):
		f.says, f.mend = "Docker Desktop keeps load balancer addresses inside its virtual machine", "install Docker Engine in this Linux, then docker context use default"
	case strings.Contains(info, "name=rootless"):
		f.says, f.mend = "rootless Docker keeps load balancer addresses in a network of its own", "docker context use default, the system's engine"
	case major < 20 || major == 20 && minor < 10:
		f.mend = "install Docker Engine 20.10 or newer"
	}
	return f
}

func (c checkout) cli(ctx context.Context) finding {
	path := c.installed("pulumi")
	if path == "" {
		return finding{what: "pulumi", says: "not on PATH: make up builds it"}
	}
	version, err := c.output(ctx, path, "version")
	f := finding{what: "pulumi", says: version + " at " + path}
	if err != nil || !strings.HasPrefix(version, "v3.") {
		f.mend = "install Pulumi 3 (https://www.pulumi.com/docs/install), or take this one off PATH"
	}
	return f
}

// ensureDocker installs and starts Debian's Docker where nobody needs to be
// asked: as root on a Debian machine. Elsewhere the doctor says how.
func (c checkout) ensureDocker(ctx context.Context, p *progress) error {
	if !exists("/etc/debian_version") || os.Geteuid() != 0 || os.Getenv("DOCKER_HOST") != "" {
		return nil
	}
	f := c.engine(ctx)
	if f.says == notInstalled {
		if err := c.aptInstall(ctx, p, "docker.io", "containerd", "runc", "iptables"); err != nil {
			return err
		}
		f = c.engine(ctx)
	}
	log := c.home("logs", "dockerd.log")
	starts := [][]string{{"service", "docker", "start"}, {"setsid", "--fork", "sh", "-c", `exec dockerd >"$0" 2>&1 </dev/null`, log}}
	if exists("/run/systemd/system") {
		starts = [][]string{{"systemctl", "start", "docker"}}
	}
	for _, start := range starts {
		if f.says != notRunning {
			return nil
		}
		p.say("starting the engine: " + start[0])
		// Sandboxes without all of root's rights make the init script fail, and dockerd itself work.
		failed := p.run(c.command(ctx, "", start[0], start[1:]...), nil)
		for range 30 {
			if f = c.engine(ctx); failed != nil || f.says != notRunning || ctx.Err() != nil {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	if f.says == notRunning {
		return fmt.Errorf("the Docker engine was started but does not answer; look into %s and %s", p.log, log)
	}
	return nil
}

// browsers are the names under which Chromium is installed.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// chromium is for the tests alone, so that without it nothing is missing.
func (c checkout) chromium() finding {
	for _, name := range browsers {
		if path := c.installed(name); path != "" {
			return finding{what: "chromium", says: path}
		}
	}
	return finding{what: "chromium", says: noBrowser}
}

const noBrowser = "not on PATH: only make test needs it (as root on Debian, make test installs it)"

// browser makes sure that the tests have a Chromium: installed as ensureDocker does
// it, elsewhere told.
func browser(ctx context.Context, c checkout) error {
	if c.chromium().says != noBrowser {
		return nil
	}
	if !exists("/etc/debian_version") || os.Geteuid() != 0 {
		return errors.New("the tests look at the service's page in a browser, and there is none; to mend: install Chromium (on Debian: sudo apt-get install chromium) or Google Chrome")
	}
	return runSteps(ctx, c, []step{{name: "chromium", run: func(ctx context.Context, p *progress) error {
		return c.aptInstall(ctx, p, "chromium")
	}}})
}

// aptInstall installs Debian packages with nothing recommended beside them.
func (c checkout) aptInstall(ctx context.Context, p *progress, packages ...string) error {
	p.say("installing " + strings.Join(packages, " "))
	script := `apt-get install --yes --no-install-recommends "$@" || { apt-get update && apt-get install --yes --no-install-recommends "$@"; }`
	cmd := c.command(ctx, "", "sh", append([]string{"-c", script, "sh"}, packages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return p.run(cmd, nil)
}
