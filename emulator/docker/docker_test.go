package docker

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

const urn = "urn:pulumi:local::hello-timber::docker:index/image:Image::timber-tutorial"

var unknown = resource.MakeComputed(resource.NewProperty(""))

func properties(values map[string]any) resource.PropertyMap {
	return resource.NewPropertyMapFromMap(values)
}

// program makes a folder with an app/ of these files and goes there, as the
// engine starts plugins in the program's folder.
func program(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		write(t, name, content, 0o644)
	}
}

func write(t *testing.T, name, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	// The test must not depend on the umask.
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestContextDigestIsTheOfficialOne(t *testing.T) {
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY main.go /\n", "app/main.go": "package main\n"})
	if err := os.Symlink("main.go", "app/link"); err != nil {
		t.Fatal(err)
	}
	digest, err := contextDigest("./app", "./app/Dockerfile")
	if want := "d7640299df4d0f0b0dd1f2db0b2f927acf9a2b385d3ddd914c14c6d09e5b9f0e"; err != nil || digest != want {
		t.Errorf("digest %s, %v, want %s", digest, err, want)
	}
}

func TestContextDigestChangesWithTheImage(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(t *testing.T)
		changes bool
	}{
		{"nothing", func(t *testing.T) {}, false},
		{"content", func(t *testing.T) { write(t, "app/main.go", "package other\n", 0o644) }, true},
		{"mode", func(t *testing.T) { os.Chmod("app/main.go", 0o755) }, true},
		{"name", func(t *testing.T) { os.Rename("app/main.go", "app/other.go") }, true},
		{"new file", func(t *testing.T) { write(t, "app/sub/new.go", "package new\n", 0o644) }, true},
		{"Dockerfile", func(t *testing.T) { write(t, "app/Dockerfile", "FROM other\n", 0o644) }, true},
		{"time", func(t *testing.T) { write(t, "app/main.go", "package main\n", 0o644) }, false},
		{"ignored file", func(t *testing.T) { write(t, "app/notes.txt", "more\n", 0o644) }, false},
		{"link's own target", func(t *testing.T) { os.Remove("app/link"); os.Symlink("notes.txt", "app/link") }, true},
		{"file behind a link", func(t *testing.T) { write(t, "outside", "changed\n", 0o644) }, false},
		{"Dockerfile.dockerignore wins", func(t *testing.T) { write(t, "app/Dockerfile.dockerignore", "nothing\n", 0o644) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			program(t, map[string]string{
				"app/Dockerfile": "FROM scratch\n", "app/main.go": "package main\n", "app/.dockerignore": "*.txt\n",
				"app/notes.txt": "notes\n", "outside": "outside\n",
			})
			if err := os.Symlink("../outside", "app/link"); err != nil {
				t.Fatal(err)
			}
			before, err := contextDigest("app", "app/Dockerfile")
			if err != nil {
				t.Fatal(err)
			}
			test.change(t)
			after, err := contextDigest("app", "app/Dockerfile")
			if err != nil {
				t.Fatal(err)
			}
			if (after != before) != test.changes {
				t.Errorf("before %s, after %s", before, after)
			}
		})
	}
}

func check(t *testing.T, news resource.PropertyMap) (resource.PropertyMap, []string) {
	t.Helper()
	response, err := New(nil).Check(t.Context(), plugin.CheckRequest{URN: urn, News: news})
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, failure := range response.Failures {
		reasons = append(reasons, failure.Reason)
	}
	return response.Properties, reasons
}

