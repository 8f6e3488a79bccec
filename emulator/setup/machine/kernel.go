//go:build linux

package machine

import (
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Policies warns where this kernel cannot enforce network policies.
func Policies() []Finding { return policies(unenforceable(os.DirFS("/"), kernelRelease())) }

func policies(lacking []string) []Finding {
	if len(lacking) == 0 {
		return nil
	}
	names := strings.Join(lacking, " ")
	return []Finding{{What: "policies", Optional: true, Fix: "sudo modprobe -a " + names + " (on Debian's cloud kernels after sudo apt-get install linux-image-amd64 and a restart)",
		Says: "this kernel has no " + names + ": NETWORK POLICIES ARE NOT ENFORCED, and any pod can reach any other"}}
}

// unenforceable returns the modules that a kernel lacks for network policies. Packets wait
// in a queue for a decision. nftables' own expression puts them there, or else the target of
// iptables, whose command on the nodes speaks to nftables as well.
func unenforceable(root fs.FS, release string) (lacking []string) {
	needed := [][2]string{{"nfnetlink_queue", "NETFILTER_NETLINK_QUEUE"}, {"nf_tables", "NF_TABLES"}}
	if !kernelHas(root, release, "xt_NFQUEUE", "NETFILTER_XT_TARGET_NFQUEUE") || !kernelHas(root, release, "nft_compat", "NFT_COMPAT") {
		needed = append(needed, [2]string{"nft_queue", "NFT_QUEUE"})
	}
	for _, module := range needed {
		if !kernelHas(root, release, module[0], module[1]) {
			lacking = append(lacking, module[0])
		}
	}
	return lacking
}

// kernelHas reports whether a kernel has a module built in, loaded or ready to be
// loaded. A kernel that says nothing about itself gets the benefit of the doubt.
func kernelHas(root fs.FS, release, module, option string) bool {
	for _, path := range []string{"sys/module/" + module, "proc/net/netfilter/" + module} {
		if _, err := fs.Stat(root, path); err == nil {
			return true
		}
	}
	silent := true
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		text, err := fs.ReadFile(root, "lib/modules/"+release+"/"+list)
		silent = silent && err != nil
		// Compressed modules end in .ko.xz or .ko.zst.
		if strings.Contains(string(text), "/"+module+".ko") {
			return true
		}
	}
	config, err := kernelConfig(root, release)
	// A module (=m) that is in no list above is not installed.
	return err != nil && silent || strings.Contains("\n"+config, "\nCONFIG_"+option+"=y\n")
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
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}
