package docker

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hello-timber/emulator/records"
	"hello-timber/emulator/registry"
)

// screen keeps the lines that a provider shows the user.
type screen struct{ lines []string }

func (s *screen) Log(_ context.Context, _ diag.Severity, _ resource.URN, text string) error {
	s.lines = append(s.lines, text)
	return nil
}

func (s *screen) LogStatus(context.Context, diag.Severity, resource.URN, string) error { return nil }

func (s *screen) take() string {
	defer func() { s.lines = nil }()
	return strings.Join(s.lines, "\n")
}

// start returns a configured provider and the screen it shows its progress on.
func start(t *testing.T) (*dockerProvider, *screen) {
	t.Helper()
	p, screen := New(nil).(*dockerProvider), &screen{}
	p.Screen = screen
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{}); err != nil {
		t.Skip("no Docker engine, so no image can be built: ", err)
	}
	return p, screen
}

// google is an emulated project with the repository "r", whose registry is
// where the provider pushes. It returns the registry's address.
func google(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := (records.Book{Dir: folder}).Put("gcp:artifactregistry/repository:Repository", records.Record{
		ID: "projects/p/locations/europe-west1/repositories/r"}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "token"), "secret\n", 0o600)
	server := httptest.NewServer(registry.New(t.TempDir(), folder))
	t.Cleanup(server.Close)
	real := registryAddress
	t.Cleanup(func() { registryAddress = real })
	registryAddress = func(context.Context) (string, error) { return server.Listener.Addr().String(), nil }
	return server.Listener.Addr().String()
}

// image builds and pushes v1 of an image from app/, and removes it when the test ends.
func (p *dockerProvider) image(t *testing.T, password string) (resource.PropertyMap, error) {
	t.Helper()
	const name = "europe-west1-docker.pkg.dev/p/r/timber-tutorial:v1"
	inputs, reasons := check(t, properties(map[string]any{
		"imageName": name, "skipPush": false, "buildOnPreview": false,
		"build":    map[string]any{"context": "./app", "dockerfile": "./app/Dockerfile", "platform": "linux/amd64", "args": map[string]any{"VERSION": "v1"}},
		"registry": map[string]any{"server": "europe-west1-docker.pkg.dev", "username": "oauth2accesstoken", "password": password},
	}))
	if reasons != nil {
		t.Fatal(reasons)
	}
	created, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: inputs})
	if err == nil && created.ID != resource.ID(name) {
		t.Errorf("id %s", created.ID)
	}
	// By its ID: the name may mean another one by then.
	if built, err := p.engine.ImageInspect(t.Context(), name); err == nil {
		t.Cleanup(func() { p.engine.ImageRemove(context.Background(), built.ID, image.RemoveOptions{Force: true}) })
	}
	return created.Properties, err
}

// static compiles a program that an image can run without anything else in it.
func static(t *testing.T, source, path string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	write(t, file, source, 0o644)
	build := exec.Command("go", "build", "-o", path, file)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestImageIsBuiltAndPushed(t *testing.T) {
	p, screen := start(t)
	address := google(t)
	t.Setenv("HTTPS_PROXY", "http://proxy.example:2")
	const repository = "europe-west1-docker.pkg.dev/p/r/timber-tutorial"
	program(t, map[string]string{
		"app/Dockerfile":    "FROM scratch\nARG VERSION\nLABEL version=$VERSION\nCOPY . /app/\n",
		"app/.dockerignore": "secret.txt\n", "app/secret.txt": "not for the image\n", "app/index.html": t.Name() + "\n",
	})
	outputs, err := p.image(t, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if name, _, _ := strings.Cut(outputs["repoDigest"].StringValue(), "@"); name != repository || !outputs[inputsKey].IsSecret() {
		t.Errorf("outputs %v", outputs)
	}
	lines := screen.take()
	for want, is := range map[string]bool{"[1/1] COPY . /app/": true, "pushed " + repository + "@sha256:": true, "[internal]": false, address: false} {
		if strings.Contains(lines, want) != is {
			t.Errorf("%q is shown: want %t; shown:\n%s", want, is, lines)
		}
	}

	// docker shows the image under the user's name only, made as asked, without this machine's proxy.
	local, err := p.engine.ImageInspect(t.Context(), repository+":v1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(local.RepoTags, []string{repository + ":v1"}) || local.Config.Labels["version"] != "v1" || local.Architecture != "amd64" {
		t.Errorf("tags %v, labels %v, architecture %s", local.RepoTags, local.Config.Labels, local.Architecture)
	}
	if history, err := p.engine.ImageHistory(t.Context(), repository+":v1"); err != nil || strings.Contains(fmt.Sprint(history), "proxy.example") {
		t.Errorf("the image has the proxy: %v, %v", history, err)
	}

	// An ignored file is not in it, so that the same image is made again.
	write(t, "app/secret.txt", "changed\n", 0o644)
	if again, err := p.image(t, "secret"); err != nil || !again["repoDigest"].DeepEquals(outputs["repoDigest"]) || !strings.Contains(screen.take(), "COPY . /app/ (cached)") {
		t.Errorf("built again: %v, %v", again, err)
	}
	// A changed one is, also with the same size and time.
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	digests := map[resource.PropertyValue]bool{}
	for _, content := range []string{"one", "two"} {
		write(t, "app/index.html", t.Name()+content, 0o644)
		os.Chtimes("app/index.html", noon, noon)
		changed, err := p.image(t, "secret")
		if digests[changed["repoDigest"]] = true; err != nil {
			t.Error(err)
		}
	}
	if len(digests) != 2 {
		t.Errorf("both are %v", digests)
	}
	if _, err := p.image(t, "wrong"); err == nil || !strings.Contains(err.Error(), "Fix: gcloud auth application-default login") {
		t.Errorf("with a wrong password: %v", err)
	}
}

// A failed step's last lines are in the error. They show here that the build gets this
// machine's proxies, in either spelling.
func TestFailedBuildShowsTheStepAndItsOutput(t *testing.T) {
	p, screen := start(t)
	google(t)
	t.Setenv("http_proxy", "http://small.example:1")
	t.Setenv("HTTPS_PROXY", "http://capital.example:2")
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY fail /\nRUN [\"/fail\"]\n"})
	static(t, `package main
		import ("fmt"; "os")
		func main() {
			for i := range 26 { fmt.Printf("line %d of `+t.Name()+`\n", i) }
			for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} { fmt.Println(name, os.Getenv(name)) }
			os.Exit(3)
		}`, "app/fail")
	_, err := p.image(t, "secret")
	if err == nil {
		t.Fatal("no error")
	}
	for want, is := range map[string]bool{"exit code: 3": true, `[2/2] RUN ["/fail"]`: true, "line 25 of": true, "line 10 of": true, "line 9 of": false,
		"HTTP_PROXY http://small.example:1": true, "http_proxy http://small.example:1": true,
		"HTTPS_PROXY http://capital.example:2": true, "https_proxy http://capital.example:2": true} {
		if strings.Contains(err.Error(), want) != is {
			t.Errorf("%q in the error: want %t:\n%v", want, is, err)
		}
	}
	if lines := screen.take(); !strings.Contains(lines, `[2/2] RUN ["/fail"]`) {
		t.Errorf("lines:\n%s", lines)
	}
	write(t, "app/Dockerfile", "FROM scratch\nCOPPY fail /\n", 0o644)
	if _, err = p.image(t, "secret"); err == nil || !strings.Contains(err.Error(), "COPPY") {
		t.Errorf("unknown instruction: %v", err)
	}
}
