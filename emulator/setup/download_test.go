//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
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
	"time"
)

// A version without its sum makes users compile for 20 minutes.
func TestArchives(t *testing.T) {
	versions, err := checkout{root: filepath.Join("..", "..")}.versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for _, a := range archives {
		programs = append(programs, a.program)
		if a.version != versions[a.program] {
			t.Errorf("archives has %s %s, and go.mod requires %s. Fix: write the new version and its sum into emulator/setup/archive.go; the sum is in %s", a.program, a.version, versions[a.program], a.source)
		}
		if sum, err := hex.DecodeString(a.sum); err != nil || len(sum) != sha256.Size && len(sum) != sha512.Size {
			t.Errorf("%s: %q is neither a SHA-256 nor a SHA-512", a.program, a.sum)
		}
		if u, err := url.Parse(a.url()); err != nil || u.Scheme != "https" || !strings.Contains(u.Path, a.version) {
			t.Errorf("%s: %s is no https address with the version", a.program, a.url())
		}
	}
	for program := range versions {
		if !slices.Contains(programs, program) {
			t.Errorf("archives has no %s", program)
		}
	}
}

// Another version than the sum's is compiled.
func TestArchiveOfAnotherVersion(t *testing.T) {
	d := downloads{archives: archives}
	if d.find("pulumi", "v3.250.0") == nil || d.find("pulumi", "v3.251.0") != nil {
		t.Error("an archive is downloaded for another version than the sum's, or not for its own")
	}
	printed := captured(t, &os.Stdout, func() error { d.explain(&program{name: "pulumi", version: "v3.251.0"}); return nil })
	if !strings.Contains(printed, "pulumi") || !strings.Contains(printed, "v3.251.0 is compiled") || strings.Count(printed, "\n") != 1 {
		t.Errorf("printed %q", printed)
	}
}

func TestNewDownloads(t *testing.T) {
	for _, tt := range []struct{ download, mirror, wantAddress, wantError string }{
		{"", "", "https://dl.k8s.io/v1.34.4/kubernetes-server-linux-amd64.tar.gz", ""},
		{"never", "", "", ""},
		{"", "http://localhost:8000", "http://localhost:8000/v1.34.4/kubernetes-server-linux-amd64.tar.gz", ""},
		{"", "https://a:b@mirror.example.com/all/", "https://a:b@mirror.example.com/all/v1.34.4/kubernetes-server-linux-amd64.tar.gz", ""},
		{"no", "", "", `DOWNLOAD: "no"`},
		{"", "mirror.example.com", "", `DOWNLOAD_MIRROR: "mirror.example.com"`},
		{"", "htps://user:secret@mirror.example.com", "", `DOWNLOAD_MIRROR: "mirror.example.com"`},
		{"", "ftp://mirror.example.com", "", `DOWNLOAD_MIRROR: "ftp:`},
	} {
		d, err := newDownloads(func(name string) string {
			return map[string]string{"DOWNLOAD": tt.download, "DOWNLOAD_MIRROR": tt.mirror}[name]
		})
		if tt.wantError != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantError) || !strings.Contains(err.Error(), "Fix: make up") {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		d.archives = []archive{{program: "kubernetes", version: "v1.34.4", address: archives[0].address}}
		a := d.find("kubernetes", "v1.34.4")
		if err != nil || (a == nil) != (tt.wantAddress == "") {
			t.Errorf("%+v: archive %v, %v", tt, a, err)
		}
		if a == nil {
			continue
		}
		if got, err := d.address(*a); err != nil || got.String() != tt.wantAddress {
			t.Errorf("%+v: address %s, %v", tt, got, err)
		}
	}
}

// entry is a file in an archive.
type entry struct{ name, content string }

