//go:build linux

package programs

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/downloads"
	"hello-timber/emulator/setup/progress"
)

// A version without its sum makes users compile for 20 minutes.
func TestArchives(t *testing.T) {
	versions, err := versions(t.Context(), checkout.Checkout{Root: filepath.Join("..", "..", "..")})
	if err != nil || len(versions) != len(downloads.Archives) {
		t.Fatalf("there are %d archives of %v, %v", len(downloads.Archives), versions, err)
	}
	for _, a := range downloads.Archives {
		if a.Version != versions[a.Program] {
			t.Errorf("downloads.Archives has %s %s, and go.mod requires %s. Fix: write the new version and its sum into emulator/setup/downloads/archives.go; the sum is in %s",
				a.Program, a.Version, versions[a.Program], a.Source)
		}
		if sum, err := hex.DecodeString(a.Sum); err != nil || len(sum) != sha256.Size && len(sum) != sha512.Size {
			t.Errorf("%s: %q is neither a SHA-256 nor a SHA-512", a.Program, a.Sum)
		}
		if !strings.HasPrefix(a.URL(), "https://") || !strings.Contains(a.URL(), "/"+a.Version) && !strings.Contains(a.URL(), "-"+a.Version) {
			t.Errorf("%s: %s is no https address with the version", a.Program, a.URL())
		}
	}
}

