//go:build linux

package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/progress"
)

func TestPinnedGolang(t *testing.T) {
	c, pinned := checkouttest.New(t), "golang:1.26@sha256:"+strings.Repeat("0", 64)
	if got := pinnedGolang(c); got != golang {
		t.Errorf("without app/Dockerfile: %s", got)
	}
	for dockerfile, want := range map[string]string{
		"FROM python:3-slim\n":           golang,
		"FROM golang:1.26 AS build\n":    golang,
		"FROM " + pinned + " AS build\n": pinned,
		"ARG GO_IMAGE=pinned\nFROM --platform=$BUILDPLATFORM " + pinned + " AS pinned\n": pinned,
	} {
		checkouttest.Write(t, filepath.Join(c.Root, "app", "Dockerfile"), dockerfile)
		if got := pinnedGolang(c); got != want {
			t.Errorf("with %q: %s", dockerfile, got)
		}
	}
}

// The node image's build gets the proxies, which no other user can read among the
// arguments of a process.
func TestNodeImageGetsProxies(t *testing.T) {
	c := checkouttest.New(t)
	checkouttest.Write(t, filepath.Join(c.Root, "emulator", "node", "Dockerfile"), "")
	fake := checkouttest.Programs(t, map[string]string{"docker": `[ "$1" = build ] && { echo "$*"; env; } > "$0.was"`})
	t.Setenv("HTTP_PROXY", "http://me:hush@proxy.example:3128")
	t.Setenv("no_proxy", "own.example")
	if err := progress.One(t.Context(), c, "node", nodeImage); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(fake, "docker.was"))
	if err != nil {
		t.Fatal(err)
	}
	arguments, environment, _ := strings.Cut(string(text), "\n")
	for name, value := range map[string]string{"HTTP_PROXY": "http://me:hush@proxy.example:3128", "http_proxy": "http://me:hush@proxy.example:3128", "NO_PROXY": "own.example", "no_proxy": "own.example"} {
		if !strings.Contains(arguments, " --build-arg="+name) || !strings.Contains("\n"+environment, "\n"+name+"="+value+"\n") {
			t.Errorf("the build does not get %s: docker %s", name, arguments)
		}
	}
	if strings.Contains(arguments, "hush") {
		t.Errorf("arguments with the password: docker %s", arguments)
	}
}
