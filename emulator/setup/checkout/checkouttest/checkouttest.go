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

// File is a file in an archive.
type File struct{ Name, Content string }

// Pack makes a .tar.gz.
func Pack(t *testing.T, files ...File) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for _, e := range files {
		if err := archive.WriteHeader(&tar.Header{Name: e.Name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(e.Content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(e.Content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
