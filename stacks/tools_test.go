package stacks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain gives the tests a machine that has everything.
func TestMain(m *testing.M) {
	tools, err := filepath.Abs("testdata/tools")
	if err != nil {
		panic(err)
	}
	os.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	os.Exit(m.Run())
}

func TestToolsAreMissedTogetherBeforeAnythingIsRegistered(t *testing.T) {
	const (
		noPlugin = "gcloud components install gke-gcloud-auth-plugin"
		noDocker = "no Docker engine answers"
	)
	for _, test := range []struct {
		name   string
		tools  map[string]string // scripts
		image  string
		misses []string
	}{
		{"nothing is there", nil, "", []string{noPlugin, noDocker}},
		{"no plugin", map[string]string{"docker": "true"}, "", []string{noPlugin}},
		{"no docker command", map[string]string{"gke-gcloud-auth-plugin": "true"}, "", []string{noDocker, "executable file not found"}},
		{"no docker engine", map[string]string{"gke-gcloud-auth-plugin": "true", "docker": "echo Client: 28; echo Cannot connect to the Docker daemon >&2; exit 1"}, "",
			[]string{noDocker + ", which builds the image (Cannot connect to the Docker daemon)"}},
		{"no docker engine, and none needed", map[string]string{"gke-gcloud-auth-plugin": "true", "docker": "exit 1"}, testDigest, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			for name, script := range test.tools {
				if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", folder)
			c, config := newCloud(), stackConfig(t, "dev")
			config["hello-timber:image"] = test.image
			_, err := deploy(t, c, "dev", config)
			if len(test.misses) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || strings.Count(err.Error(), "to mend it:") != strings.Count(strings.Join(test.misses, " "), noPlugin)+strings.Count(strings.Join(test.misses, " "), noDocker) {
				t.Fatalf("the error is %v, want what is missing, a line each", err)
			}
			for _, miss := range test.misses {
				if !strings.Contains(err.Error(), miss) {
					t.Errorf("the error does not say %q:\n%v", miss, err)
				}
			}
			if len(c.resources) > 1 { // the stack itself
				t.Errorf("%d resources were registered", len(c.resources))
			}
		})
	}
}
