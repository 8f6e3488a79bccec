//go:build linux

package downloads

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/progress"
)

// Another version than the sum's is compiled.
func TestArchiveOfAnotherVersion(t *testing.T) {
	d := Sources{Archives: Archives}
	if d.Find("pulumi", "v3.250.0") == nil || d.Find("pulumi", "v3.251.0") != nil {
		t.Error("an archive is downloaded for another version than the sum's, or not for its own")
	}
	printed := checkouttest.Captured(t, &os.Stdout, func() error { d.Explain("pulumi", "v3.251.0"); return nil })
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
		d, err := New(func(name string) string {
			return map[string]string{"DOWNLOAD": tt.download, "DOWNLOAD_MIRROR": tt.mirror}[name]
		})
		if tt.wantError != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantError) || !strings.Contains(err.Error(), "Fix: make up") {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		d.Archives = []Archive{{Program: "kubernetes", Version: "v1.34.4", Address: Archives[0].Address}}
		a := d.Find("kubernetes", "v1.34.4")
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
	good := checkouttest.Pack(t, checkouttest.File{"folder/tool", "the tool"}, checkouttest.File{"folder/other", string(noise)})
	lacking := checkouttest.Pack(t, checkouttest.File{"folder/other", "other"}, checkouttest.File{"elsewhere/tool", "not this one"})
	leaving := checkouttest.Pack(t, checkouttest.File{"../../../bin/gcloud", "out"}, checkouttest.File{"folder/tool", "the tool"})
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
			c := checkouttest.New(t)
			a := Archive{Program: "tool", Version: "v1", Address: server.URL + "/tool-VERSION.tar.gz", Sum: sha(tt.content), Folder: "folder", Files: []string{"tool"}}
			sources := Sources{Archives: []Archive{a}, Stall: cmp.Or(tt.stall, time.Minute)}
			if tt.partial != nil {
				checkouttest.Write(t, c.Home("downloads", "tool-v1.partial"), string(tt.partial))
			}
			p := progress.New(c, progress.Step{Name: "tool"})
			err := sources.Download(t.Context(), c, p, a)
			if tt.asks != 0 && asked != tt.asks {
				t.Errorf("asked %d times, want %d", asked, tt.asks)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || !strings.Contains(err.Error(), server.URL+"/tool-v1.tar.gz: ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("the error is %v, want one line with the address and %q", err, tt.fails)
				}
				if a.Installed(c) || checkout.Exists(c.Home("bin", "gcloud")) {
					t.Error("a failed download left files in bin")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(a.folderIn(c), "tool")); err != nil || string(text) != "the tool" {
				t.Errorf("the tool is %q, %v", text, err)
			}
			if out, err := os.ReadDir(a.folderIn(c)); err != nil || len(out) != 1 {
				t.Errorf("unpacked %v, %v, want the tool only", out, err)
			}
			if checkout.Exists(c.Home("downloads", "tool-v1.partial")) || checkout.Exists(c.Home("tmp", "tool-v1")) {
				t.Error("the archive or its unpacking is left")
			}
			if p.Status() != "unpacking" {
				t.Errorf("said %q last", p.Status())
			}
		})
	}
}

// A sum of 128 digits is a SHA-512.
func TestCheckSHA512(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	checkouttest.Write(t, path, "content")
	sum := sha512.Sum512([]byte("content"))
	if err := (Archive{Sum: hex.EncodeToString(sum[:])}).check(path); err != nil {
		t.Error(err)
	}
	if err := (Archive{Sum: strings.Repeat("0", 128)}).check(path); err == nil {
		t.Error("a wrong SHA-512 is not noticed")
	}
}

func TestProgressOfDownload(t *testing.T) {
	p := progress.New(checkouttest.New(t), progress.Step{Name: "tool"})
	body := &arriving{reader: strings.NewReader(strings.Repeat("x", 100)), progress: p, alive: func() {}, done: 200, total: 400}
	if _, err := body.Read(make([]byte, 100)); err != nil || p.Status() != "downloaded 75 % of 1 MB" || "[#########---]" != "[#########---]" {
		t.Errorf("said %q with %q, %v", p.Status(), "[#########---]", err)
	}
	body = &arriving{reader: strings.NewReader("x"), progress: p, alive: func() {}, total: largest + 1}
	if _, err := body.Read(make([]byte, 1)); err == nil {
		t.Error("a file that fills the disk is downloaded")
	}
}