func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	files := tar.NewWriter(zipped)
	for _, e := range entries {
		if err := files.WriteHeader(&tar.Header{Name: e.name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(e.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func sha(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// whole serves a file with ranges, as the publishers do.
func whole(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.tar.gz", time.Time{}, bytes.NewReader(content))
	}
}

// broken ends each connection after so many bytes.
func broken(content []byte, after int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		whole(content)(&breaking{ResponseWriter: w, left: after}, r)
	}
}

type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(content []byte) (int, error) {
	if len(content) <= b.left {
		b.left -= len(content)
		return b.ResponseWriter.Write(content)
	}
	_, _ = b.ResponseWriter.Write(content[:b.left])
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

func TestDownload(t *testing.T) {
	noise := make([]byte, 300_000)
	_, _ = rand.Read(noise)
	good := pack(t, entry{"folder/tool", "the tool"}, entry{"folder/other", string(noise)})
	lacking := pack(t, entry{"folder/other", "other"}, entry{"elsewhere/tool", "not this one"})
	leaving := pack(t, entry{"../../../bin/gcloud", "out"}, entry{"folder/tool", "the tool"})
	half := len(good) / 2
	unavailable := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusNotFound) }
	stalled := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(good[:half])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	rangeless := func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		whole(good)(w, r)
	}
	page := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!DOCTYPE html><p>Log in</p>") }
	for name, tt := range map[string]struct {
		serve   http.HandlerFunc
		content []byte // whose sum is known; good if nil
		partial []byte // left by an earlier run
		fails   string // part of the error; empty if it succeeds
		asks    int    // how many requests there are, if that matters
		stall   time.Duration
	}{
		"whole":                         {serve: whole(good), asks: 1},
		"wrong sum":                     {serve: whole(good), content: lacking, fails: "its sum is", asks: 1},
		"truncated":                     {serve: broken(good, 1000), fails: "unexpected EOF", asks: 3},
		"truncated and rangeless":       {serve: broken(good[:half], half), fails: "its sum is"},
		"connection breaks once":        {serve: broken(good, half+1), asks: 2},
		"stalled":                       {serve: stalled, fails: errStalled.Error(), asks: 1, stall: 300 * time.Millisecond},
		"no answer":                     {serve: silent, fails: errStalled.Error(), asks: 1, stall: 300 * time.Millisecond},
		"resumed":                       {serve: broken(good, len(good)-half), partial: good[:half], asks: 1},
		"resumed without ranges":        {serve: rangeless, partial: good[:half], asks: 1},
		"resumed at the end":            {serve: whole(good), partial: good, asks: 1},
		"resumed from another file":     {serve: whole(good), partial: noise[:half], asks: 2},
		"resumed from a longer file":    {serve: whole(good), partial: append(slices.Clone(good), 1), asks: 2},
		"not found":                     {serve: unavailable, fails: "404 Not Found", asks: 1},
		"not found, resumed":            {serve: unavailable, partial: good[:half], fails: "404 Not Found", asks: 1},
		"web page":                      {serve: page, fails: "a web page answers", asks: 1},
		"no server":                     {fails: "connection refused"},
		"no file in it":                 {serve: whole(lacking), content: lacking, fails: "it has no folder/tool"},
		"a path that leaves the folder": {serve: whole(leaving), content: leaving, fails: `"../../../bin/gcloud"`},
		"no archive":                    {serve: whole(noise), content: noise, fails: "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				tt.serve(w, r)
			}))
			defer server.Close()
			if tt.serve == nil {
				server.Close()
			}
			if tt.content == nil {
				tt.content = good
			}
			c := newCheckout(t)
			a := archive{program: "tool", version: "v1", address: server.URL + "/tool-VERSION.tar.gz", sum: sha(tt.content), folder: "folder", files: []string{"tool"}}
			c.downloads = downloads{archives: []archive{a}, stall: cmp.Or(tt.stall, time.Minute)}
			if tt.partial != nil {
				write(t, c.home("downloads", "tool-v1.partial"), string(tt.partial))
			}
			p := newProgress(c, step{name: "tool"})
			err := c.download(t.Context(), p, a)
			if tt.asks != 0 && asked != tt.asks {
				t.Errorf("asked %d times, want %d", asked, tt.asks)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || !strings.Contains(err.Error(), server.URL+"/tool-v1.tar.gz: ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("the error is %v, want one line with the address and %q", err, tt.fails)
				}
				if a.installed(c.downloaded(a)) || exists(c.home("bin", "gcloud")) {
					t.Error("a failed download left files in bin")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(c.downloaded(a), "tool")); err != nil || string(text) != "the tool" {
				t.Errorf("the tool is %q, %v", text, err)
			}
			if out, err := os.ReadDir(c.downloaded(a)); err != nil || len(out) != 1 {
				t.Errorf("unpacked %v, %v, want the tool only", out, err)
			}
			if exists(c.home("downloads", "tool-v1.partial")) || exists(c.home("tmp", "tool-v1")) {
				t.Error("the archive or its unpacking is left")
			}
			if p.status != "unpacking" {
				t.Errorf("said %q last", p.status)
			}
		})
	}
}

// A sum of 128 digits is a SHA-512.
func TestCheckSHA512(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, "content")
	sum := sha512.Sum512([]byte("content"))
	if err := (archive{sum: hex.EncodeToString(sum[:])}).check(path); err != nil {
		t.Error(err)
	}
	if err := (archive{sum: strings.Repeat("0", 128)}).check(path); err == nil {
		t.Error("a wrong SHA-512 is not noticed")
	}
}

