//go:build linux

package downloads

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// Archive holds the official binaries of a program that is otherwise compiled. It is
// downloaded only if its sum is known: what answers may be a login page or worse.
type Archive struct {
	// Program and Version are what it holds.
	Program, Version string
	// Address has VERSION where the version goes.
	Address string
	// Sum is the SHA-256 or the SHA-512, by its length, that Source says.
	Sum, Source string
	// Folder has the files inside the archive. All others are left out.
	Folder string
	Files  []string
}

// Components are the names under which the node image calls Kubernetes.
var Components = []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet"}

// Archives are held against the modules' versions by TestArchives.
var Archives = []Archive{
	{Program: "kubernetes", Version: "v1.34.4",
		Address: "https://dl.k8s.io/VERSION/kubernetes-server-linux-amd64.tar.gz",
		Sum:     "65c75e81e3ea488f6d42b493cad64d7577ddfa1e5372037a1c841ac069039997d359b5b2f2d44e7665bf04c48ed0065cf9d4c9801b1e63bb6a1b099ef00d4863",
		Source:  "CHANGELOG/CHANGELOG-1.34.md of kubernetes/kubernetes, server binaries",
		Folder:  "kubernetes/server/bin", Files: Components},
	{Program: "pulumi", Version: "v3.250.0",
		Address: "https://github.com/pulumi/pulumi/releases/download/VERSION/pulumi-VERSION-linux-x64.tar.gz",
		Sum:     "8916fd36ccc96adbd45ca679194b685e3b767d94502ae05610878a6d9870b8f3",
		Source:  "Formula/pulumi.rb of pulumi/homebrew-tap, Intel Linux",
		Folder:  "pulumi", Files: []string{"pulumi", "pulumi-language-go"}},
	{Program: "provider", Version: "v4.25.0",
		Address: "https://api.pulumi.com/releases/plugins/pulumi-resource-kubernetes-VERSION-linux-amd64.tar.gz",
		Sum:     "6ea3d53c16a00c4d1017c4d109928d8f4801fd7cd978965cd43917561f3774b0",
		// At Pulumi 3.221.0, and there in Nix's base 32.
		Source: "pkgs/by-name/pu/pulumi-bin/data.nix of NixOS/nixpkgs",
		Folder: ".", Files: []string{"pulumi-resource-kubernetes"}},
}

// Name is the name of the folder that gets the files.
func (a Archive) Name() string { return a.Program + "-" + a.Version }

// URL is where the archive is published.
func (a Archive) URL() string { return strings.ReplaceAll(a.Address, "VERSION", a.Version) }

// check compares a downloaded archive with the sum.
func (a Archive) check(packed string) error {
	digest := sha256.New()
	if len(a.Sum) == hex.EncodedLen(sha512.Size) {
		digest = sha512.New()
	}
	file, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(digest, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != a.Sum {
		return fmt.Errorf("its sum is %.12s… and must be %.12s…", got, a.Sum)
	}
	return nil
}
