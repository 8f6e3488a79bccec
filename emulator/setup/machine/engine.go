//go:build linux

package machine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
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
	DefaultAddressPools                                          []pool
	Podman                                                       any `json:"host"` // podman's docker command prints this

	complaint string // why docker info failed
	installed bool   // dockerd is on PATH
	host      string // DOCKER_HOST
	namespace bool   // the kernel has cgroup namespaces
	networks  networks
}

// engineChecks each look at one fact of an engine that answers.
var engineChecks = []func(engine) Finding{version, local, desktop, rootless, snap, cgroups, limits, forwarding, addresses}

// askEngine reads the facts.
func askEngine(ctx context.Context, c checkout.Checkout) engine {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	text, err := c.Output(ctx, "docker", "info", "--format", "{{json .}}")
	e := readEngine(text, err)
	e.installed, e.host, e.namespace = c.Installed("dockerd") != "", os.Getenv("DOCKER_HOST"), checkout.Exists("/proc/self/ns/cgroup")
	if e.answers() {
		e.networks = usedNetworks(ctx, c)
	}
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

func reachable(e engine) Finding {
	switch {
	case e.answers():
		return OK("docker", "engine %s", e.ServerVersion)
	case e.Podman != nil:
		return Missing("docker", "install Docker Engine, https://docs.docker.com/engine/install, and remove podman-docker", "the docker command is Podman's, which has no Docker engine")
	case strings.Contains(strings.ToLower(e.complaint), "permission denied"):
		return Missing("docker", "sudo usermod -aG docker \"$USER\", then log in again", "this user may not use the Docker engine")
	case !e.installed && e.host == "":
		return Missing("docker", "install it, https://docs.docker.com/engine/install (as root on Debian, make up does it)", "Docker Engine is not installed")
	case e.host != "":
		return Missing("docker", "unset DOCKER_HOST; docker context use default", "no Docker engine answers at %s", e.host)
	}
	return Missing("docker", "sudo systemctl start docker, or without systemd: sudo service docker start (as root on Debian, make up does it)", "the Docker engine does not answer")
}

func version(e engine) Finding {
	var major, minor int
	_, err := fmt.Sscanf(e.ServerVersion, "%d.%d", &major, &minor)
	if err != nil || major < 20 || major == 20 && minor < 10 {
		return Missing("docker", "install Docker Engine 20.10 or newer, https://docs.docker.com/engine/install", "engine %s is too old", e.ServerVersion)
	}
	return Finding{}
}

// What moves the engine's network away from this machine's, where load balancers'
// addresses would not answer.
const useSystem = "unset DOCKER_HOST; docker context use default"

func local(e engine) Finding {
	if e.host != "" && !strings.HasPrefix(e.host, "unix:") {
		return Missing("docker", useSystem, "%s is another machine's engine, whose load balancer addresses cannot be reached from here", e.host)
	}
	return Finding{}
}

func desktop(e engine) Finding {
	if strings.Contains(e.OperatingSystem, "Docker Desktop") {
		return Missing("docker", "install Docker Engine in this Linux, https://docs.docker.com/engine/install, then: "+useSystem,
			"Docker Desktop keeps load balancer addresses inside its virtual machine")
	}
	return Finding{}
}

func rootless(e engine) Finding {
	if e.has("rootless") {
		return Missing("docker", useSystem+" (the system's engine; without one: https://docs.docker.com/engine/install)",
			"this is a rootless engine, which keeps load balancer addresses in a network of its own")
	}
	return Finding{}
}

// snap: the snap's confinement hides most of the machine's files, such as
// /lib/modules and every checkout outside of the home folder, from the engine.
func snap(e engine) Finding {
	if strings.HasPrefix(e.DockerRootDir, "/var/snap/") {
		return Missing("docker", "sudo snap disable docker && sudo apt-get update && sudo apt-get install docker.io",
			"this engine is a snap, which cannot mount this machine's files into containers")
	}
	return Finding{}
}

// cgroups: nodes arrange the cgroups that they see, which must be their own. Each
// gets a cgroup namespace of its own, whatever the engine's default is.
func cgroups(e engine) Finding {
	if e.CgroupVersion == "2" && !e.namespace {
		return Missing("docker", "boot Linux 4.6 or newer", "this kernel has no cgroup namespaces: on cgroup v2 a node would change this machine's cgroups")
	}
	return Finding{}
}

// limits: pods are limited through controllers that some kernels have to be asked for.
func limits(e engine) Finding {
	var lacking []string
	for name, present := range map[string]bool{"memory": e.MemoryLimit, "cpu": e.CPUCfsQuota, "pids": e.PidsLimit} {
		if !present {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return Finding{}
	}
	slices.Sort(lacking)
	return Missing("docker", "add cgroup_enable=memory to GRUB_CMDLINE_LINUX in /etc/default/grub, then: sudo update-grub && sudo reboot",
		"the engine has no cgroup controller for %s, so pods cannot be limited", strings.Join(lacking, ", "))
}

func forwarding(e engine) Finding {
	if !e.IPv4Forwarding {
		return Missing("docker", "sudo sysctl -w net.ipv4.ip_forward=1", "this machine does not forward IPv4, so containers reach nothing")
	}
	return Finding{}
}