func TestCheckRefuses(t *testing.T) {
	const name = "europe-west1-docker.pkg.dev/p/r/i:v1"
	for _, test := range []struct {
		news map[string]any
		want string
	}{
		{map[string]any{"imageName": name, "tags": "v1"}, `the emulator's docker:index/image:Image has no property "tags"`},
		{map[string]any{"imageName": name, "build": map[string]any{"cacheFrom": map[string]any{}}}, `has no property "cacheFrom"`},
		{map[string]any{"imageName": name, "registry": map[string]any{"token": "x"}}, `has no property "token"`},
		{map[string]any{"imageName": name, "skipPush": "no"}, `cannot unmarshal string`},
		{map[string]any{"imageName": "timber:v1"}, `imageName "timber:v1": repository name must be canonical`},
		{map[string]any{"imageName": name, "build": map[string]any{"context": "app", "dockerfile": "Dockerfile"}}, "build.dockerfile, whose path is relative to the program and not to the context: open Dockerfile: no such file"},
		{map[string]any{"imageName": name, "build": map[string]any{"context": "app", "dockerfile": "missing/Dockerfile"}}, "open missing/Dockerfile: no such file"},
		{map[string]any{"imageName": name, "build": map[string]any{"context": "missing", "dockerfile": "app/Dockerfile"}}, "build.context missing: "},
	} {
		program(t, map[string]string{"app/Dockerfile": "FROM scratch\n"})
		_, reasons := check(t, properties(test.news))
		if len(reasons) != 1 || !strings.Contains(reasons[0], test.want) {
			t.Errorf("%v: %q, want %s", test.news, reasons, test.want)
		}
	}
	if _, err := New(nil).Check(t.Context(), plugin.CheckRequest{URN: "urn:pulumi:local::p::docker:index/network:Network::n"}); err == nil ||
		err.Error() != "the emulator has no docker:index/network:Network" {
		t.Errorf("a network: %v", err)
	}
}

func TestCheckCompletes(t *testing.T) {
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\n", "Dockerfile": "FROM scratch\n"})
	build := func(news resource.PropertyMap) resource.PropertyMap {
		t.Helper()
		inputs, reasons := check(t, news)
		if reasons != nil || !inputs["build"].IsObject() {
			t.Fatalf("%v: %q, %v", news, reasons, inputs)
		}
		return inputs["build"].ObjectValue()
	}
	text := func(got resource.PropertyMap, key resource.PropertyKey, want string) {
		t.Helper()
		if !got[key].IsString() || got[key].StringValue() != want {
			t.Errorf("%s is %v, want %s", key, got[key], want)
		}
	}
	got := build(properties(map[string]any{"imageName": "i", "skipPush": true}))
	text(got, "context", ".")
	text(got, "dockerfile", "Dockerfile")
	text(got, "platform", "linux/amd64")
	if digest, err := contextDigest(".", "Dockerfile"); err != nil {
		t.Error(err)
	} else {
		text(got, "contextDigest", digest)
	}
	got = build(properties(map[string]any{"imageName": "i", "skipPush": true, "build": map[string]any{
		"context": "./app", "platform": "linux/arm64", "args": map[string]any{"VERSION": "v1"}}}))
	text(got, "dockerfile", "app/Dockerfile")
	text(got, "platform", "linux/arm64")

	// What a preview does not know stays unknown.
	got = build(resource.PropertyMap{"imageName": unknown, "registry": resource.NewProperty(resource.PropertyMap{"password": unknown}),
		"build": resource.NewProperty(resource.PropertyMap{"context": unknown})})
	if !got["context"].IsComputed() || got.HasValue("contextDigest") || got.HasValue("dockerfile") {
		t.Errorf("unknown context: %v", got)
	}
	inputs, reasons := check(t, resource.PropertyMap{"imageName": unknown, "build": unknown})
	if reasons != nil || !inputs["build"].IsComputed() {
		t.Errorf("unknown build: %q, %v", reasons, inputs)
	}
}

