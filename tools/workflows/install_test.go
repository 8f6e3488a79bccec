package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tools is the folder that is first in the jobs' PATH. It has the stand-ins, and
// the two programs that they start.
var tools string

// kept are the variables of this process that the jobs get: what Go needs. On
// GitHub, and below make, there are others that would be mistaken for the jobs' own.
var kept = []string{"PATH", "HOME", "TMPDIR", "GOTMPDIR", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS", "CGO_ENABLED"}

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !slices.Contains(kept, name) {
			os.Unsetenv(name)
		}
	}
	code, err := 1, install()
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(tools)
	os.Exit(code)
}

func install() (err error) {
	if tools, err = os.MkdirTemp("", "workflows-"); err != nil {
		return err
	}
	for name, folder := range map[string]string{"stand-in": ".", "original-pipelines": "../../pipelines"} {
		build := exec.Command("go", "build", "-o", filepath.Join(tools, name), ".")
		build.Dir, build.Stderr = folder, os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build %s: %w", folder, err)
		}
	}
	for name := range commands {
		if err := os.Symlink("stand-in", filepath.Join(tools, name)); err != nil {
			return err
		}
	}
	original, err := exec.LookPath("make")
	if err != nil {
		return err
	}
	if err := os.Symlink(original, filepath.Join(tools, "original-make")); err != nil {
		return err
	}
	return os.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// standIns is where act gets actions from: each is one command.
type standIns struct{}

// Fetch resolves an action. It knows only those above.
func (standIns) Fetch(_ context.Context, name, _, ref, _ string) (string, error) {
	if _, ok := actions[name]; !ok {
		return "", fmt.Errorf("%s has no stand-in. Fix: add it to the table actions in tools/workflows/standins.go", name)
	}
	return ref, nil
}

// GetTarArchive is the action's folder, or one file of it.
func (standIns) GetTarArchive(_ context.Context, name, _, _ string) (io.ReadCloser, error) {
	inputs := map[string]any{}
	for _, input := range actions[name].inputs {
		inputs[input] = map[string]any{"required": false}
	}
	outputs := map[string]any{"artifact-id": map[string]any{"value": "${{ steps.it.outputs.artifact-id }}"}}
	text, err := json.Marshal(map[string]any{"name": name, "inputs": inputs, "outputs": outputs, "runs": map[string]any{
		"using": "composite",
		"steps": []any{map[string]any{"id": "it", "shell": "bash", "run": "action " + name, "env": map[string]string{"INPUTS": "${{ toJSON(inputs) }}"}}},
	}})
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "action.yml", Mode: 0o600, Size: int64(len(text))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	return io.NopCloser(&archive), w.Close()
}
