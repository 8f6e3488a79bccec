package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/run/runtest"
)

// The list of what is in an image is what its programs were linked from: here of this
// test itself, whose modules are those of go.mod. Of no other package does Go write them.
func TestSBOM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := runtest.New(t, "IMAGE="+runtest.ImageV1)
	export := func(files fstest.MapFS) {
		t.Helper()
		var text strings.Builder
		archive := tar.NewWriter(&text)
		if err := errors.Join(archive.AddFS(files), archive.Close()); err != nil {
			t.Fatal(err)
		}
		r.Write("bin/image.tar", text.String())
	}
	sbom := filepath.Join(r.Folder, "bin", "sbom.json")
	export(fstest.MapFS{"usr/bin/python3": {Data: []byte("\x7fELF"), Mode: 0o755}})
	if got := r.Reports(deploy.SBOM); got != "found=false\n" {
		t.Errorf("an image without a Go program: reported %q", got)
	}
	if _, err := os.Stat(sbom); err == nil {
		t.Error("an image without a Go program has a list")
	}
	export(fstest.MapFS{"timber": {Data: []byte(runtest.Read(t, self)), Mode: 0o755}, "bin/sh": {Data: []byte("#!/bin/sh\n"), Mode: 0o755}})
	if got := r.Reports(deploy.SBOM); got != "found=true\n" {
		t.Errorf("reported %q", got)
	}
	type component struct{ Type, Name, Version, PURL string }
	var bom struct {
		Format     string `json:"bomFormat"`
		Components []component
	}
	if err := json.Unmarshal([]byte(runtest.Read(t, sbom)), &bom); err != nil || bom.Format != "CycloneDX" {
		t.Errorf("the list is %q, %v", bom.Format, err)
	}
	std := strings.TrimPrefix(runtime.Version(), "go")
	sdk := regexp.MustCompile(`pulumi/sdk/v3 (v\S+)`).FindStringSubmatch(runtest.Read(t, "../go.mod"))[1]
	const module = "github.com/pulumi/pulumi/sdk/v3"
	for _, want := range []component{{"application", "/timber", "", ""}, {"library", "std", std, "pkg:golang/std@" + std}, {"library", module, sdk, "pkg:golang/" + module + "@" + sdk}} {
		if !slices.Contains(bom.Components, want) {
			t.Errorf("the list has %v, not %v", bom.Components, want)
		}
	}
	r.Write("bin/image.tar", runtest.Read(t, filepath.Join(r.Folder, "bin", "image.tar"))[:514])
	r.Try("half an image", "unexpected EOF", deploy.SBOM)
	if err := os.Remove(filepath.Join(r.Folder, "bin", "image.tar")); err != nil {
		t.Fatal(err)
	}
	r.Try("no image", "Fix: docker create --name image", deploy.SBOM)
}