func TestDiff(t *testing.T) {
	inputs := func(change func(inputs, build, registry resource.PropertyMap)) resource.PropertyMap {
		build := properties(map[string]any{"context": "./app", "contextDigest": "1", "args": map[string]any{"VERSION": "v1"}})
		registry := properties(map[string]any{"server": "europe-west1-docker.pkg.dev", "username": "oauth2accesstoken", "password": "1"})
		inputs := resource.PropertyMap{"imageName": resource.NewProperty("i:v1"), "build": resource.NewProperty(build), "registry": resource.NewProperty(registry)}
		change(inputs, build, registry)
		return inputs
	}
	two := resource.NewProperty("2")
	for _, test := range []struct {
		name   string
		change func(inputs, build, registry resource.PropertyMap)
		want   []string
	}{
		{"nothing", func(_, _, _ resource.PropertyMap) {}, nil},
		{"credentials", func(_, _, r resource.PropertyMap) { r["username"], r["password"] = two, two }, nil},
		{"unknown password", func(_, _, r resource.PropertyMap) { r["password"] = unknown }, nil},
		{"registry gone", func(i, _, _ resource.PropertyMap) { delete(i, "registry") }, []string{"registry"}},
		{"credentials gone", func(_, _, r resource.PropertyMap) { delete(r, "username"); delete(r, "password") }, nil},
		{"server", func(_, _, r resource.PropertyMap) { r["server"] = two }, []string{"registry"}},
		{"name", func(i, _, _ resource.PropertyMap) { i["imageName"] = two }, []string{"imageName"}},
		{"unknown name", func(i, _, _ resource.PropertyMap) { i["imageName"] = unknown }, []string{"imageName"}},
		{"source", func(_, b, _ resource.PropertyMap) { b["contextDigest"] = two }, []string{"build"}},
		{"argument", func(_, b, _ resource.PropertyMap) {
			b["args"] = resource.NewProperty(resource.PropertyMap{"VERSION": two})
		}, []string{"build"}},
		{"target", func(_, b, _ resource.PropertyMap) { b["target"] = two }, []string{"build"}},
	} {
		diff, err := New(nil).Diff(context.Background(), plugin.DiffRequest{
			OldInputs: inputs(func(_, _, _ resource.PropertyMap) {}), NewInputs: inputs(test.change)})
		var paths []string
		for path, change := range diff.DetailedDiff {
			paths = append(paths, path)
			if change.Kind.IsReplace() {
				t.Errorf("%s: replaces", test.name)
			}
		}
		slices.Sort(paths)
		changes := plugin.DiffSome
		if test.want == nil {
			changes = plugin.DiffNone
		}
		if err != nil || !slices.Equal(paths, test.want) || diff.Changes != changes {
			t.Errorf("%s: %v, %v, %v, want %v", test.name, diff.Changes, paths, err, test.want)
		}
	}
}

// The state says what an image was made of; the inputs may be of an up that failed.
func TestDiffComparesWithTheState(t *testing.T) {
	made, failed := properties(map[string]any{"imageName": "i:v1"}), properties(map[string]any{"imageName": "i:v2"})
	for name, kept := range map[string]resource.PropertyValue{"plain": resource.NewProperty(made), "secret": resource.MakeSecret(resource.NewProperty(made))} {
		diff, err := New(nil).Diff(t.Context(), plugin.DiffRequest{OldInputs: failed, OldOutputs: resource.PropertyMap{inputsKey: kept}, NewInputs: failed})
		if err != nil || diff.Changes != plugin.DiffSome || diff.DetailedDiff["imageName"].Kind != plugin.DiffUpdate {
			t.Errorf("%s: %v, %v", name, diff, err)
		}
	}
}

func TestConfigureRefuses(t *testing.T) {
	for want, config := range map[string]map[string]any{
		"docker:registryAuth. Fix: pulumi config rm docker:registryAuth --stack dev":              {"registryAuth": []any{}},
		"no Docker engine answers at unix:///missing.sock; start it (sudo systemctl start docker": {"host": "unix:///missing.sock"},
	} {
		urn := resource.URN("urn:pulumi:dev::hello-timber::pulumi:providers:docker::default")
		_, err := New(nil).Configure(t.Context(), plugin.ConfigureRequest{URN: &urn, Inputs: properties(config)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", config, err, want)
		}
	}
}

func TestReadAndDeleteLeaveTheImageAlone(t *testing.T) {
	state := properties(map[string]any{"repoDigest": "r@sha256:1"})
	read, err := New(nil).Read(t.Context(), plugin.ReadRequest{ID: "i:v1", State: state, Inputs: state})
	if err != nil || read.ID != "i:v1" || !read.Outputs.DeepEquals(state) || !read.Inputs.DeepEquals(state) {
		t.Errorf("read %v, %v", read, err)
	}
	if _, err := New(nil).Delete(t.Context(), plugin.DeleteRequest{ID: "i:v1"}); err != nil {
		t.Error(err)
	}
}
