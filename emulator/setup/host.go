//go:build linux

package main

import (
	"cmp"
	"compress/gzip"
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
)

// host holds the facts about this machine, Docker aside.
type host struct {
	err           error
	root          string // the checkout
	system        string // operating system and architecture, as Go names them
	memory, disk  uint64 // in MB; of the disk what is free
	built         bool   // what takes most of the disk is there already
	noexec        bool   // the checkout's file system starts no programs
	watchers      int    // fs.inotify.max_user_instances
	watching      int    // how many of them root uses
	unenforceable []string
}

// hostChecks each look at one fact.
var hostChecks = []func(host) finding{resources, folder, executable, inotify, policies}

// host reads the facts.
func (c checkout) host() host {
	h := host{root: c.root, system: runtime.GOOS + "/" + runtime.GOARCH, built: exists(c.home("node-image"))}
	var memory syscall.Sysinfo_t
	var disk syscall.Statfs_t
	if h.err = cmp.Or(syscall.Sysinfo(&memory), syscall.Statfs(c.root, &disk)); h.err != nil {
		return h
	}
	h.memory, h.disk = memory.Totalram*uint64(memory.Unit)>>20, disk.Bavail*uint64(disk.Bsize)>>20
	h.noexec = disk.Flags&noexec != 0
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err == nil {
		h.watchers, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	h.err, h.watching = err, watching()
	h.unenforceable = unenforceable(os.DirFS("/"), kernelRelease())
	return h
}

// noexec is statfs's ST_NOEXEC.
const noexec = 0x8

// startsPrograms reports whether programs in a folder may be started.
func startsPrograms(folder string) bool {
	var disk syscall.Statfs_t
	return syscall.Statfs(folder, &disk) != nil || disk.Flags&noexec == 0
}

func resources(h host) finding {
	if h.err != nil {
		return missing("system", "mount /proc and /sys", "%v", h.err)
	}
	needed := uint64(10000)
	if h.built {
		needed = 2000
	}
	switch {
	case h.system != "linux/amd64":
		return missing("system", "use an x86-64 machine with Linux", "%s: the image is for Google's linux/amd64 nodes, and the emulator's nodes run it", h.system)
	case h.memory < 3500:
		return missing("system", "use a machine with at least 4 GB", "%d MB of memory: compiling Kubernetes takes 2.5 GB", h.memory)
	case h.disk < needed:
		return missing("system", "df -h "+quote(h.root)+", and delete what you don't need",
			"%d MB of disk free: modules, compiled packages and images need %d MB", h.disk, needed)
	}
	return ok("system", "%s, %s, %d MB of memory, %d MB of disk free", h.system, runtime.Version(), h.memory, h.disk)
}

// folder checks the checkout's path: PATH and Docker's mounts separate paths by
// colons, labels are text, and a line of output ends with a newline.
func folder(h host) finding {
	if strings.ContainsAny(h.root, ":\n") || !utf8.ValidString(h.root) {
		return missing("folder", "mv "+quote(h.root)+" "+quote(filepath.Join(filepath.Dir(h.root), "hello-timber")),
			"%q: the path of the checkout must be valid UTF-8 without colons and newlines", h.root)
	}
	return finding{}
}

func executable(h host) finding {
	if h.noexec {
		return missing("folder", "sudo mount -o remount,exec \"$(findmnt -no TARGET -T "+quote(h.root)+")\"",
			"%s is on a file system that is mounted noexec, so nothing that is compiled there can be started", h.root)
	}
	return finding{}
}

// inotify checks how many inotify instances root has left: all nodes' programs are the
// same root's. A control plane takes 11, a node 7, and Linux gives a user 128.
func inotify(h host) finding {
	const needed = 40
	if left := h.watchers - h.watching; left < needed {
		return missing("inotify", "echo fs.inotify.max_user_instances=1024 | sudo tee /etc/sysctl.d/90-inotify.conf && sudo sysctl --load /etc/sysctl.d/90-inotify.conf",
			"root has %d of %d inotify instances left, and a cluster needs %d", left, h.watchers, needed)
	}
	return finding{}
}

// allowInotify raises root's limit of inotify instances until the next restart if this
// user may: three clusters use up the usual 128. If not, the check reports the fix.
func allowInotify(h host) {
	const limit, path = 1024, "/proc/sys/fs/inotify/max_user_instances"
	if h.watchers >= limit || os.WriteFile(path, fmt.Append(nil, limit), 0o644) != nil {
		return
	}
	fmt.Fprintf(os.Stderr, "inotify: raised fs.inotify.max_user_instances from %d to %d until the next restart\n", h.watchers, limit)
}

// watching counts the inotify instances of root's processes. Only root can: for others
// it is 0.
func watching() int {
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0
	}
	count := 0
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err == nil && target == "anon_inode:inotify" {
			count++
		}
	}
	return count
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

func policies(h host) finding {
	if len(h.unenforceable) == 0 {
		return finding{}
	}
	names := strings.Join(h.unenforceable, " ")
	return finding{what: "policies", optional: true, fix: "sudo modprobe -a " + names + " (on Debian's cloud kernels after sudo apt-get install linux-image-amd64 and a restart)",
		says: "this kernel has no " + names + ": NETWORK POLICIES ARE NOT ENFORCED, and any pod can reach any other"}
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