// A download that is interrupted continues in the next run.
func TestInterruptedDownload(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	content := pack(t, entry{"tool", "the tool"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:20])
		_ = http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond)
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	c := newCheckout(t)
	a := archive{program: "tool", version: "v1", address: server.URL, sum: sha(content), folder: ".", files: []string{"tool"}}
	c.downloads = downloads{stall: time.Minute}
	p := newProgress(c, step{name: "tool"})
	if err := c.downloadOrFetch(ctx, p, new(queue), &program{name: "tool", archive: &a}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want that of the interrupt", err)
	}
	if got := size(c.home("downloads", "tool-v1.partial")); got != 20 {
		t.Errorf("%d bytes are left for the next run, want 20", got)
	}
}

func TestProgressOfDownload(t *testing.T) {
	p := newProgress(newCheckout(t), step{name: "tool"})
	body := &arriving{reader: strings.NewReader(strings.Repeat("x", 100)), progress: p, alive: func() {}, done: 200, total: 400}
	if _, err := body.Read(make([]byte, 100)); err != nil || p.status != "downloaded 75 % of 1 MB" || bar(p.count) != "[#########---]" {
		t.Errorf("said %q with %q, %v", p.status, bar(p.count), err)
	}
	body = &arriving{reader: strings.NewReader("x"), progress: p, alive: func() {}, total: largest + 1}
	if _, err := body.Read(make([]byte, 1)); err == nil {
		t.Error("a file that fills the disk is downloaded")
	}
}

