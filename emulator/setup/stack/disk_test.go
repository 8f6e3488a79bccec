//go:build linux

package stack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hello-timber/emulator/setup/checkout"
)

func TestTaken(t *testing.T) {
	c := checkout.Checkout{Root: t.TempDir()}
	for path, size := range map[string]int{c.Home("bin", "hyperkube"): 3 << 20, c.Home("logs", "x"): 1 << 20, filepath.Join(c.Root, "bin", "hello-timber"): 2 << 20,
		filepath.Join(c.Root, "app", "main.go"): 9 << 20} {
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
	for want, answers := range map[string]bool{
		"6 MB in .emulator/ and bin/": false,
		"6 MB in .emulator/ and bin/, 3 MB in Docker's images; make clean removes them": true,
	} {
		if f := Taken(t.Context(), c, answers); f.Says != want || f.Fix != "" {
			t.Errorf("got %v, want %q", f, want)
		}
	}
	big := c.Home("bin", "big")
	if err := errors.Join(os.WriteFile(big, nil, 0o644), os.Truncate(big, enough)); err != nil {
		t.Fatal(err)
	}
	if f := Taken(t.Context(), c, true); f.Required() || f.String() != "4102 MB in .emulator/ and bin/, 3 MB in Docker's images; make clean removes them. That is more than 4096 MB. Fix: make down && make clean" {
		t.Errorf("with too much: %v", f)
	}
	if size, err := folderSize(filepath.Join(c.Root, "nowhere")); err != nil || size != 0 {
		t.Errorf("a folder that does not exist has %d bytes, %v", size, err)
	}
	if f := Taken(t.Context(), checkout.Checkout{Root: c.Root + "\x00"}, false); !strings.Contains(f.String(), "Fix: ") {
		t.Errorf("a folder that cannot be read: %v", f)
	}
}
