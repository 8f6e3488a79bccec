// Package records is the memory of the emulated Google: one JSON file for each
// resource, which people can read, edit or delete to see what the program does when
// something was changed in the console.
//
// It exists because what a project has must outlive the provider plugin, and because
// three programs ask for it: the plugin, gcloud and the registry. Google keeps it in
// services that exist nowhere else.
package records

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Book is a folder of records.
type Book struct {
	// Dir is the folder; it need not exist before the first Put.
	Dir string
}

// Record is one resource as Google would answer for it.
type Record struct {
	// ID is the resource's id as the provider gives it, such as
	// projects/P/locations/L/clusters/N.
	ID string `json:"id"`
	// Properties are the resource's outputs, under their Pulumi names.
	Properties map[string]any `json:"properties"`
}

func (b Book) path(typ, id string) string {
	return filepath.Join(b.Dir, strings.NewReplacer(":", "-", "/", "-").Replace(typ), strings.ReplaceAll(id, "/", "~")+".json")
}

// Put writes a record, whether or not it exists.
func (b Book) Put(typ string, record Record) error {
	path := b.path(typ, record.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	// Readers must never see half a record: write to another file and rename it.
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Get returns a record, or false if there is none.
func (b Book) Get(typ, id string) (Record, bool, error) { return read(b.path(typ, id)) }

func read(path string) (record Record, there bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record, false, nil
	}
	if err != nil {
		return record, false, err
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return record, false, fmt.Errorf("%s: %w", path, err)
	}
	return record, true, nil
}

// Delete removes a record; one that is gone already is no error.
func (b Book) Delete(typ, id string) error { return os.RemoveAll(b.path(typ, id)) }

// List returns all records of a type.
func (b Book) List(typ string) ([]Record, error) {
	files, err := filepath.Glob(b.path(typ, "*"))
	var list []Record
	for _, file := range files {
		record, there, err := read(file)
		if err != nil {
			return nil, err
		}
		if there {
			list = append(list, record)
		}
	}
	return list, err
}
