//go:build linux

package host

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"hello-timber/emulator/setup/checkout"
)

// host holds the facts about this machine, Docker aside.
type host struct {
	err     error
	root    string // the checkout
	system  string // operating system and architecture, as Go names them
	memory  uint64 // in MB
	disks   []disk
	noexec  bool  // the checkout's file system starts no programs
	inotify []int // the limits of inotifyNeeds
}

// disk is a file system, with the folders on it that are written, what is free there and
// what they need, in MB.
type disk struct {
	folders      []string
	free, needed uint64
}

func readHost(ctx context.Context, c checkout.Checkout, e engine) host {
	h := host{root: c.Root, system: runtime.GOOS + "/" + runtime.GOARCH, noexec: !StartsPrograms(c.Root)}
	var memory syscall.Sysinfo_t
	h.err = syscall.Sysinfo(&memory)
	h.memory = memory.Totalram * uint64(memory.Unit) >> 20
	for _, need := range inotifyNeeds {
		limit, err := need.limit()
		h.err, h.inotify = cmp.Or(h.err, err), append(h.inotify, limit)
	}
	disks, err := disks(ctx, c, e)
	h.err, h.disks = cmp.Or(h.err, err), disks
	return h
}

// disks finds the file systems of all that make up writes. The figures are for two
// cores without the publishers' servers, where everything is compiled.
func disks(ctx context.Context, c checkout.Checkout, e engine) ([]disk, error) {
	caches, err := c.Output(ctx, "go", "env", "GOMODCACHE", "GOCACHE")
	if err != nil {
		return nil, err
	}
	modules, compiled, _ := strings.Cut(caches, "\n")
	built := checkout.Exists(c.Home("node-image"))
	var disks []disk
	known := map[uint64]int{} // by device
	for _, w := range []struct {
		folder       string
		first, later uint64
	}{{c.Root, 1000, 500}, {modules, 4000, 0}, {compiled, 2500, 500}, {e.DockerRootDir, 2000, 500}, {cmp.Or(os.Getenv("GOTMPDIR"), os.TempDir()), 500, 500}} {
		if w.folder == "" { // no engine yet
			continue
		}
		there := w.folder
		for !checkout.Exists(there) && there != filepath.Dir(there) {
			there = filepath.Dir(there)
		}
		var device syscall.Stat_t
		var space syscall.Statfs_t
		if err := cmp.Or(syscall.Stat(there, &device), syscall.Statfs(there, &space)); err != nil {
			return nil, fmt.Errorf("%s: %w", there, err)
		}
		i, found := known[device.Dev]
		if !found {
			i = len(disks)
			known[device.Dev], disks = i, append(disks, disk{free: space.Bavail * uint64(space.Bsize) >> 20})
		}
		disks[i].folders = append(disks[i].folders, w.folder)
		disks[i].needed += map[bool]uint64{false: w.first, true: w.later}[built]
	}
	return disks, nil
}

// StartsPrograms reports whether programs in a folder may be started.
func StartsPrograms(folder string) bool {
	const noexec = 0x8 // statfs's ST_NOEXEC
	var disk syscall.Statfs_t
	return syscall.Statfs(folder, &disk) != nil || disk.Flags&noexec == 0
}

// findings are the system, its free space, and all that is wrong.
func (h host) findings() []Finding {
	if h.err != nil {
		return []Finding{missing("system", "mount /proc and /sys", "%v", h.err)}
	}
	system := fine("system", "%s, %s, %d MB of memory", h.system, runtime.Version(), h.memory)
	switch {
	case h.system != "linux/amd64":
		system = missing("system", "use an x86-64 machine with Linux", "%s: the image is for Google's linux/amd64 nodes, and the emulator's nodes run it", h.system)
	case h.memory < 3500:
		system = missing("system", "use a machine with at least 4 GB", "%d MB of memory: compiling Kubernetes takes 2.5 GB", h.memory)
	}
	found := []Finding{system, space(h.disks)}
	// PATH and Docker's mounts separate paths by colons, labels are text, and a line of
	// output ends with a newline.
	if strings.ContainsAny(h.root, ":\n") || !utf8.ValidString(h.root) {
		found = append(found, missing("folder", "mv "+checkout.Quote(h.root)+" "+checkout.Quote(filepath.Join(filepath.Dir(h.root), "hello-timber")),
			"%q: the path of the checkout must be valid UTF-8 without colons and newlines", h.root))
	}
	if h.noexec {
		found = append(found, missing("folder", "sudo mount -o remount,exec \"$(findmnt -no TARGET -T "+checkout.Quote(h.root)+")\"",
			"%s is on a file system that is mounted noexec, so nothing that is compiled there can be started", h.root))
	}
	return append(found, inotify(h.inotify)...)
}

func space(disks []disk) Finding {
	var says, full []string
	for _, d := range disks {
		text := fmt.Sprintf("%d MB free for %s", d.free, strings.Join(d.folders, ", "))
		if d.free < d.needed {
			text += fmt.Sprintf(", which need %d MB", d.needed)
			full = append(full, checkout.Quote(d.folders[0]))
		}
		says = append(says, text)
	}
	if len(full) > 0 {
		return missing("space", "df -h "+strings.Join(full, " ")+", and delete what you don't need", "%s", strings.Join(says, "; "))
	}
	return fine("space", "%s", strings.Join(says, "; "))
}

// inotifyNeed is a limit of root's: all nodes' programs are the same root's.
type inotifyNeed struct {
	what           string
	needed, enough int
}

// inotifyNeeds are what a cluster takes (a control plane takes 11 instances, a node 7, and
// Linux gives a user 128), and what is enough for several.
var inotifyNeeds = []inotifyNeed{{"instances", 40, 1024}, {"watches", 2000, 65536}}

func (n inotifyNeed) path() string { return "/proc/sys/fs/inotify/max_user_" + n.what }

func (n inotifyNeed) limit() (int, error) {
	text, err := os.ReadFile(n.path())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// inotify refuses limits that one cluster uses up, and warns of those that a few do. Root's
// other programs count, too.
func inotify(limits []int) []Finding {
	var says, settings []string
	optional := true
	for i, need := range inotifyNeeds {
		if limits[i] < need.enough {
			says = append(says, fmt.Sprintf("of root's %d inotify %s a cluster needs %d", limits[i], need.what, need.needed))
			settings = append(settings, fmt.Sprintf("fs.inotify.max_user_%s=%d", need.what, need.enough))
			optional = optional && limits[i] >= need.needed
		}
	}
	if len(says) == 0 {
		return nil
	}
	f := missing("inotify", "printf '%s\\n' "+strings.Join(settings, " ")+" | sudo tee /etc/sysctl.d/90-inotify.conf && sudo sysctl --load /etc/sysctl.d/90-inotify.conf",
		"%s", strings.Join(says, "; "))
	f.Optional = optional
	return []Finding{f}
}

// allowInotify raises root's limits until the next restart if this user may: three
// clusters use up the usual 128 instances. If not, the check reports the fix.
func allowInotify() {
	for _, need := range inotifyNeeds {
		limit, err := need.limit()
		if err == nil && limit < need.enough && os.WriteFile(need.path(), fmt.Append(nil, need.enough), 0o644) == nil {
			fmt.Fprintf(os.Stderr, "inotify: raised fs.inotify.max_user_%s from %d to %d until the next restart\n", need.what, limit, need.enough)
		}
	}
}
