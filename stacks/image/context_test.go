//go:build linux

package image

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// source makes a folder app/ with a readable file of each kind, and works next to it.
func source(t *testing.T, ignored string) {
	t.Helper()
	t.Chdir(t.TempDir())
	err := errors.Join(os.MkdirAll("app/sub", 0o755), os.WriteFile("app/.dockerignore", []byte(ignored), 0o644),
		os.WriteFile("app/main.go", nil, 0o644), os.Symlink("../main.go", "app/sub/link"), os.Symlink("sub", "app/folder"))
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheckSource: whatever would hide edits from the provider, or stop it, is named.
func TestCheckSource(t *testing.T) {
	link := func() error { return os.Symlink("me@host.1:2", "app/sub/.#main.go") }
	for name, test := range map[string]struct {
		spoil   func() error
		ignored string
		want    string // empty is accepted
	}{
		"readable":          {func() error { return nil }, "", ""},
		"link":              {link, "", `"app/sub/.#main.go" is a link that leads nowhere. Fix: remove it, or leave it out of the image: printf '%s\n' 'sub/.#main.go' >> app/.dockerignore`},
		"ignored link":      {link, "**/.#*\n", ""},
		"in ignored folder": {link, "sub\n", ""},
		"wanted in ignored": {link, "sub\n!sub/.#main.go\n", "leads nowhere"},
		"loop":              {func() error { return os.Symlink("loop", "app/loop") }, "", "app/loop cannot be read: too many levels of symbolic links"},
		"pipe":              {func() error { return syscall.Mkfifo("app/pipe", 0o644) }, "", "app/pipe is not a file, but a socket, a pipe or a device"},
		"socket":            {func() error { _, err := net.Listen("unix", "app/socket"); return err }, "", "app/socket is not a file"},
		"permission":        {func() error { return os.WriteFile("app/secret", nil, 0o000) }, "", "app/secret cannot be read: permission denied"},
		"Dockerfile's own": {func() error {
			return errors.Join(link(), os.WriteFile("app/Dockerfile.dockerignore", []byte("**/.#*"), 0o644))
		}, "", ""},
		"no source":          {func() error { return os.RemoveAll("app") }, "", ""},
		"malformed patterns": {func() error { return nil }, "[a\n", "app/.dockerignore: "},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "permission" && os.Getuid() == 0 {
				t.Skip("root reads everything")
			}
			source(t, test.ignored)
			if err := test.spoil(); err != nil {
				t.Fatal(err)
			}
			err := CheckSource()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestIgnored: what the repository leaves out of an image is no source in any language.
func TestIgnored(t *testing.T) {
	t.Chdir("../..")
	matcher, err := ignorePatterns()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"main.go": false, "internal/x.go": false, "go.sum": false, "main.py": false, "requirements.txt": false, "shop/__init__.py": false, "package.json": false,
		"src/index.ts": false, "static/page.css": false, ".npmrc": false, "src/main/java/App.java": false, "Cargo.lock": false,
		"main_test.go": true, "internal/testdata/x": true, "node_modules/a/index.js": true, "sub/.venv/bin/python": true, "shop/__pycache__/a.pyc": true,
		".#main.go": true, "sub/main.go~": true, ".main.go.swp": true, ".env": true, ".git/config": true, "README.md": true,
	} {
		if got, err := matcher.MatchesOrParentMatches(name); err != nil || got != want {
			t.Errorf("%s is left out: %v, %v, want %v", name, got, err, want)
		}
	}
}
