//go:build linux

// Package checkouttest makes checkouts for tests. Each is a temporary folder with the
// emulator's folder in it. Programs that tests put on PATH are shell scripts.
package checkouttest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"hello-timber/emulator/setup/checkout"
)

// New makes an empty checkout.
func New(t *testing.T) checkout.Checkout {
	t.Helper()
	c := checkout.Checkout{Root: t.TempDir(), Path: os.Getenv("PATH")}
	for _, folder := range []string{"bin", "logs", "stamps", "tmp"} {
		if err := os.MkdirAll(c.Home(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Write writes a file, in folders that need not be there.
func Write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Script writes a program.
func Script(t *testing.T, path, text string) {
	t.Helper()
	Write(t, path, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// Programs puts programs on PATH, before all others, and returns their folder.
func Programs(t *testing.T, scripts map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range scripts {
		Script(t, filepath.Join(folder, name), text)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	return folder
}

// Captured is what a function prints on os.Stdout or os.Stderr.
func Captured(t *testing.T, file **os.File, print func() error) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := *file
	*file = writer
	err = errors.Join(print(), writer.Close())
	*file = before
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Pack makes a .tar.gz.
func Pack(t *testing.T, files fs.FS) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	if err := errors.Join(archive.AddFS(files), archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
