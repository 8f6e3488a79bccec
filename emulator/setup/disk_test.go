//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTaken(t *testing.T) {
	c := checkout{root: t.TempDir()}
	for path, size := range map[string]int{c.home("bin", "hyperkube"): 3 << 20, c.home("logs", "x"): 1 << 20, filepath.Join(c.root, "bin", "hello-timber"): 2 << 20,
		filepath.Join(c.root, "app", "main.go"): 9 << 20} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A docker that has two images, one of them under two names. They share the layer of
	// one MB, and each has another of one MB that was made by the same command.
	docker := t.TempDir()
	script := `#!/bin/sh
case "$*" in
"image ls --quiet --filter=label="*) echo a; echo b; echo a;;
"image ls --quiet --filter=reference="*) echo b;;
"history "*" a") echo '1048576 "09:00" "COPY"'; echo '1048576 "08:00" "FROM"';;
"history "*" b") echo '1048576 "09:30" "COPY"'; echo '1048576 "08:00" "FROM"';;
*) echo "unexpected: $*" >&2; exit 1;;
esac
`
	if err := os.WriteFile(filepath.Join(docker, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", docker+":"+os.Getenv("PATH"))
	for want, e := range map[string]engine{
		"6 MB in .emulator/ and bin/": {complaint: "no such file"},
		"6 MB in .emulator/ and bin/, 3 MB in Docker's images; make clean removes them": {ServerVersion: "28.5.2"},
	} {
		if f := c.taken(t.Context(), e); f.says != want || f.fix != "" {
			t.Errorf("got %v, want %q", f, want)
		}
	}
	big := c.home("bin", "big")
	if err := errors.Join(os.WriteFile(big, nil, 0o644), os.Truncate(big, enough)); err != nil {
		t.Fatal(err)
	}
	if f := c.taken(t.Context(), engine{ServerVersion: "28.5.2"}); f.required() || f.String() != "4102 MB in .emulator/ and bin/, 3 MB in Docker's images; make clean removes them. That is more than 4096 MB. Fix: make down && make clean" {
		t.Errorf("with too much: %v", f)
	}
	if size, err := folderSize(filepath.Join(c.root, "nowhere")); err != nil || size != 0 {
		t.Errorf("a folder that does not exist has %d bytes, %v", size, err)
	}
	if f := (checkout{root: c.root + "\x00"}).taken(t.Context(), engine{}); !strings.Contains(f.String(), "Fix: ") {
		t.Errorf("a folder that cannot be read: %v", f)
	}
}
