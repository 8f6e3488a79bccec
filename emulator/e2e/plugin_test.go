//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// foreignPlugin plants a state that names a plugin at an address of its own. The
// pipelines' commands refuse the state, and neither download the plugin nor start it.
func foreignPlugin(t *testing.T, _ *stack) {
	s := newStack(t, "e2e-plugin", options{folder: root()})
	ran := filepath.Join(t.TempDir(), "ran")
	archive := filepath.Join(t.TempDir(), "plugin.tar.gz")
	s.run(t, "sh", "-ec", `cd "${1%/*}"
printf "#!/bin/sh\necho > '%s'\n" "$2" > pulumi-resource-foreign
chmod +x pulumi-resource-foreign
tar -czf "$1" pulumi-resource-foreign`, "sh", archive, ran)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.ServeFile(w, r, archive)
	}))
	t.Cleanup(server.Close)

	const provider = "urn:pulumi:e2e-plugin::hello-timber::pulumi:providers:foreign::default"
	s.importState(t,
		map[string]any{"urn": provider, "custom": true, "id": "0", "type": "pulumi:providers:foreign",
			"inputs": map[string]any{"version": "1.0.0", "__internal": map[string]any{"pluginDownloadURL": server.URL}}},
		map[string]any{"urn": strings.Replace(provider, "pulumi:providers:foreign", "foreign:index:Thing", 1), "custom": true, "id": "thing",
			"type": "foreign:index:Thing", "provider": provider + "::0"},
	)
	// Not deploy, which would first create a cluster.
	for _, command := range []string{"preview", "summary", "drift", "destroy"} {
		if _, err := s.try("make", "-s", command, "STACK="+s.name, "CONFIRM="+s.name); err == nil || !strings.Contains(said(err), "foreign") {
			t.Errorf("make %s: %v", command, err)
		}
	}
	if _, err := s.try("env", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true", "pulumi", "refresh", "--yes", "--skip-preview"); err == nil || !strings.Contains(said(err), "foreign") {
		t.Errorf("refresh: %v", err)
	}
	if _, err := os.Stat(ran); requests.Load() > 0 || err == nil {
		t.Fatalf("the plugin was asked for %d times, and started: %v", requests.Load(), err == nil)
	}
	// The state is as dangerous as it should be: Pulumi by itself does start the plugin.
	_, err := s.try("env", "--unset=PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "pulumi", "refresh", "--preview-only")
	if _, missing := os.Stat(ran); requests.Load() == 0 || missing != nil {
		t.Errorf("the plugin was asked for %d times and started: %v; %v", requests.Load(), missing == nil, err)
	}
	s.run(t, "pulumi", "plugin", "remove", "resource", "foreign", "--yes")
}

// importState replaces the stack's state.
func (s *stack) importState(t *testing.T, resources ...any) {
	t.Helper()
	state, err := json.Marshal(map[string]any{"version": 3, "deployment": map[string]any{
		"manifest": map[string]any{"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}, "resources": resources,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "state.json")
	writeFile(t, file, string(state))
	s.pulumi(t, "stack", "import", "--file", file)
}
