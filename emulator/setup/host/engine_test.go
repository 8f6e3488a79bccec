//go:build linux

package host

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each engine is either supported or refused with its own fix, and nothing else is said of
// it. One that does not answer is recognized by what its command prints, in JSON (before
// Docker 28) or on stderr.
func TestEngines(t *testing.T) {
	const denied = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
	const noDaemon, noCommand = "Cannot connect to the Docker daemon", `exec: "docker": executable file not found in $PATH`
	const install, start = "https://docs.docker.com/engine/install", "sudo systemctl start docker"
	v2 := func(version, options string) string {
		return `"ServerVersion": "` + version + `", "CgroupVersion": "2", "CgroupDriver": "systemd", "SecurityOptions": [` + options + `]`
	}
	for name, tt := range map[string]struct {
		recorded    string // what docker info printed of Debian's 28.5; of its 20.10 if empty
		info        string // where this engine differs from that
		text        string // what docker info printed, instead of both
		fails       string // what it printed on stderr
		host        string
		noNamespace bool
		commandOnly bool
		says, fix   string // empty: supported
	}{
		"Debian 12":                   {},
		"28.5":                        {recorded: "engine-28.5"},
		"28 on cgroup v2 and systemd": {info: v2("28.5.2", `"name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"`)},
		"29, containerd image store":  {info: `"ServerVersion": "29.1.0", "Driver": "overlayfs"`},
		"cgroup namespace host":       {info: v2("28.5.2", `"name=seccomp,profile=builtin"`)},
		"userns-remap":                {info: `"SecurityOptions": ["name=seccomp,profile=default", "name=userns"], "DockerRootDir": "/var/lib/docker/100000.100000"`},
		"SELinux":                     {info: v2("28.5.2", `"name=seccomp,profile=builtin", "name=selinux", "name=cgroupns"`)},
		"a context's socket":          {host: "unix:///run/user/1000/docker.sock"},
		"no cgroup namespaces":        {info: v2("20.10.24", ""), noNamespace: true, says: "cgroup namespaces", fix: "Linux 4.6"},
		"oldest":                      {info: `"ServerVersion": "20.10.0"`},
		"old":                         {info: `"ServerVersion": "19.03.1"`, says: "19.03.1 is too old", fix: "install Docker Engine 20.10"},
		"no version":                  {info: `"ServerVersion": "dev"`, says: "dev is too old", fix: "install Docker Engine 20.10"},
		"Docker Desktop":              {info: `"OperatingSystem": "Docker Desktop"`, says: "Docker Desktop", fix: "install Docker Engine in this Linux"},
		"rootless":                    {info: `"SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=cgroupns"]`, says: "rootless", fix: "docker context use default"},
		"snap":                        {info: `"DockerRootDir": "/var/snap/docker/common/var-lib-docker"`, says: "snap", fix: "sudo snap disable docker && sudo apt-get update && sudo apt-get install docker.io"},
		"another machine":             {host: "ssh://there", says: "ssh://there", fix: "unset DOCKER_HOST"},
		"no memory controller":        {info: `"MemoryLimit": false`, says: "memory: false, CPU: true, processes: true", fix: "cgroup_enable=memory"},
		"no forwarding":               {info: `"IPv4Forwarding": false`, says: "does not forward", fix: "sudo sysctl -w net.ipv4.ip_forward=1"},

		"no right":              {fails: denied, says: "may not use", fix: `sudo usermod -aG docker "$USER"`},
		"no right, old command": {text: `{"ID":"","ServerErrors":["Got ` + denied + `"],"ClientInfo":{}}`, says: "may not use", fix: "usermod"},
		"stopped":               {fails: noDaemon, says: "does not answer", fix: start},
		"stopped, old command":  {text: `{"ID":"","ServerErrors":["` + noDaemon + `"]}`, says: "does not answer", fix: start},
		"command only":          {fails: noDaemon, commandOnly: true, says: "not installed", fix: install},
		"nothing":               {fails: noCommand, commandOnly: true, says: "not installed", fix: install},
		"another socket":        {fails: noDaemon, host: "unix:///nowhere", says: "unix:///nowhere", fix: "unset DOCKER_HOST"},
		"podman-docker":         {text: `{"host":{"arch":"amd64","os":"linux"},"store":{},"version":{"APIVersion":"5.4.2","Version":"5.4.2"}}`, says: "Podman", fix: "remove podman-docker"},
	} {
		t.Run(name, func(t *testing.T) {
			recorded, err := os.ReadFile(filepath.Join("testdata", cmp.Or(tt.recorded, "engine-20.10")+".json"))
			if err != nil {
				t.Fatal(err)
			}
			text := string(recorded)
			if tt.info != "" { // of two values, the last one counts
				text = strings.TrimSuffix(strings.TrimSpace(text), "}") + ", " + tt.info + "}"
			}
			var failed error
			if tt.fails != "" {
				text, failed = "", errors.New(tt.fails)
			}
			e := readEngine(cmp.Or(tt.text, text), failed)
			e.installed, e.host, e.namespace = !tt.commandOnly, tt.host, !tt.noNamespace
			finds(t, e.findings(), tt.says, tt.fix, false)
		})
	}
}
