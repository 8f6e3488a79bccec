package records

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	typ = "gcp:container/cluster:Cluster"
	id  = "projects/p/locations/europe-west1/clusters/timber"
)

func TestBook(t *testing.T) {
	b := Book{Dir: filepath.Join(t.TempDir(), "google")}
	if list, err := b.List(typ); err != nil || len(list) != 0 {
		t.Errorf("without a folder: %v, %v", list, err)
	}
	if _, there, err := b.Get(typ, id); err != nil || there {
		t.Errorf("without a folder: %t, %v", there, err)
	}
	record := Record{ID: id, Properties: map[string]any{"name": "timber", "nodes": 3.0}}
	for range 2 {
		if err := b.Put(typ, record); err != nil {
			t.Fatal(err)
		}
	}
	if got, there, err := b.Get(typ, id); err != nil || !there || !reflect.DeepEqual(got, record) {
		t.Errorf("got %v, %t, %v", got, there, err)
	}
	if list, err := b.List(typ); err != nil || !reflect.DeepEqual(list, []Record{record}) {
		t.Errorf("listed %v, %v", list, err)
	}
	if list, err := b.List("another"); err != nil || len(list) != 0 {
		t.Errorf("another type's: %v, %v", list, err)
	}
	for range 2 {
		if err := b.Delete(typ, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, there, err := b.Get(typ, id); err != nil || there {
		t.Errorf("deleted, and yet %t, %v", there, err)
	}
}

// A record that a person edited badly is an error that names the file.
func TestEditedRecord(t *testing.T) {
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
