//go:build linux

package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// archive holds the official binaries of a program that is otherwise compiled. It is
// downloaded only if its sum is known: what answers may be a login page or worse.
type archive struct {
	program, version string
	// address has VERSION where the version goes.
	address string
	// sum is the SHA-256 or the SHA-512, by its length, that source says.
	sum, source string
	// folder has the files inside the archive. All others are left out.
	folder string
	files  []string
}

// components are the names under which the node image calls Kubernetes.
var components = []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet"}

// archives are held against the modules' versions by TestArchives.
var archives = []archive{
	{program: "kubernetes", version: "v1.34.4",
		address: "https://dl.k8s.io/VERSION/kubernetes-server-linux-amd64.tar.gz",
		sum:     "65c75e81e3ea488f6d42b493cad64d7577ddfa1e5372037a1c841ac069039997d359b5b2f2d44e7665bf04c48ed0065cf9d4c9801b1e63bb6a1b099ef00d4863",
		source:  "CHANGELOG/CHANGELOG-1.34.md of kubernetes/kubernetes, server binaries",
		folder:  "kubernetes/server/bin", files: components},
	{program: "pulumi", version: "v3.250.0",
		address: "https://github.com/pulumi/pulumi/releases/download/VERSION/pulumi-VERSION-linux-x64.tar.gz",
		sum:     "8916fd36ccc96adbd45ca679194b685e3b767d94502ae05610878a6d9870b8f3",
		source:  "Formula/pulumi.rb of pulumi/homebrew-tap, Intel Linux",
		folder:  "pulumi", files: []string{"pulumi", "pulumi-language-go"}},
	{program: "provider", version: "v4.25.0",
		address: "https://api.pulumi.com/releases/plugins/pulumi-resource-kubernetes-VERSION-linux-amd64.tar.gz",
		sum:     "6ea3d53c16a00c4d1017c4d109928d8f4801fd7cd978965cd43917561f3774b0",
		// At Pulumi 3.221.0, and there in Nix's base 32.
		source: "pkgs/by-name/pu/pulumi-bin/data.nix of NixOS/nixpkgs",
		folder: ".", files: []string{"pulumi-resource-kubernetes"}},
}

// name is the name of the folder that gets the files.
func (a archive) name() string { return a.program + "-" + a.version }

// url is where the archive is published.
func (a archive) url() string { return strings.ReplaceAll(a.address, "VERSION", a.version) }

// check compares a downloaded archive with the sum.
func (a archive) check(packed string) error {
	digest := sha256.New()
	if len(a.sum) == hex.EncodedLen(sha512.Size) {
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
	if got := hex.EncodeToString(digest.Sum(nil)); got != a.sum {
		return fmt.Errorf("its sum is %.12s… and must be %.12s…", got, a.sum)
	}
	return nil
}

// extract writes the archive's files into a new folder.
func (a archive) extract(packed, folder string) error {
	file, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	missing := slices.Clone(a.files)
	for entries := tar.NewReader(unzipped); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(entry.Name) {
			return fmt.Errorf("%q is outside of the archive", entry.Name)
		}
		inside, name := path.Split(path.Clean(entry.Name))
		i := slices.Index(missing, name)
		if entry.Typeflag != tar.TypeReg || path.Clean(inside) != a.folder || i < 0 {
			continue
		}
		if err := writeProgram(filepath.Join(folder, name), entries); err != nil {
			return err
		}
		missing = slices.Delete(missing, i, i+1)
	}
	if len(missing) > 0 {
		return fmt.Errorf("it has no %s", path.Join(a.folder, missing[0]))
	}
	return nil
}

func writeProgram(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// installed reports whether the archive's files are in a folder.
func (a archive) installed(folder string) bool {
	return !slices.ContainsFunc(a.files, func(name string) bool {
		info, err := os.Stat(filepath.Join(folder, name))
		return err != nil || info.Mode()&fs.ModeType != 0
	})
}
