package docker

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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
	build := func(folder, dockerfile string) map[string]any {
		return map[string]any{"imageName": name, "build": map[string]any{"context": folder, "dockerfile": dockerfile, "platform": "linux/amd64"}}
	}
	for _, test := range []struct {
		news map[string]any
		want string
	}{
		{map[string]any{"imageName": name, "tags": "v1"}, `the emulator's docker:index/image:Image: unknown field "tags"`},
		{map[string]any{"imageName": name, "build": map[string]any{"cacheFrom": map[string]any{}}}, `unknown field "cacheFrom"`},
		{map[string]any{"imageName": name, "registry": map[string]any{"token": "x"}}, `unknown field "token"`},
		{map[string]any{"imageName": name, "skipPush": "no"}, `cannot unmarshal string`},
		{map[string]any{"imageName": name, "skipPush": true}, "neither skipPush nor buildOnPreview can be true"},
		{map[string]any{"imageName": "timber:v1"}, `imageName "timber:v1": repository name must be canonical`},
		{map[string]any{"imageName": name}, "build needs a context, a dockerfile and a platform"},
		{build("app", "Dockerfile"), "build.dockerfile, whose path is relative to the program and not to the context: open Dockerfile: no such file"},
		{build("app", "missing/Dockerfile"), "open missing/Dockerfile: no such file"},
		{build("missing", "app/Dockerfile"), "build.context missing: "},
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

// What a preview does not know stays unknown.
func TestCheckUnknown(t *testing.T) {
	for _, build := range []resource.PropertyValue{unknown, resource.NewProperty(resource.PropertyMap{"context": unknown})} {
		inputs, reasons := check(t, resource.PropertyMap{"imageName": unknown, "build": build})
		if reasons != nil || !inputs["build"].DeepEquals(build) {
			t.Errorf("%v becomes %v, %q", build, inputs["build"], reasons)
		}
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
		want   map[string]plugin.PropertyDiff
	}{
		{"credentials", func(_, _, r resource.PropertyMap) { r["username"], r["password"] = two, unknown }, map[string]plugin.PropertyDiff{}},
		{"credentials gone", func(_, _, r resource.PropertyMap) { delete(r, "username"); delete(r, "password") }, map[string]plugin.PropertyDiff{}},
		{"registry gone", func(i, _, _ resource.PropertyMap) { delete(i, "registry") }, map[string]plugin.PropertyDiff{"registry": {Kind: plugin.DiffDelete}}},
		{"server", func(_, _, r resource.PropertyMap) { r["server"] = two }, map[string]plugin.PropertyDiff{"registry": {Kind: plugin.DiffUpdate}}},
		{"unknown name", func(i, _, _ resource.PropertyMap) { i["imageName"] = unknown }, map[string]plugin.PropertyDiff{"imageName": {Kind: plugin.DiffUpdate}}},
		{"source", func(_, b, _ resource.PropertyMap) { b["contextDigest"] = two }, map[string]plugin.PropertyDiff{"build": {Kind: plugin.DiffUpdate}}},
	} {
		diff, err := New(nil).Diff(t.Context(), plugin.DiffRequest{
			OldInputs: inputs(func(_, _, _ resource.PropertyMap) {}), NewInputs: inputs(test.change)})
		if err != nil || !maps.Equal(diff.DetailedDiff, test.want) || (diff.Changes == plugin.DiffNone) != (len(test.want) == 0) {
			t.Errorf("%s: %v, %v, want %v", test.name, diff, err, test.want)
		}
	}
}

// The state says what an image was made of; the inputs may be of an up that failed.
func TestDiffComparesWithTheState(t *testing.T) {
	made, failed := properties(map[string]any{"imageName": "i:v1"}), properties(map[string]any{"imageName": "i:v2"})
	diff, err := New(nil).Diff(t.Context(), plugin.DiffRequest{OldInputs: failed, OldOutputs: resource.PropertyMap{inputsKey: resource.NewProperty(made)}, NewInputs: failed})
	if err != nil || diff.Changes != plugin.DiffSome || diff.DetailedDiff["imageName"].Kind != plugin.DiffUpdate {
		t.Errorf("%v, %v", diff, err)
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
