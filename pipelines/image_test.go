package main

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/run"
)

// Promotion accepts what main's deploy workflow built on main, in dev's repository.
func TestVerify(t *testing.T) {
	tools := t.TempDir()
	for _, tool := range []string{"gh", "gcloud"} {
		script(t, tools, tool, "echo "+tool+" \"$@\" >> "+tools+"/calls\n[ ! -e "+tools+"/refuse ] || [ "+tool+" = gcloud ]")
	}
	repository, _, _ := strings.Cut(imageV1, "@")
	r := newRunner(t, "IMAGE="+imageV1)
	verify := func(images, complaint string) {
		t.Helper()
		r.write(t, run.GoogleFile, "IMAGES="+images+"\n")
		_, _, err := r.run(t, "verify", "IMAGES="+repository)
		want(t, images, err, complaint)
	}
	verify(repository, "")
	const exact = "gh attestation verify oci://" + imageV1 + " --repo o/r --cert-identity https://github.com/o/r/.github/workflows/deploy.yml@refs/heads/main" +
		" --cert-oidc-issuer https://token.actions.githubusercontent.com --source-ref refs/heads/main\n"
	if calls := read(t, tools+"/calls"); !strings.HasSuffix(calls, exact) {
		t.Errorf("ran %q, want %q", calls, exact)
	}
	writeFile(t, tools+"/refuse", "")
	verify(repository, "does not attest")
	verify("europe-west1-docker.pkg.dev/evil/hello-timber-dev/timber-tutorial", "where dev pushes")
	verify("", `is not in ""`)
}

// A change of app/ needs a new imageVersion, if tags are immutable, whatever the project's name.
func TestVersion(t *testing.T) {
	r := newRunner(t)
	git(t, r.folder, "init", "--quiet", "--initial-branch=main")
	r.write(t, "Pulumi.yaml", regexp.MustCompile(`(?m)^name: .*`).ReplaceAllString(read(t, "../Pulumi.yaml"), "name: shop"))
	for _, step := range []struct{ app, config, base, want string }{
		{"one", "immutableTags: true\n  shop:imageVersion: v1", "HEAD", ""},
		{"one", "immutableTags: true\n  shop:imageVersion: v1\n  shop:replicas: 2", "HEAD~1", ""},
		{"two", "immutableTags: true\n  shop:imageVersion: v1", "HEAD~1", "imageVersion of dev is still v1"},
		{"three", "immutableTags: true\n  shop:imageVersion: v2", "HEAD~1", ""},
		{"four", "immutableTags: false\n  shop:imageVersion: v2", "HEAD~1", ""},
		{"five", "imageVersion: v2", "HEAD~1", "imageVersion of dev is still v2"},
		{"default", "replicas: 1", "HEAD~1", ""},
		{"default again", "replicas: 1", "HEAD~1", "imageVersion of dev is still v1"},
		{"six", "imageVersion: v3", "none", "compare app/ with none"},
	} {
		r.write(t, "app/main.go", step.app)
		r.write(t, "Pulumi.dev.yaml", "config:\n  shop:"+step.config+"\n")
		git(t, r.folder, "add", ".")
		git(t, r.folder, "commit", "--quiet", "--message", "step")
		_, _, err := r.run(t, "version", "BASE="+step.base)
		want(t, step.app, err, step.want)
	}
}

// The list of what is in an image is what its programs were linked from: here of this
// test itself, whose modules are those of go.mod.
func TestSBOM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, "IMAGE="+imageV1)
	export := func(files map[string]string) {
		t.Helper()
		var text strings.Builder
		archive := tar.NewWriter(&text)
		for name, content := range files {
			if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		r.write(t, "bin/image.tar", text.String())
	}
	sbom := filepath.Join(r.folder, "bin", "sbom.json")
	export(map[string]string{"usr/bin/python3": "\x7fELF"})
	if got := r.outputs(t, "sbom"); got != "found=false\n" {
		t.Errorf("an image without a Go program: reported %q", got)
	}
	if _, err := os.Stat(sbom); err == nil {
		t.Error("an image without a Go program has a list")
	}
	export(map[string]string{"timber": read(t, self), "bin/sh": "#!/bin/sh\n", "etc/passwd": "root"})
	if got := r.outputs(t, "sbom"); got != "found=true\n" {
		t.Errorf("reported %q", got)
	}
	type component struct{ Type, Name, Version, PURL string }
	var bom struct {
		Format     string `json:"bomFormat"`
		Components []component
	}
	if err := json.Unmarshal([]byte(read(t, sbom)), &bom); err != nil || bom.Format != "CycloneDX" {
		t.Errorf("the list is %q, %v", bom.Format, err)
	}
	std := strings.TrimPrefix(runtime.Version(), "go")
	sdk := regexp.MustCompile(`pulumi/sdk/v3 (v\S+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	const module = "github.com/pulumi/pulumi/sdk/v3"
	for _, want := range []component{{"application", "/timber", "", ""}, {"library", "std", std, "pkg:golang/std@" + std}, {"library", module, sdk, "pkg:golang/" + module + "@" + sdk}} {
		if !slices.Contains(bom.Components, want) {
			t.Errorf("the list has %v, not %v", bom.Components, want)
		}
	}
	r.write(t, "bin/image.tar", read(t, filepath.Join(r.folder, "bin", "image.tar"))[:514])
	_, _, err = r.run(t, "sbom")
	want(t, "half an image", err, "unexpected EOF")
	if err := os.Remove(filepath.Join(r.folder, "bin", "image.tar")); err != nil {
		t.Fatal(err)
	}
	_, _, err = r.run(t, "sbom")
	want(t, "no image", err, "Fix: docker create --name image")
}
