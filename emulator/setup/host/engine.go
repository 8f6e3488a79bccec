//go:build linux

package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"hello-timber/emulator/setup/checkout"
)

// engine holds the facts about the Docker engine: what docker info prints, as far
// as the emulator depends on it, and what it takes to understand a silence.
type engine struct {
	ServerVersion, OperatingSystem, DockerRootDir, CgroupVersion string
	SecurityOptions, ServerErrors                                []string
	MemoryLimit, CPUCfsQuota, PidsLimit, IPv4Forwarding          bool
	DefaultAddressPools                                          []struct{ Base netip.Prefix }
	Podman                                                       any `json:"host"` // podman's docker command prints this

	complaint string // why docker info failed
	installed bool   // dockerd is on PATH
	host      string // DOCKER_HOST
	namespace bool   // the kernel has cgroup namespaces
}

// askEngine reads the facts.
func askEngine(ctx context.Context, c checkout.Checkout) engine {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	text, err := c.Output(ctx, "docker", "info", "--format", "{{json .}}")
	e := readEngine(text, err)
	e.installed, e.host, e.namespace = c.Installed("dockerd") != "", os.Getenv("DOCKER_HOST"), checkout.Exists("/proc/self/ns/cgroup")
	return e
}

// readEngine reads what docker info printed. Older commands print the reason of a
// failure as JSON, newer ones on stderr.
func readEngine(text string, failed error) engine {
	var e engine
	err := json.Unmarshal([]byte(text), &e)
	if failed != nil || err != nil || len(e.ServerErrors) > 0 {
		e.complaint = strings.Join(append(e.ServerErrors, fmt.Sprint(cmp.Or(failed, err))), "; ")
	}
	return e
}

func (e engine) answers() bool { return e.complaint == "" && e.ServerVersion != "" }

// has reports whether an option is among the security options, which read
// name=seccomp,profile=default.
func (e engine) has(option string) bool {
	return slices.ContainsFunc(e.SecurityOptions, func(o string) bool { return o == "name="+option || strings.HasPrefix(o, "name="+option+",") })
}

// recent reports whether the engine is of version 20.10 or newer.
func (e engine) recent() bool {
	var major, minor int
	_, err := fmt.Sscanf(e.ServerVersion, "%d.%d", &major, &minor)
	return err == nil && (major > 20 || major == 20 && minor >= 10)
}

// findings are the engine's version, or why it does not answer, and all that is wrong.
func (e engine) findings() []Finding {
	if !e.answers() {
		return []Finding{e.silence()}
	}
	// Another engine's network is not this machine's, where load balancers' addresses must answer.
	const useSystem = "unset DOCKER_HOST; docker context use default"
	const install = "https://docs.docker.com/engine/install"
	found := []Finding{fine("docker", "engine %s", e.ServerVersion)}
	for _, p := range []struct {
		is        bool
		says, fix string
	}{
		{!e.recent(), "engine " + e.ServerVersion + " is too old", "install Docker Engine 20.10 or newer, " + install},
		{e.host != "" && !strings.HasPrefix(e.host, "unix:"), e.host + " is another machine's engine, whose load balancer addresses cannot be reached from here", useSystem},
		{strings.Contains(e.OperatingSystem, "Docker Desktop"), "Docker Desktop keeps load balancer addresses inside its virtual machine",
			"install Docker Engine in this Linux, " + install + ", then: " + useSystem},
		{e.has("rootless"), "this is a rootless engine, which keeps load balancer addresses in a network of its own",
			useSystem + " (the system's engine; without one: " + install + ")"},
		// The snap's confinement hides /lib/modules and every checkout outside of the home folder.
		{strings.HasPrefix(e.DockerRootDir, "/var/snap/"), "this engine is a snap, which cannot mount this machine's files into containers",
			"sudo snap disable docker && sudo apt-get update && sudo apt-get install docker.io"},
		// Nodes arrange the cgroups that they see, whatever the engine's default is.
		{e.CgroupVersion == "2" && !e.namespace, "this kernel has no cgroup namespaces: on cgroup v2 a node would change this machine's cgroups", "boot Linux 4.6 or newer"},
		// Some kernels have to be asked for the cgroup controllers that limit pods.
		{!e.MemoryLimit || !e.CPUCfsQuota || !e.PidsLimit,
			fmt.Sprintf("pods cannot be limited, because the engine lacks a cgroup controller (memory: %t, CPU: %t, processes: %t)", e.MemoryLimit, e.CPUCfsQuota, e.PidsLimit),
			"add cgroup_enable=memory to GRUB_CMDLINE_LINUX in /etc/default/grub, then: sudo update-grub && sudo reboot"},
		{!e.IPv4Forwarding, "this machine does not forward IPv4, so containers reach nothing", "sudo sysctl -w net.ipv4.ip_forward=1"},
	} {
		if p.is {
			found = append(found, missing("docker", p.fix, "%s", p.says))
		}
	}
	return found
}

// silence is why the engine does not answer.
func (e engine) silence() Finding {
	switch {
	case e.Podman != nil:
		return missing("docker", "install Docker Engine, https://docs.docker.com/engine/install, and remove podman-docker", "the docker command is Podman's, which has no Docker engine")
	case strings.Contains(strings.ToLower(e.complaint), "permission denied"):
		return missing("docker", "sudo usermod -aG docker \"$USER\", then log in again", "this user may not use the Docker engine")
	case !e.installed && e.host == "":
		return missing("docker", "install it, https://docs.docker.com/engine/install (as root on Debian, make up does it)", "Docker Engine is not installed")
	case e.host != "":
		return missing("docker", "unset DOCKER_HOST; docker context use default", "no Docker engine answers at %s", e.host)
	}
	return missing("docker", "sudo systemctl start docker, or without systemd: sudo service docker start (as root on Debian, make up does it)", "the Docker engine does not answer")
}

// Pools asks the engine for the ranges from which networks get their addresses. An engine
// that is not configured otherwise has these (libnetwork/ipamutils, 20.10 to 28).
func Pools(ctx context.Context) []string {
	text, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{json .}}").Output()
	var pools []string
	for _, p := range readEngine(string(text), err).DefaultAddressPools {
		pools = append(pools, p.Base.Masked().String())
	}
	if pools == nil {
		pools = []string{"172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/14", "172.24.0.0/14", "172.28.0.0/14", "192.168.0.0/16"}
	}
	return pools
}