// newClone is a checkout with the files that decide what is built, and a mirror with
// archives of scripts in place of the published ones. Missing ones are not found.
func newClone(t *testing.T, missing ...string) (c checkout.Checkout, sources downloads.Sources, asked func() int) {
	t.Helper()
	c = checkouttest.New(t)
	c.Path, c.Plugins = "/nowhere", t.TempDir()
	for _, name := range []string{"go.mod", "emulator/go.mod", "emulator/hyperkube/go.mod"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		checkouttest.Write(t, filepath.Join(c.Root, name), string(text))
	}
	checkouttest.Write(t, filepath.Join(c.Root, "emulator", "network", "gateway-api.txt"), "gateway-api@v1 sum\n")
	checkouttest.Write(t, filepath.Join(c.Root, "emulator", "network", "gke.yaml"), "")
	programs, err := List(t.Context(), c, sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if err := os.MkdirAll(filepath.Join(c.Root, p.folder, "schema"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, source := range p.sources {
			if path := filepath.Join(c.Root, source); !checkout.Exists(path) {
				checkouttest.Write(t, path, "")
			}
		}
	}
	served := map[string][]byte{}
	sources.Stall = time.Minute
	for _, a := range downloads.Archives {
		files := fstest.MapFS{}
		for _, name := range a.Files {
			files[filepath.Join(a.Folder, name)] = &fstest.MapFile{Data: []byte("#!/bin/sh\necho downloaded " + name + "\n"), Mode: 0o755}
		}
		published, err := url.Parse(a.URL())
		if err != nil {
			t.Fatal(err)
		}
		content := checkouttest.Pack(t, files)
		sum := sha256.Sum256(content)
		a.Sum = hex.EncodeToString(sum[:])
		sources.Archives = append(sources.Archives, a)
		if !slices.Contains(missing, a.Program) {
			served[published.Path] = content
		}
	}
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if content, ok := served[r.URL.Path]; ok {
			_, _ = w.Write(content)
		} else {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	if sources.Mirror, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	return c, sources, func() int { return int(requests.Swap(0)) }
}

// pretendCompiler puts a compiler on PATH whose programs are scripts. It returns what it
// compiled, and refuses to compile two programs at once or through a link.
func pretendCompiler(t *testing.T) (compiled func() []string) {
	t.Helper()
	compiler, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COMPILER", compiler)
	fake := checkouttest.Programs(t, map[string]string{"go": `fake="${0%/*}"
case "$1" in
list) echo .; exit;;
-C) echo "$fake"; exit;;
build) ;;
*) [ "$2" != download ] || { echo '{"Dir": "'"$fake"'", "Sum": "sum"}'; exit; }
	exec "$COMPILER" "$@";;
esac
while [ "$1" != -o ]; do shift; done
[ ! -h "$2" ] || { echo "writes through the link $2" >&2; exit 1; }
mkdir "$fake/running" || exit 1
mkdir -p "${2%/*}" && printf '#!/bin/sh\necho compiled %s\n' "${2##*/}" > "$2" && chmod +x "$2" && echo "${2##*/}" >> "$fake/compiled"
sleep 0.1
rmdir "$fake/running"`})
	checkouttest.Write(t, filepath.Join(fake, "cmd", "pulumi-resource-kubernetes", "schema.json"), "{}")
	checkouttest.Write(t, filepath.Join(fake, "config", "crd", "standard", "gateway.networking.k8s.io_gateways.yaml"), "")
	return func() []string {
		text, err := os.ReadFile(filepath.Join(fake, "compiled"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(fake, "compiled"))
		names := strings.Fields(string(text))
		slices.Sort(names)
		return names
	}
}

// buildPrograms is build without the machine's checks and the images.
func buildPrograms(t *testing.T, c checkout.Checkout, sources downloads.Sources) {
	t.Helper()
	programs, err := List(t.Context(), c, sources)
	if err != nil {
		t.Fatal(err)
	}
	if err := progress.Run(t.Context(), c, Steps(c, sources, programs)...); err != nil {
		t.Fatal(err)
	}
}

// says runs a program under the name of its link.
func says(t *testing.T, path ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(path...)).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", filepath.Join(path...), err)
	}
	return strings.TrimSpace(string(out))
}

// What is published is downloaded once, the rest is compiled, and DOWNLOAD=never compiles
// all of it. The links lead to what is there, also in nodes, which see bin as another folder
// and nothing else of the checkout.
func TestTakeWhatIsPublished(t *testing.T) {
	compiled := pretendCompiler(t)
	c, sources, asked := newClone(t)
	never := downloads.Sources{Archives: sources.Archives, Never: true}
	plugin := c.Home("pulumi", "plugins", "resource-kubernetes-"+sources.Archives[2].Version, "pulumi-resource-kubernetes")
	for _, tt := range []struct {
		name     string
		sources  downloads.Sources
		compiled []string
		asked    int
		has      string
		gone     string
	}{
		{"first", sources, []string{"emulator", "hello-timber", "network"}, 3, "downloaded", "downloads"},
		{"again", sources, nil, 0, "downloaded", "bin/hyperkube"},
		{"never", never, []string{"hyperkube", "kubernetes-provider", "pulumi"}, 0, "compiled", "bin/downloaded/*"},
		{"nothing to do", never, nil, 0, "compiled", "bin/downloaded/*"},
		{"downloaded again", sources, nil, 0, "compiled", "bin/downloaded/*"},
	} {
		buildPrograms(t, c, tt.sources)
		if got, requests := compiled(), asked(); !slices.Equal(got, tt.compiled) || requests != tt.asked {
			t.Errorf("%s: compiled %q, want %q; asked %d times, want %d", tt.name, got, tt.compiled, requests, tt.asked)
		}
		for path, want := range map[string]map[string]string{
			c.Home("bin", "pulumi"):             {"downloaded": "pulumi", "compiled": "pulumi"},
			c.Home("bin", "pulumi-language-go"): {"downloaded": "pulumi-language-go", "compiled": "emulator"},
			c.Home("bin", "kubectl"):            {"downloaded": "kubectl", "compiled": "hyperkube"},
			plugin:                              {"downloaded": "pulumi-resource-kubernetes", "compiled": "kubernetes-provider"},
		} {
			if got := says(t, path); got != tt.has+" "+want[tt.has] {
				t.Errorf("%s: %s says %q, want %s %s", tt.name, path, got, tt.has, want[tt.has])
			}
		}
		if left, _ := filepath.Glob(c.Home(tt.gone)); left != nil {
			t.Errorf("%s: left behind: %q", tt.name, left)
		}
		mounted := filepath.Join(t.TempDir(), "emulator")
		if err := os.Rename(c.Home("bin"), mounted); err != nil {
			t.Fatal(err)
		}
		for _, name := range downloads.Components {
			want := map[string]string{"downloaded": name, "compiled": "hyperkube"}[tt.has]
			if got := says(t, mounted, "kubernetes", name); got != tt.has+" "+want {
				t.Errorf("%s: in a node, %s says %q", tt.name, name, got)
			}
		}
		if err := os.Rename(mounted, c.Home("bin")); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"bin/gcloud", "bin/gke-gcloud-auth-plugin", "pulumi/plugins/resource-gcp-v*/pulumi-resource-gcp"} {
		links, err := filepath.Glob(c.Home(pattern))
		if err != nil || len(links) != 1 || says(t, links[0]) != "compiled emulator" {
			t.Errorf("%s: %q, %v, want one link to the emulator", pattern, links, err)
		}
	}
	dockerfile, err := os.ReadFile(filepath.Join("..", "..", "node", "Dockerfile"))
	for _, name := range downloads.Components {
		if err != nil || !strings.Contains(string(dockerfile), " "+name) {
			t.Errorf("emulator/node/Dockerfile links no %s, %v", name, err)
		}
	}
}

// What cannot be downloaded is compiled, with one line that says why.
func TestCompileWhatCannotBeDownloaded(t *testing.T) {
	compiled := pretendCompiler(t)
	c, sources, asked := newClone(t, "provider", "kubernetes")
	kubernetes, provider := sources.Archives[0].Version, sources.Archives[2].Version
	printed := checkouttest.Captured(t, &os.Stderr, func() error { buildPrograms(t, c, sources); return nil })
	if got, want := compiled(), []string{"emulator", "hello-timber", "hyperkube", "kubernetes-provider", "network"}; !slices.Equal(got, want) {
		t.Errorf("compiled %q, want %q", got, want)
	}
	for _, want := range []string{
		"kubernetes     " + kubernetes + " is compiled, because it cannot be downloaded: " + sources.Mirror.String() + "/" + kubernetes + "/kubernetes-server-linux-amd64.tar.gz: the server answers 404 Not Found\n",
		"provider       " + provider + " is compiled, because it cannot be downloaded: ",
	} {
		if strings.Count(printed, want) != 1 || strings.Count(printed, " is compiled") != 2 {
			t.Errorf("printed %q, want one line with %q, and another", printed, want)
		}
	}
	asked()
	buildPrograms(t, c, sources)
	if got, requests := compiled(), asked(); len(got) > 0 || requests > 0 {
		t.Errorf("with everything there, compiled %q and asked %d times", got, requests)
	}
}
