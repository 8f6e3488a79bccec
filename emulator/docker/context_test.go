//go:build linux

package docker

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func link(t *testing.T, text, name string) {
	t.Helper()
	os.Remove(name)
	if err := os.Symlink(text, name); err != nil {
		t.Fatal(err)
	}
}

func TestContextDigestChangesWithTheImage(t *testing.T) {
	// An editor's lock, such as Emacs' .#main.go, is a link that leads nowhere. It must
	// not hide the files after it (pulumi-docker#541).
	const lock = "me@host.1:2"
	for name, test := range map[string]struct {
		change  func(t *testing.T)
		changes bool
	}{
		"nothing":                    {func(*testing.T) {}, false},
		"content":                    {func(t *testing.T) { write(t, "app/main.go", "package other\n", 0o644) }, true},
		"content in a folder":        {func(t *testing.T) { write(t, "app/a/b.go", "package b\n", 0o644) }, true},
		"mode":                       {func(*testing.T) { os.Chmod("app/main.go", 0o755) }, true},
		"name":                       {func(*testing.T) { os.Rename("app/main.go", "app/other.go") }, true},
		"new file":                   {func(t *testing.T) { write(t, "app/sub/new.go", "package new\n", 0o644) }, true},
		"Dockerfile":                 {func(t *testing.T) { write(t, "app/Dockerfile", "FROM other\n", 0o644) }, true},
		"time":                       {func(t *testing.T) { write(t, "app/main.go", "package main\n", 0o644) }, false},
		"ignored file":               {func(t *testing.T) { write(t, "app/notes.txt", "more\n", 0o644) }, false},
		"Dockerfile.dockerignore":    {func(t *testing.T) { write(t, "app/Dockerfile.dockerignore", "nothing\n", 0o644) }, true},
		"a link's target":            {func(t *testing.T) { link(t, "notes.txt", "app/link") }, true},
		"a link's text":              {func(t *testing.T) { link(t, "./../outside", "app/link") }, true},
		"a link that leads nowhere":  {func(t *testing.T) { link(t, "me@host.3:4", "app/.#main.go") }, true},
		"that link gone":             {func(*testing.T) { os.Remove("app/.#main.go") }, true},
		"what is outside the folder": {func(t *testing.T) { write(t, "outside", "changed\n", 0o644) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			program(t, map[string]string{"app/Dockerfile": "FROM scratch\n", "app/main.go": "package main\n", "app/a/b.go": "package a\n",
				"app/.dockerignore": "*.txt\n", "app/notes.txt": "notes\n", "outside": "outside\n"})
			link(t, "../outside", "app/link")
			link(t, lock, "app/.#main.go")
			link(t, lock, "app/a/.#lock")
			before, err := contextDigest("app", "app/Dockerfile")
			if err != nil {
				t.Fatal(err)
			}
			test.change(t)
			if after, err := contextDigest("app", "app/Dockerfile"); err != nil || (after != before) != test.changes {
				t.Errorf("before %s, after %s, %v", before, after, err)
			}
		})
	}
}

func TestContextDigestNamesWhatCannotBeRead(t *testing.T) {
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\n", "app/main.go": "package main\n"})
	write(t, "app/keys/id", "secret\n", 0o000)
	os.Chmod(".", 0o755)
	// Root reads everything, unless this thread does it as another user.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Setfsuid(65534)
	defer func() { _ = syscall.Setfsuid(os.Getuid()) }()
	_, err := contextDigest("app", "app/Dockerfile")
	if err == nil || !strings.Contains(err.Error(), "app/keys/id cannot be read: open app/keys/id: permission denied") {
		t.Errorf("error %v", err)
	}
}