// newClone is a checkout with the files that decide what is built, and a mirror with
// archives of scripts in place of the published ones. Missing ones are not found.
func newClone(t *testing.T, missing ...string) (c checkout, asked func() int) {
	t.Helper()
	c = newCheckout(t)
	c.path, c.plugins = "/nowhere", t.TempDir()
	for _, name := range []string{"go.mod", "emulator/go.mod", "emulator/hyperkube/go.mod"} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(c.root, name), string(text))
	}
	programs, err := c.programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if err := os.MkdirAll(filepath.Join(c.root, p.folder, "schema"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, source := range p.sources {
			if path := filepath.Join(c.root, source); !exists(path) {
				write(t, path, "")
			}
		}
	}
	served := map[string][]byte{}
	c.downloads.stall = time.Minute
	for _, a := range archives {
		var entries []entry
		for _, name := range a.files {
			entries = append(entries, entry{"./" + filepath.Join(a.folder, name), "#!/bin/sh\necho downloaded " + name + "\n"})
		}
		published, err := url.Parse(a.url())
		if err != nil {
			t.Fatal(err)
		}
		content := pack(t, entries...)
		a.sum = sha(content)
		c.downloads.archives = append(c.downloads.archives, a)
		if !slices.Contains(missing, a.program) {
			served[published.Path] = content
		}
	}
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if content, ok := served[r.URL.Path]; ok {
			whole(content)(w, r)
		} else {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	if c.downloads.mirror, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	return c, func() int { return int(requests.Swap(0)) }
}

// pretendCompiler puts a compiler on PATH whose programs are scripts. It returns what it
// compiled, and refuses to compile two programs at once or through a link.
func pretendCompiler(t *testing.T) (compiled func() []string) {
	t.Helper()
	fake := t.TempDir()
	compiler, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(fake, "cmd", "pulumi-resource-kubernetes", "schema.json"), "{}")
	write(t, filepath.Join(fake, "go"), `#!/bin/sh
case "$1" in
list) echo .; exit;;
-C) echo "`+fake+`"; exit;;
build) ;;
*) exec "`+compiler+`" "$@";;
esac
while [ "$1" != -o ]; do shift; done
[ ! -h "$2" ] || { echo "writes through the link $2" >&2; exit 1; }
mkdir "`+fake+`/running" || exit 1
mkdir -p "${2%/*}" && printf '#!/bin/sh\necho compiled %s\n' "${2##*/}" > "$2" && chmod +x "$2" && echo "${2##*/}" >> "`+fake+`/compiled"
sleep 0.1
rmdir "`+fake+`/running"
`)
	if err := os.Chmod(filepath.Join(fake, "go"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", fake+":"+os.Getenv("PATH"))
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
func buildPrograms(t *testing.T, c checkout) {
	t.Helper()
	programs, err := c.programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := runSteps(t.Context(), c, c.programSteps(programs)); err != nil {
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

// What is published is downloaded once, the rest is compiled, and DOWNLOAD=never
// compiles all of it. The links lead to what is there.
func TestTakeWhatIsPublished(t *testing.T) {
	compiled := pretendCompiler(t)
	c, asked := newClone(t)
	never := c
	never.downloads = downloads{archives: c.downloads.archives, never: true}
	plugin := c.home("pulumi", "plugins", "resource-kubernetes-v4.25.0", "pulumi-resource-kubernetes")
	all := []string{"emulator", "hello-timber", "network"}
	for _, tt := range []struct {
		name     string
		checkout checkout
		compiled []string
		asked    int
		kubelet, pulumi, host, plugin,
		gone string
	}{
		{"first", c, all, 3, "downloaded kubelet", "downloaded pulumi", "downloaded pulumi-language-go", "downloaded pulumi-resource-kubernetes", "downloads"},
		{"again", c, nil, 0, "downloaded kubelet", "downloaded pulumi", "downloaded pulumi-language-go", "downloaded pulumi-resource-kubernetes", "bin/hyperkube"},
		{"never", never, []string{"hyperkube", "kubernetes-provider", "pulumi"}, 0, "compiled hyperkube", "compiled pulumi", "compiled emulator", "compiled kubernetes-provider", "bin/downloaded/*"},
		{"nothing to do", c, nil, 0, "compiled hyperkube", "compiled pulumi", "compiled emulator", "compiled kubernetes-provider", "bin/downloaded/*"},
	} {
		buildPrograms(t, tt.checkout)
		if got := compiled(); !slices.Equal(got, tt.compiled) {
			t.Errorf("%s: compiled %q, want %q", tt.name, got, tt.compiled)
		}
		if got := asked(); got != tt.asked {
			t.Errorf("%s: asked %d times, want %d", tt.name, got, tt.asked)
		}
		for path, want := range map[string]string{
			c.home("bin", "kubernetes", "kubelet"): tt.kubelet, c.home("bin", "pulumi"): tt.pulumi,
			c.home("bin", "pulumi-language-go"): tt.host, plugin: tt.plugin,
			c.home("bin", "kubectl"): strings.Replace(tt.kubelet, "kubelet", "kubectl", 1),
		} {
			if got := says(t, path); got != want {
				t.Errorf("%s: %s says %q, want %q", tt.name, path, got, want)
			}
		}
		if left, _ := filepath.Glob(c.home(tt.gone)); left != nil {
			t.Errorf("%s: left behind: %q", tt.name, left)
		}
	}
}

// The nodes see bin as another folder, and nothing else of the checkout.
func TestLinksWorkInNodes(t *testing.T) {
	pretendCompiler(t)
	c, _ := newClone(t)
	buildPrograms(t, c)
	mounted := filepath.Join(t.TempDir(), "emulator")
	if err := os.Rename(c.home("bin"), mounted); err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile(filepath.Join("..", "node", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range components {
		if got := says(t, mounted, "kubernetes", name); got != "downloaded "+name {
			t.Errorf("%s says %q", name, got)
		}
		if !strings.Contains(string(dockerfile), " "+name) {
			t.Errorf("emulator/node/Dockerfile links no %s", name)
		}
	}
}

// What cannot be downloaded is compiled, with one line that says why.
func TestCompileWhatCannotBeDownloaded(t *testing.T) {
	compiled := pretendCompiler(t)
	c, asked := newClone(t, "provider", "kubernetes")
	printed := captured(t, &os.Stdout, func() error { buildPrograms(t, c); return nil })
	if got, want := compiled(), []string{"emulator", "hello-timber", "hyperkube", "kubernetes-provider", "network"}; !slices.Equal(got, want) {
		t.Errorf("compiled %q, want %q", got, want)
	}
	for _, want := range []string{
		"kubernetes     v1.34.4 is compiled, because it cannot be downloaded: " + c.downloads.mirror.String() + "/v1.34.4/kubernetes-server-linux-amd64.tar.gz: the server answers 404 Not Found\n",
		"provider       v4.25.0 is compiled, because it cannot be downloaded: ",
	} {
		if strings.Count(printed, want) != 1 {
			t.Errorf("printed %q, want one line with %q", printed, want)
		}
	}
	if strings.Count(printed, " is compiled") != 2 {
		t.Errorf("printed %q, want two lines about what is compiled", printed)
	}
	asked()
	buildPrograms(t, c)
	if got, requests := compiled(), asked(); len(got) > 0 || requests > 0 {
		t.Errorf("with everything there, compiled %q and asked %d times", got, requests)
	}
}
