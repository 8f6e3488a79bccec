package main

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/deploy"
)

// The list of what is in an image is what its programs were linked from: here of this
// test itself, whose modules are those of go.mod.
func TestSBOM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, map[string]string{"IMAGE": imageV1})
	export := func(files map[string]string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(r.folder, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(r.folder, "bin", "image.tar"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		archive := tar.NewWriter(file)
		for name, text := range files {
			if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
	}
	outputs := filepath.Join(t.TempDir(), "outputs")
	read := func() deploy.BOM {
		t.Helper()
		if _, _, err := r.run(t, "sbom", "GITHUB_OUTPUT="+outputs); err != nil {
			t.Fatal(err)
		}
		var list deploy.BOM
		text, err := os.ReadFile(filepath.Join(r.folder, "bin", "sbom.json"))
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	export(map[string]string{"timber": string(program), "bin/sh": "#!/bin/sh\n", "etc/passwd": "root"})
	list := read()
	std := strings.TrimPrefix(runtime.Version(), "go")
	for _, want := range []deploy.Component{{"application", "/timber", "", ""}, {"library", "std", std, "pkg:golang/std@" + std}} {
		if !slices.Contains(list.Components, want) {
			t.Errorf("the list has %v, not %v", list.Components, want)
		}
	}
	sdk := slices.IndexFunc(list.Components, func(c deploy.Component) bool { return c.Name == "github.com/pulumi/pulumi/sdk/v3" })
	if sdk < 0 || !strings.HasPrefix(list.Components[sdk].PURL, "pkg:golang/github.com/pulumi/pulumi/sdk/v3@v3.") {
		t.Errorf("the list has %v, not Pulumi's SDK", list.Components)
	}
	if list.Format != "CycloneDX" || list.Spec == "" || len(list.Serial) != len("urn:uuid:")+36 || list.Serial != read().Serial {
		t.Errorf("the list is %q %q, with the number %q", list.Format, list.Spec, list.Serial)
	}
	if text, err := os.ReadFile(outputs); err != nil || string(text) != "found=true\nfound=true\n" {
		t.Errorf("reported %q, %v", text, err)
	}

	if err := os.Remove(filepath.Join(r.folder, "bin", "sbom.json")); err != nil {
		t.Fatal(err)
	}
	export(map[string]string{"usr/bin/python3": "\x7fELF"})
	out, _, err := r.run(t, "sbom")
	if _, absent := os.Stat(filepath.Join(r.folder, "bin", "sbom.json")); err != nil || absent == nil || !strings.Contains(out, "no Go program") {
		t.Errorf("an image without a Go program: %v, %q", err, out)
	}
	for want, spoil := range map[string]func() error{
		"unexpected EOF":                  func() error { return os.Truncate(filepath.Join(r.folder, "bin", "image.tar"), 514) },
		"Fix: docker create --name image": func() error { return os.Remove(filepath.Join(r.folder, "bin", "image.tar")) },
	} {
		export(map[string]string{"timber": string(program)})
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.run(t, "sbom"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
