//go:build linux

package machine

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
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
	err           error
	root          string // the checkout
	system        string // operating system and architecture, as Go names them
	memory        uint64 // in MB
	disks         []disk
	noexec        bool  // the checkout's file system starts no programs
	inotify       []int // the limits of inotifyNeeds
	inotifyUse    []int // what root uses of them; nil if this user cannot see it
	unenforceable []string
}

// disk is a file system, with the folders on it that are written, what is free there and
// what they need, in MB.
type disk struct {
	folders      []string
	free, needed uint64
}

// hostChecks each look at one fact.
var hostChecks = []func(host) Finding{resources, space, folder, executable, inotify, policies}

// readHost reads the facts, except what is free on the disks.
func readHost(c checkout.Checkout) host {
	h := host{root: c.Root, system: runtime.GOOS + "/" + runtime.GOARCH}
	var memory syscall.Sysinfo_t
	var root syscall.Statfs_t
	if h.err = cmp.Or(syscall.Sysinfo(&memory), syscall.Statfs(c.Root, &root)); h.err != nil {
		return h
	}
	h.memory, h.noexec = memory.Totalram*uint64(memory.Unit)>>20, root.Flags&noexec != 0
	for _, need := range inotifyNeeds {
		var limit int
		text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_" + need.what)
		if err == nil {
			limit, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		h.err, h.inotify = cmp.Or(h.err, err), append(h.inotify, limit)
	}
	h.inotifyUse = inotifyUse()
	h.unenforceable = unenforceable(os.DirFS("/"), kernelRelease())
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
		var fs syscall.Statfs_t
		if err := cmp.Or(syscall.Stat(there, &device), syscall.Statfs(there, &fs)); err != nil {
			return nil, fmt.Errorf("%s: %w", there, err)
		}
		i, found := known[device.Dev]
		if !found {
			i = len(disks)
			known[device.Dev], disks = i, append(disks, disk{free: fs.Bavail * uint64(fs.Bsize) >> 20})
		}
		disks[i].folders = append(disks[i].folders, w.folder)
		disks[i].needed += map[bool]uint64{false: w.first, true: w.later}[built]
	}
	return disks, nil
}

// noexec is statfs's ST_NOEXEC.
const noexec = 0x8

// StartsPrograms reports whether programs in a folder may be started.
func StartsPrograms(folder string) bool {
	var disk syscall.Statfs_t
	return syscall.Statfs(folder, &disk) != nil || disk.Flags&noexec == 0
}

func resources(h host) Finding {
	if h.err != nil {
		return Missing("system", "mount /proc and /sys", "%v", h.err)
	}
	switch {
	case h.system != "linux/amd64":
		return Missing("system", "use an x86-64 machine with Linux", "%s: the image is for Google's linux/amd64 nodes, and the emulator's nodes run it", h.system)
	case h.memory < 3500:
		return Missing("system", "use a machine with at least 4 GB", "%d MB of memory: compiling Kubernetes takes 2.5 GB", h.memory)
	}
	return OK("system", "%s, %s, %d MB of memory", h.system, runtime.Version(), h.memory)
}

func space(h host) Finding {
	var says, full []string
	for _, d := range h.disks {
		text := fmt.Sprintf("%d MB free for %s", d.free, strings.Join(d.folders, ", "))
		if d.free < d.needed {
			text += fmt.Sprintf(", which need %d MB", d.needed)
			full = append(full, checkout.Quote(d.folders[0]))
		}
		says = append(says, text)
	}
	if len(full) > 0 {
		return Missing("space", "df -h "+strings.Join(full, " ")+", and delete what you don't need", "%s", strings.Join(says, "; "))
	}
	return OK("space", "%s", strings.Join(says, "; "))
}

// folder checks the checkout's path: PATH and Docker's mounts separate paths by
// colons, labels are text, and a line of output ends with a newline.
func folder(h host) Finding {
	if strings.ContainsAny(h.root, ":\n") || !utf8.ValidString(h.root) {
		return Missing("folder", "mv "+checkout.Quote(h.root)+" "+checkout.Quote(filepath.Join(filepath.Dir(h.root), "hello-timber")),
			"%q: the path of the checkout must be valid UTF-8 without colons and newlines", h.root)
	}
	return Finding{}
}

func executable(h host) Finding {
	if h.noexec {
		return Missing("folder", "sudo mount -o remount,exec \"$(findmnt -no TARGET -T "+checkout.Quote(h.root)+")\"",
			"%s is on a file system that is mounted noexec, so nothing that is compiled there can be started", h.root)
	}
	return Finding{}
}

// inotifyNeeds are what root must have left of its limits for a cluster: all nodes'
// programs are the same root's. A control plane takes 11 instances, a node 7; Linux
// gives a user 128. enough is what several clusters take.
var inotifyNeeds = []struct {
	what           string
	needed, enough int
}{{"instances", 40, 1024}, {"watches", 2000, 65536}}

