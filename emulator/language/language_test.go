package language

import (
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

const module = `module example

go 1.24

require (
	github.com/pulumi/pulumi-docker/sdk/v4 v4.11.2
	github.com/pulumi/pulumi-gcp/sdk/v7 v7.38.0
	github.com/pulumi/pulumi/sdk/v3 v3.250.0
)

require github.com/pulumi/pulumi-random/sdk/v4 v4.16.0 // indirect
`

// program writes a program into a folder of its own.
func program(t *testing.T, module, source string, options map[string]any) *pulumirpc.ProgramInfo {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": module, "main.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fields, err := structpb.NewStruct(options)
	if err != nil {
		t.Fatal(err)
	}
	return &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: ".", Options: fields}
}

func TestGetRequiredPackages(t *testing.T) {
	info := program(t, module, "", nil)
	response, err := new(host).GetRequiredPackages(t.Context(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range response.Packages {
		got = append(got, p.Kind+" "+p.Name+" "+p.Version)
	}
	if want := "resource docker v4.11.2, resource gcp v7.38.0, resource random v4.16.0"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	info.ProgramDirectory = t.TempDir()
	if _, err := new(host).GetRequiredPackages(t.Context(), &pulumirpc.GetRequiredPackagesRequest{Info: info}); err == nil || !strings.Contains(err.Error(), "go mod init") {
		t.Errorf("without a module: %v", err)
	}
}

func TestRun(t *testing.T) {
	// What is compiled is shared with everything else; how it is linked is the host's.
	t.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -mod=mod -trimpath=false -ldflags=")
	for name, test := range map[string]struct {
		main    string
		options map[string]any
		error   string
		bail    bool
	}{
		"success": {main: `
			environment := ""
			for _, name := range []string{"PROJECT", "STACK", "ORGANIZATION", "CONFIG", "CONFIG_SECRET_KEYS", "DRY_RUN", "PARALLEL", "MONITOR", "ENGINE"} {
				environment += os.Getenv("PULUMI_" + name) + "\n"
			}
			os.WriteFile("environment", []byte(environment), 0o644)`},
		"build target":     {main: ``, options: map[string]any{"buildTarget": "bin/program"}},
		"logged error":     {main: `os.Exit(32)`, bail: true},
		"other error":      {main: `os.Exit(3)`, error: "program exited with non-zero exit code: 3"},
		"does not compile": {main: `undefined()`, error: "error in compiling Go: go build: exit status 1"},
		"both options":     {options: map[string]any{"buildTarget": "a", "binary": "b"}, error: "exclude each other"},
		"binary":           {main: `os.WriteFile("environment", []byte("ran"), 0o644)`, options: map[string]any{"binary": "bin/program"}},
		"no binary":        {options: map[string]any{"binary": "no-such-program"}, error: "no-such-program"},
	} {
		t.Run(name, func(t *testing.T) {
			info := program(t, "module example\n\ngo 1.24\n", "package main\n\nimport \"os\"\n\nvar _ = os.Args\n\nfunc main() {"+test.main+"}\n", test.options)
			if name == "binary" { // in the program's folder, which is not the host's own
				compile := exec.Command("go", "build", "-o", "bin/program", ".")
				compile.Dir = info.ProgramDirectory
				if out, err := compile.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			h := &host{engine: "127.0.0.1:2", running: context.Background()}
			response, err := h.Run(t.Context(), &pulumirpc.RunRequest{Info: info, Pwd: info.ProgramDirectory, Project: "p", Stack: "s", Organization: "o",
				Config: map[string]string{"p:a": "b"}, ConfigSecretKeys: []string{"p:c"}, DryRun: true, Parallel: 16, MonitorAddress: "127.0.0.1:1"})
			if err != nil {
				t.Fatal(err)
			}
			if response.Bail != test.bail || response.Error != test.error && (test.error == "" || !strings.Contains(response.Error, test.error)) {
				t.Errorf("got %v", response)
			}
			if name == "success" {
				got, err := os.ReadFile(filepath.Join(info.ProgramDirectory, "environment"))
				if want := "p\ns\no\n{\"p:a\":\"b\"}\n[\"p:c\"]\ntrue\n16\n127.0.0.1:1\n127.0.0.1:2\n"; err != nil || string(got) != want {
					t.Errorf("environment %q, %v", got, err)
				}
			}
			if name == "binary" {
				if _, err := os.Stat(filepath.Join(info.ProgramDirectory, "environment")); err != nil {
					t.Error(err)
				}
			}
			if name == "build target" {
				read, err := buildinfo.ReadFile(filepath.Join(info.ProgramDirectory, "bin/program"))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(read.Settings, debug.BuildSetting{Key: "-trimpath", Value: "true"}) {
					t.Errorf("built with %v, the official host has -trimpath", read.Settings)
				}
			}
		})
	}
}
