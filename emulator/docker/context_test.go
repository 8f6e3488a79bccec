//go:build linux

package docker

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// An editor's lock, such as Emacs' .#main.go, is a link that leads nowhere. It must
// not hide the files after it (pulumi-docker#541).
func TestContextDigestLooksBehindADanglingLink(t *testing.T) {
	for _, link := range []string{"app/.#main.go", "app/a/.#lock"} {
		program(t, map[string]string{"app/Dockerfile": "FROM scratch\n", "app/a/b.go": "package a\n", "app/main.go": "package main\n"})
		if err := os.Symlink("me@host.1:2", link); err != nil {
			t.Fatal(err)
		}
		digests := map[string]bool{}
		for _, change := range []func(){
			func() {},
			func() { write(t, "app/main.go", "package other\n", 0o644) },
			func() { write(t, "app/a/b.go", "package b\n", 0o644) },
			func() { os.Remove(link); os.Symlink("me@host.3:4", link) },
			func() { os.Remove(link) },
		} {
			change()
			digest, err := contextDigest("app", "app/Dockerfile")
			if err != nil {
				t.Fatal(err)
			}
			digests[digest] = true
		}
		if len(digests) != 5 {
			t.Errorf("%s: five contexts have %d digests", link, len(digests))
		}
	}
}

// The builder gets a link, not what it leads to.
func TestContextDigestCoversALinksOwnText(t *testing.T) {
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\n", "app/main.go": "package main\n"})
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]bool{}
	texts := []string{"main.go", "./main.go", "../app/main.go", folder + "/app/main.go"}
	for _, text := range texts {
		if err := os.Symlink(text, "app/link"); err != nil {
			t.Fatal(err)
		}
		digest, err := contextDigest("app", "app/Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		digests[digest] = true
		if err := os.Remove("app/link"); err != nil {
			t.Fatal(err)
		}
	}
	if len(digests) != len(texts) {
		t.Errorf("links to one file have %d digests, want one for each of %q", len(digests), texts)
	}
}

func TestContextDigestNamesWhatCannotBeRead(t *testing.T) {
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\n", "app/main.go": "package main\n"})
	write(t, "app/keys/id", "secret\n", 0o000)
	if os.Getuid() == 0 { // root reads everything, unless this thread does it as another user
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := os.Chmod(".", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }() // it can fail for others only
	}
	_, err := contextDigest("app", "app/Dockerfile")
	if err == nil || !strings.Contains(err.Error(), "app/keys/id cannot be read: open app/keys/id: permission denied") {
		t.Errorf("error %v", err)
	}
}
