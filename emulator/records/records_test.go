package records

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A record that a person edited badly is an error that names the file.
func TestEditedRecord(t *testing.T) {
	const typ, id = "gcp:container/cluster:Cluster", "projects/p/locations/europe-west1/clusters/timber"
	b := Book{Dir: t.TempDir()}
	if err := b.Put(typ, Record{ID: id}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(b.Dir, "*", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte(`{"id": `), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Get(typ, id); err == nil || !strings.Contains(err.Error(), files[0]) {
		t.Errorf("got: %v", err)
	}
	if _, err := b.List(typ); err == nil || !strings.Contains(err.Error(), files[0]) {
		t.Errorf("listed: %v", err)
	}
}
