package docker

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/opencontainers/go-digest"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"hello-timber/emulator/records"
	"hello-timber/emulator/registry"
)

// screen is a Pulumi engine that keeps what a provider shows the user.
type screen struct {
	pulumirpc.UnimplementedEngineServer
	sync.Mutex
	lines, statuses []string
}

func (s *screen) Log(_ context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	s.Lock()
	defer s.Unlock()
	if req.Ephemeral {
		s.statuses = append(s.statuses, req.Message)
	} else {
		s.lines = append(s.lines, req.Message)
	}
	return &emptypb.Empty{}, nil
}

func (s *screen) take() string {
	s.Lock()
	defer s.Unlock()
	defer func() { s.lines = nil }()
	return strings.Join(s.lines, "\n")
}

// start returns a configured provider and the screen it shows its progress on.
func start(t *testing.T) (*dockerProvider, *screen) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	screen, server := &screen{}, grpc.NewServer()
	pulumirpc.RegisterEngineServer(server, screen)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	host, err := provider.NewHostClient(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := New(host).(*dockerProvider)
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{}); err != nil {
		t.Skip("no Docker engine, so no image can be built: ", err)
	}
	return p, screen
}

// google is an emulated project with the repositories "r" and, with immutable
// tags, "fixed"; its registry is where the provider pushes. It returns the
// registry's address.
func google(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	book := records.Book{Dir: folder}
	for name, properties := range map[string]map[string]any{"r": nil, "fixed": {"dockerConfig": map[string]any{"immutableTags": true}}} {
		if err := book.Put("gcp:artifactregistry/repository:Repository", records.Record{
			ID: "projects/p/locations/europe-west1/repositories/" + name, Properties: properties}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(folder, "token"), "secret\n", 0o600)
	server := httptest.NewServer(registry.New(t.TempDir(), folder))
	t.Cleanup(server.Close)
	real := registryAddress
	t.Cleanup(func() { registryAddress = real })
	registryAddress = func(context.Context) (string, error) { return server.Listener.Addr().String(), nil }
	return server.Listener.Addr().String()
}

// checked returns an image's checked inputs, built from app/.
func checked(t *testing.T, name, password string, args map[string]any) resource.PropertyMap {
	t.Helper()
	inputs, reasons := check(t, properties(map[string]any{
		"imageName": name, "skipPush": false, "buildOnPreview": false,
		"build":    map[string]any{"context": "./app", "dockerfile": "./app/Dockerfile", "args": args},
		"registry": map[string]any{"server": "europe-west1-docker.pkg.dev", "username": "oauth2accesstoken", "password": password},
	}))
	if reasons != nil {
		t.Fatal(reasons)
	}
	return inputs
}

// forget removes what an image became, when the test ends.
func (p *dockerProvider) forget(t *testing.T, inputs resource.PropertyMap) {
	t.Helper()
	// By its ID: the name may mean another one by then.
	if built, err := p.engine.ImageInspect(t.Context(), inputs["imageName"].StringValue()); err == nil {
		t.Cleanup(func() { p.engine.ImageRemove(context.Background(), built.ID, image.RemoveOptions{Force: true}) })
	}
}

// Where setup has made the base image, no registry has to answer for the pinned one.
func TestBaseImageMadeHere(t *testing.T) {
	p, _ := start(t)
	if made, err := p.engine.ImageInspect(t.Context(), golang); err != nil || made.Config.Labels["hello-timber.image"] != "golang" {
		t.Skip("setup has not made ", golang)
	}
	program(t, map[string]string{"app/Dockerfile": "ARG GO_IMAGE=pinned\nFROM golang:1.26@sha256:" + strings.Repeat("0", 64) + " AS pinned\nFROM $GO_IMAGE\nCOPY Dockerfile /\n"})
	inputs := checked(t, "europe-west1-docker.pkg.dev/p/r/base-image-made-here:v1", "", nil)
	inputs["skipPush"] = resource.NewProperty(true)
	if _, err := p.create(t, inputs); err != nil {
		t.Error(err)
	}
}

func (p *dockerProvider) create(t *testing.T, inputs resource.PropertyMap) (resource.PropertyMap, error) {
	t.Helper()
	created, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: inputs})
	p.forget(t, inputs)
	if err == nil && created.ID != resource.ID(inputs["imageName"].StringValue()) {
		t.Errorf("id %s", created.ID)
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
	const repository = "europe-west1-docker.pkg.dev/p/r/timber-tutorial"
	program(t, map[string]string{
		"app/Dockerfile":    "FROM scratch\nARG VERSION\nLABEL version=$VERSION\nCOPY . /app/\n",
		"app/.dockerignore": "secret.txt\n", "app/secret.txt": "not for the image\n", "app/index.html": t.Name() + "\n",
	})
	inputs := checked(t, repository+":v1", "secret", map[string]any{"VERSION": "v1"})

	preview, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: inputs, Preview: true})
	if err != nil || preview.Properties.HasValue("repoDigest") || preview.Properties["imageName"].StringValue() != repository+":v1" {
		t.Errorf("preview: %v, %v", preview, err)
	}
	if lines := screen.take(); lines != "" {
		t.Errorf("the preview did something:\n%s", lines)
	}

	outputs, err := p.create(t, inputs)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[resource.PropertyKey]string{
		"imageName": repository + ":v1", "baseImageName": repository + ":v1", "registryServer": "europe-west1-docker.pkg.dev",
		"context": "./app", "dockerfile": "Dockerfile", "platform": "linux/amd64",
	} {
		if !outputs[key].IsString() || outputs[key].StringValue() != want {
			t.Errorf("%s is %v, want %s", key, outputs[key], want)
		}
	}
	if outputs.ContainsUnknowns() || len(outputs) != 8 || !outputs[inputsKey].IsSecret() {
		t.Errorf("outputs %v", outputs)
	}
	name, sum, _ := strings.Cut(outputs["repoDigest"].StringValue(), "@")
	if name != repository {
		t.Errorf("repoDigest %v", outputs["repoDigest"])
	}
	lines := screen.take()
	for _, want := range []string{"[1/1] COPY . /app/", "pushed " + repository + "@sha256:"} {
		if !strings.Contains(lines, want) {
			t.Errorf("no line %q in:\n%s", want, lines)
		}
	}
	if strings.Contains(lines, "[internal]") || strings.Contains(lines, address) {
		t.Errorf("lines without information for the user:\n%s", lines)
	}

	// What a node gets for that digest has it.
	req, _ := http.NewRequest("GET", "http://"+address+"/v2/p/r/timber-tutorial/manifests/"+sum, nil)
	req.SetBasicAuth("oauth2accesstoken", "secret")
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	manifest, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || digest.FromBytes(manifest).String() != sum {
		t.Errorf("manifest %s: %s, %v\n%s", sum, answer.Status, err, manifest)
	}

	// docker shows the image under the user's name only, made as asked.
	local, err := p.engine.ImageInspect(t.Context(), repository+":v1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(local.RepoTags, []string{repository + ":v1"}) || local.Config.Labels["version"] != "v1" || local.Architecture != "amd64" {
		t.Errorf("tags %v, labels %v, architecture %s", local.RepoTags, local.Config.Labels, local.Architecture)
	}
	files := filters.NewArgs(filters.Arg("reference", address+"/*/*/*"))
	if left, err := p.engine.ImageList(t.Context(), image.ListOptions{Filters: files}); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	// An ignored file changes nothing; another version is another image.
	write(t, "app/secret.txt", "changed\n", 0o644)
	if same := checked(t, repository+":v1", "secret", map[string]any{"VERSION": "v1"}); !same.DeepEquals(inputs) {
		t.Errorf("an ignored file counts: %v", same)
	}
	again, err := p.Update(t.Context(), plugin.UpdateRequest{URN: urn, NewInputs: inputs, OldInputs: inputs})
	if err != nil || again.Properties["repoDigest"].StringValue() != repository+"@"+sum {
		t.Errorf("built again: %v, %v", again.Properties, err)
	}
	if lines := screen.take(); !strings.Contains(lines, "COPY . /app/ (cached)") {
		t.Errorf("not cached:\n%s", lines)
	}
	second, err := p.create(t, checked(t, repository+":v2", "secret", map[string]any{"VERSION": "v2"}))
	if err != nil || second["repoDigest"].StringValue() == repository+"@"+sum {
		t.Errorf("v2: %v, %v", second, err)
	}
}