func inotify(h host) Finding {
	var lacking, unseen, fixes []string
	for i, need := range inotifyNeeds {
		if h.err != nil {
			return Finding{}
		}
		limit := h.inotify[i]
		switch {
		case h.inotifyUse != nil && limit-h.inotifyUse[i] < need.needed:
			lacking = append(lacking, fmt.Sprintf("root has %d of %d inotify %s left, and a cluster needs %d", limit-h.inotifyUse[i], limit, need.what, need.needed))
		case h.inotifyUse == nil && limit < need.enough:
			unseen = append(unseen, fmt.Sprintf("of root's %d inotify %s a cluster needs %d, and only root can see how many are left", limit, need.what, need.needed))
		default:
			continue
		}
		fixes = append(fixes, fmt.Sprintf("fs.inotify.max_user_%s=%d", need.what, need.enough))
	}
	if len(fixes) == 0 {
		return Finding{}
	}
	f := Missing("inotify", "printf '%s\\n' "+strings.Join(fixes, " ")+" | sudo tee /etc/sysctl.d/90-inotify.conf && sudo sysctl --load /etc/sysctl.d/90-inotify.conf",
		"%s", strings.Join(append(lacking, unseen...), "; "))
	if f.Optional = len(lacking) == 0; f.Optional {
		f.Says = "unknown: " + f.Says
	}
	return f
}

// allowInotify raises root's limits until the next restart if this user may: three
// clusters use up the usual 128 instances. If not, the check reports the fix.
func allowInotify(h host) {
	for i, need := range inotifyNeeds {
		path := "/proc/sys/fs/inotify/max_user_" + need.what
		if h.err == nil && h.inotify[i] < need.enough && os.WriteFile(path, fmt.Append(nil, need.enough), 0o644) == nil {
			fmt.Fprintf(os.Stderr, "inotify: raised fs.inotify.max_user_%s from %d to %d until the next restart\n", need.what, h.inotify[i], need.enough)
		}
	}
}

// inotifyUse counts root's inotify instances and their watches, and returns nil if this
// user may not see them.
func inotifyUse() []int {
	if os.Geteuid() != 0 {
		return nil
	}
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil
	}
	use := []int{0, 0}
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err == nil && target == "anon_inode:inotify" {
			use[0]++
			if info, err := os.ReadFile(strings.Replace(path, "/fd/", "/fdinfo/", 1)); err == nil {
				use[1] += strings.Count(string(info), "inotify wd:")
			}
		}
	}
	return use
}

// policyModules are the kernel modules through which network policies are enforced,
// with the options that build them. Packets wait in a queue for a decision; nftables'
// own expression puts them there, or else the target of iptables, whose command on the
// nodes speaks to nftables as well.
var policyModules = struct{ all, nftables, iptables []kernelModule }{
	all:      []kernelModule{{"nfnetlink_queue", "CONFIG_NETFILTER_NETLINK_QUEUE"}, {"nf_tables", "CONFIG_NF_TABLES"}},
	nftables: []kernelModule{{"nft_queue", "CONFIG_NFT_QUEUE"}},
	iptables: []kernelModule{{"xt_NFQUEUE", "CONFIG_NETFILTER_XT_TARGET_NFQUEUE"}, {"nft_compat", "CONFIG_NFT_COMPAT"}},
}

// kernelModule is a module of Linux and the option that builds it.
type kernelModule struct{ name, option string }

// unenforceable returns the modules that a kernel lacks for network policies.
func unenforceable(root fs.FS, release string) []string {
	lacks := func(modules []kernelModule) []string {
		var lacking []string
		for _, module := range modules {
			if !kernelHas(root, release, module.name, module.option) {
				lacking = append(lacking, module.name)
			}
		}
		return lacking
	}
	lacking := lacks(policyModules.all)
	if len(lacks(policyModules.iptables)) > 0 {
		lacking = append(lacking, lacks(policyModules.nftables)...)
	}
	return lacking
}

func policies(h host) Finding {
	if len(h.unenforceable) == 0 {
		return Finding{}
	}
	names := strings.Join(h.unenforceable, " ")
	return Finding{What: "policies", Optional: true, Fix: "sudo modprobe -a " + names + " (on Debian's cloud kernels after sudo apt-get install linux-image-amd64 and a restart)",
		Says: "this kernel has no " + names + ": NETWORK POLICIES ARE NOT ENFORCED, and any pod can reach any other"}
}

// Policies warns where this kernel cannot enforce network policies.
func Policies() Finding {
	return policies(host{unenforceable: unenforceable(os.DirFS("/"), kernelRelease())})
}

// kernelHas reports whether a kernel has a module built in, loaded or ready to be
// loaded. A kernel that says nothing about itself gets the benefit of the doubt.
func kernelHas(root fs.FS, release, module, option string) bool {
	for _, path := range []string{"sys/module/" + module, "proc/net/netfilter/" + module} {
		if _, err := fs.Stat(root, path); err == nil {
			return true
		}
	}
	known := false
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		text, err := fs.ReadFile(root, "lib/modules/"+release+"/"+list)
		if err == nil {
			known = true
		}
		// Compressed modules end in .ko.xz or .ko.zst.
		if strings.Contains(string(text), "/"+module+".ko") {
			return true
		}
	}
	config, err := kernelConfig(root, release)
	if err != nil {
		return !known
	}
	// A module (=m) that is in no list above is not installed.
	return strings.Contains("\n"+config, "\n"+option+"=y\n")
}

// kernelConfig returns the options that the kernel was built with.
func kernelConfig(root fs.FS, release string) (string, error) {
	if text, err := fs.ReadFile(root, "boot/config-"+release); err == nil {
		return string(text), nil
	}
	packed, err := root.Open("proc/config.gz")
	if err != nil {
		return "", err
	}
	defer packed.Close()
	reader, err := gzip.NewReader(packed)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(reader)
	return string(text), err
}

func kernelRelease() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
