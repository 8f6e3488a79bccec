//go:build linux

package machine

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// recorded is what docker info printed of an engine: Debian's 20.10 or Debian's 28.5
// with the containerd image store, both on cgroup v1. Changes make other engines of it.
func recorded(t *testing.T, name string, changes map[string]any) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var info map[string]any
	if err := json.Unmarshal(text, &info); err != nil {
		t.Fatal(err)
	}
	for key, value := range changes {
		if _, known := info[key]; !known && key != "DefaultAddressPools" && key != "ServerErrors" {
			t.Fatalf("docker info prints no %s", key)
		}
		info[key] = value
	}
	text, err = json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each engine is either supported or refused with its own fix, and nothing else is said of it.
func TestEngines(t *testing.T) {
	type change = map[string]any
	v2 := func(version string, options ...string) change {
		return change{"ServerVersion": version, "CgroupVersion": "2", "CgroupDriver": "systemd", "SecurityOptions": options}
	}
	for name, tt := range map[string]struct {
		recorded    string // engine-20.10 if empty
		info        change
		host        string
		noNamespace bool
		says, fix   string // empty: supported
	}{
		"Debian 12":                   {},
		"28.5":                        {recorded: "engine-28.5"},
		"28 on cgroup v2 and systemd": {info: v2("28.5.2", "name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns")},
		"29, containerd image store":  {info: change{"ServerVersion": "29.1.0", "Driver": "overlayfs"}},
		"cgroup namespace host":       {info: v2("28.5.2", "name=seccomp,profile=builtin")},
		"userns-remap":                {info: change{"SecurityOptions": []string{"name=seccomp,profile=default", "name=userns"}, "DockerRootDir": "/var/lib/docker/100000.100000"}},
		"SELinux":                     {info: v2("28.5.2", "name=seccomp,profile=builtin", "name=selinux", "name=cgroupns")},
		"a context's socket":          {host: "unix:///run/user/1000/docker.sock"},
		"no cgroup namespaces":        {info: v2("20.10.24"), noNamespace: true, says: "cgroup namespaces", fix: "Linux 4.6"},
		"oldest":                      {info: change{"ServerVersion": "20.10.0"}},
		"old":                         {info: change{"ServerVersion": "19.03.1"}, says: "19.03.1 is too old", fix: "install Docker Engine 20.10"},
		"no version":                  {info: change{"ServerVersion": "dev"}, says: "dev is too old", fix: "install Docker Engine 20.10"},
		"Docker Desktop":              {info: change{"OperatingSystem": "Docker Desktop"}, says: "Docker Desktop", fix: "install Docker Engine in this Linux"},
		"rootless":                    {info: change{"SecurityOptions": []string{"name=seccomp,profile=default", "name=rootless", "name=cgroupns"}}, says: "rootless", fix: "docker context use default"},
		"snap":                        {info: change{"DockerRootDir": "/var/snap/docker/common/var-lib-docker"}, says: "snap", fix: "sudo snap disable docker && sudo apt-get update && sudo apt-get install docker.io"},
		"another machine":             {host: "ssh://there", says: "ssh://there", fix: "unset DOCKER_HOST"},
		"no memory controller":        {info: change{"MemoryLimit": false}, says: "no cgroup controller for memory", fix: "cgroup_enable=memory"},
		"no forwarding":               {info: change{"IPv4Forwarding": false}, says: "does not forward", fix: "sudo sysctl -w net.ipv4.ip_forward=1"},
	} {
		t.Run(name, func(t *testing.T) {
			e := readEngine(recorded(t, cmp.Or(tt.recorded, "engine-20.10"), tt.info), nil)
			e.host, e.namespace = tt.host, !tt.noNamespace
			finds(t, e.findings(), tt.says, tt.fix, false)
		})
	}
}

// An engine that does not answer is recognized by what its command prints, in JSON
// (before Docker 28) or on stderr.
func TestSilentEngines(t *testing.T) {
	const denied = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
	for name, tt := range map[string]struct {
		text      string
		err       error
		installed bool
		host      string
		says, fix string
	}{
		"no right":              {err: errors.New(denied), installed: true, says: "may not use", fix: `sudo usermod -aG docker "$USER"`},
		"no right, old command": {text: `{"ID":"","ServerErrors":["Got ` + denied + `"],"ClientInfo":{}}`, installed: true, says: "may not use", fix: "usermod"},
		"stopped":               {err: errors.New("Cannot connect to the Docker daemon"), installed: true, says: "does not answer", fix: "sudo systemctl start docker"},
		"stopped, old command":  {text: `{"ID":"","ServerErrors":["Cannot connect to the Docker daemon"]}`, installed: true, says: "does not answer", fix: "sudo systemctl start docker"},
		"command only":          {err: errors.New("Cannot connect to the Docker daemon"), says: "not installed", fix: "https://docs.docker.com/engine/install"},
		"nothing":               {err: errors.New(`exec: "docker": executable file not found in $PATH`), says: "not installed", fix: "https://docs.docker.com/engine/install"},
		"another socket":        {err: errors.New("Cannot connect to the Docker daemon"), host: "unix:///nowhere", installed: true, says: "unix:///nowhere", fix: "unset DOCKER_HOST"},
		"podman-docker":         {text: `{"host":{"arch":"amd64","os":"linux"},"store":{},"version":{"APIVersion":"5.4.2","Version":"5.4.2"}}`, says: "Podman", fix: "remove podman-docker"},
	} {
		t.Run(name, func(t *testing.T) {
			e := readEngine(tt.text, tt.err)
			e.installed, e.host = tt.installed, tt.host
			finds(t, e.findings(), tt.says, tt.fix, false)
		})
	}
}