func TestChangedFileOfTheSameSizeAndTimeIsBuilt(t *testing.T) {
	p, _ := start(t)
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY index.html /\n"})
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	digests := map[string]bool{}
	for _, content := range []string{"one", "two"} {
		write(t, "app/index.html", t.Name()+content, 0o644)
		os.Chtimes("app/index.html", noon, noon)
		inputs := checked(t, "example.com/"+strings.ToLower(t.Name())+":v1", "", nil)
		inputs["skipPush"] = resource.NewProperty(true)
		outputs, err := p.create(t, inputs)
		if err != nil {
			t.Fatal(err)
		}
		digests[outputs["repoDigest"].StringValue()] = true
	}
	if len(digests) != 2 {
		t.Errorf("both are %v", digests)
	}
}

func TestFilesBelongToRootInTheImage(t *testing.T) {
	p, _ := start(t)
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY index.html /\n", "app/index.html": t.Name() + t.TempDir()})
	if os.Getuid() == 0 {
		if err := os.Chown("app/index.html", 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	inputs := checked(t, "example.com/"+strings.ToLower(t.Name())+":v1", "", nil)
	inputs["skipPush"] = resource.NewProperty(true)
	outputs, err := p.create(t, inputs)
	if err != nil {
		t.Fatal(err)
	}
	made, err := p.engine.ContainerCreate(t.Context(), &container.Config{Image: outputs["repoDigest"].StringValue(), Cmd: []string{"/none"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{})
	archive, _, err := p.engine.CopyFromContainer(t.Context(), made.ID, "/index.html")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if file, err := tar.NewReader(archive).Next(); err != nil || file.Uid != 0 || file.Gid != 0 {
		t.Errorf("%+v, %v", file, err)
	}
}

func TestBuildOnPreviewDoesNotPush(t *testing.T) {
	p, _ := start(t)
	google(t)
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	inputs := checked(t, "europe-west1-docker.pkg.dev/p/missing/i:v1", "wrong", nil)
	inputs["buildOnPreview"] = resource.NewProperty(true)
	preview, err := p.Update(t.Context(), plugin.UpdateRequest{URN: urn, NewInputs: inputs, Preview: true})
	p.forget(t, inputs)
	if id := preview.Properties["repoDigest"]; err != nil || !id.IsString() || !strings.HasPrefix(id.StringValue(), "sha256:") {
		t.Errorf("%v, %v", preview.Properties, err)
	}
}

func TestPushIsRefused(t *testing.T) {
	p, _ := start(t)
	google(t)
	push := func(repository, password, content string) error {
		t.Helper()
		write(t, "app/index.html", content, 0o644)
		_, err := p.create(t, checked(t, "europe-west1-docker.pkg.dev/p/"+repository+"/i:v1", password, nil))
		return err
	}
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY index.html /\n"})
	for range 2 {
		if err := push("fixed", "secret", "one"); err != nil {
			t.Fatal("the same content again: ", err)
		}
	}
	for _, test := range []struct{ name, repository, password, content, words, command string }{
		{"tag is immutable", "fixed", "secret", "two", "cannot update tag v1. The repository has enabled tag immutability", "Fix: pulumi config set imageVersion v2 --stack local"},
		{"no repository", "missing", "secret", "one", `Repository "missing" not found`, "Fix: pulumi up --refresh --stack local"},
		{"wrong password", "r", "wrong", "one", "nauthorized", "Fix: gcloud auth application-default login"},
	} {
		err := push(test.repository, test.password, test.content)
		if err == nil || !strings.Contains(err.Error(), test.words) || !strings.Contains(err.Error(), test.command) {
			t.Errorf("%s: %v", test.name, err)
		} else {
			t.Log(err)
		}
	}
}

// Proxies of this machine, in either spelling, are the build's, and not the image's.
func TestBuildGetsProxies(t *testing.T) {
	p, _ := start(t)
	google(t)
	t.Setenv("http_proxy", "http://small.example:1")
	t.Setenv("HTTPS_PROXY", "http://capital.example:2")
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY print /\nRUN [\"/print\", \"and fail\"]\n"})
	static(t, `package main
		import ("fmt"; "os")
		func main() { for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} { fmt.Println(name, os.Getenv(name)) }; os.Exit(len(os.Args) - 1) }`, "app/print")
	_, err := p.create(t, checked(t, "europe-west1-docker.pkg.dev/p/r/i:v1", "secret", nil))
	for _, want := range []string{"HTTP_PROXY http://small.example:1", "http_proxy http://small.example:1", "HTTPS_PROXY http://capital.example:2", "https_proxy http://capital.example:2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the build's output: %v", want, err)
		}
	}
	write(t, "app/Dockerfile", "FROM scratch\nCOPY print /\nRUN [\"/print\"]\n", 0o644)
	inputs := checked(t, "europe-west1-docker.pkg.dev/p/r/i:v1", "secret", nil)
	if _, err := p.create(t, inputs); err != nil {
		t.Fatal(err)
	}
	built, err := p.engine.ImageHistory(t.Context(), inputs["imageName"].StringValue())
	if text := fmt.Sprint(built); err != nil || strings.Contains(text, ".example") {
		t.Errorf("the image has the proxy: %s, %v", text, err)
	}
}

func TestFailedBuildShowsTheStepAndItsOutput(t *testing.T) {
	p, screen := start(t)
	google(t)
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY fail /\nRUN [\"/fail\"]\n"})
	static(t, `package main
		import ("fmt"; "os")
		func main() { for i := range 30 { fmt.Printf("line %d of `+t.Name()+`\n", i) }; os.Exit(3) }`, "app/fail")
	_, err := p.create(t, checked(t, "europe-west1-docker.pkg.dev/p/r/i:v1", "secret", nil))
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
	for want, is := range map[string]bool{"exit code: 3": true, `[2/2] RUN ["/fail"]`: true, "line 29 of": true, "line 10 of": true, "line 9 of": false} {
		if strings.Contains(err.Error(), want) != is {
			t.Errorf("%q in the error: want %t", want, is)
		}
	}
	if lines := screen.take(); !strings.Contains(lines, `[2/2] RUN ["/fail"]`) {
		t.Errorf("lines:\n%s", lines)
	}

	write(t, "app/Dockerfile", "FROM scratch\nCOPPY fail /\n", 0o644)
	_, err = p.create(t, checked(t, "europe-west1-docker.pkg.dev/p/r/i:v1", "secret", nil))
	if err == nil || !strings.Contains(err.Error(), "COPPY") {
		t.Errorf("unknown instruction: %v", err)
	}
	t.Log(err)
}

func TestInterruptStopsTheBuild(t *testing.T) {
	p, screen := start(t)
	google(t)
	program(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY wait /\nRUN [\"/wait\"]\n"})
	static(t, `package main
		import ("fmt"; "time")
		func main() { fmt.Println("`+t.Name()+`", time.Unix(0, `+time.Now().Format("20060102150405")+`)); time.Sleep(time.Minute) }`, "app/wait")
	began := time.Now()
	go func() {
		for !strings.Contains(screen.take(), "RUN") && time.Since(began) < 30*time.Second {
			time.Sleep(10 * time.Millisecond)
		}
		p.SignalCancellation(context.Background())
	}()
	_, err := p.create(t, checked(t, "europe-west1-docker.pkg.dev/p/r/i:v1", "secret", nil))
	if err == nil || !strings.Contains(err.Error(), "interrupted") || time.Since(began) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
