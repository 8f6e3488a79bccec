//go:build linux

package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hello-timber/emulator/setup/checkout/checkouttest"
)

// finds checks that one thing is wrong, or without a fix nothing.
func finds(t *testing.T, findings []Finding, says, fix string, optional bool) {
	t.Helper()
	problems := slices.DeleteFunc(findings, func(f Finding) bool { return f.Fix == "" })
	if fix == "" && len(problems) > 0 || fix != "" && len(problems) != 1 {
		t.Fatalf("problems %v, want %q", problems, fix)
	}
	if fix != "" && (!strings.Contains(problems[0].Says, says) || !strings.Contains(problems[0].Fix, fix) || problems[0].Optional != optional) {
		t.Errorf("got %v, want %q, fix %q", problems[0], says, fix)
	}
}

func TestHosts(t *testing.T) {
	fine := host{root: "/home/me/hello timber", system: "linux/amd64", memory: 8000, inotify: []int{1024, 65536},
		disks: []disk{{[]string{"/home/me/hello timber", "/home/me/go/pkg/mod"}, 20000, 5000}, {[]string{"/var/lib/docker"}, 3000, 2000}}}
	for name, tt := range map[string]struct {
		change    func(*host)
		says, fix string // empty: supported
		optional  bool
	}{
		"fine":          {change: func(*host) {}},
		"odd path":      {change: func(h *host) { h.root = `/home/me/100% #1 "it's"` }},
		"no /proc":      {change: func(h *host) { *h = host{err: errors.New("no such file")} }, says: "no such file", fix: "mount /proc"},
		"arm":           {change: func(h *host) { h.system = "linux/arm64" }, says: "linux/arm64", fix: "x86-64"},
		"little memory": {change: func(h *host) { h.memory = 2000 }, says: "2000 MB of memory", fix: "4 GB"},
		"small /home":   {change: func(h *host) { h.disks[0].free = 4000 }, says: "4000 MB free for /home/me/hello timber, /home/me/go/pkg/mod, which need 5000 MB", fix: "df -h '/home/me/hello timber', and"},
		"small /var":    {change: func(h *host) { h.disks[1].free = 300 }, says: "300 MB free for /var/lib/docker, which need 2000 MB", fix: "df -h '/var/lib/docker', and"},
		"colon":         {change: func(h *host) { h.root = "/home/me/a:b" }, says: "colons", fix: "mv '/home/me/a:b' '/home/me/hello-timber'"},
		"noexec":        {change: func(h *host) { h.noexec = true }, says: "noexec", fix: "remount,exec"},
		"few inotify":   {change: func(h *host) { h.inotify[0] = 32 }, says: "of root's 32 inotify instances a cluster needs 40", fix: "fs.inotify.max_user_instances=1024 |"},
		"few watches":   {change: func(h *host) { h.inotify[1] = 1000 }, says: "of root's 1000 inotify watches", fix: "fs.inotify.max_user_watches=65536 |"},
		"usual inotify": {change: func(h *host) { h.inotify = []int{128, 8192} }, says: "of root's 128 inotify instances", fix: "fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=65536 |", optional: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := fine
			h.disks, h.inotify = slices.Clone(fine.disks), slices.Clone(fine.inotify)
			tt.change(&h)
			finds(t, h.findings(), tt.says, tt.fix, tt.optional)
		})
	}
}

// The nodes say whether policies are enforced. Without nodes no one knows.
func TestPolicies(t *testing.T) {
	c := checkouttest.New(t)
	checkouttest.Programs(t, map[string]string{"docker": `[ -z "$VERDICT" ] || case $1 in ps) echo one; echo two;; exec) [ "$2" = one ] && echo "$VERDICT";; esac`})
	for verdict, fix := range map[string]string{"enforced": "", "this kernel has no packet queues": "sudo modprobe -a nfnetlink_queue", "": ""} {
		t.Setenv("VERDICT", verdict)
		finds(t, Policies(t.Context(), c), "NOT ENFORCED, and any pod can reach any other: "+verdict, fix, true)
	}
}

// Every file system that is written counts, once for all of its folders.
func TestDisks(t *testing.T) {
	c := checkouttest.New(t)
	memory, err := os.MkdirTemp("/dev/shm", "hello-timber")
	if err != nil {
		t.Skip("no second file system: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(memory) })
	t.Setenv("GOTMPDIR", "")
	t.Setenv("TMPDIR", c.Root)
	t.Setenv("GOMODCACHE", filepath.Join(c.Root, "modules"))
	t.Setenv("GOCACHE", filepath.Join(memory, "not", "there", "yet"))
	disks, err := disks(t.Context(), c, engine{DockerRootDir: memory})
	if err != nil || len(disks) != 2 {
		t.Fatalf("disks %+v, %v", disks, err)
	}
	for i, want := range []disk{{folders: []string{c.Root, filepath.Join(c.Root, "modules"), c.Root}, needed: 5500}, {folders: []string{os.Getenv("GOCACHE"), memory}, needed: 4500}} {
		if got := disks[i]; !slices.Equal(got.folders, want.folders) || got.needed != want.needed || got.free == 0 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
