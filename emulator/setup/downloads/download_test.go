//go:build linux

package downloads

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/progress"
)

func TestNew(t *testing.T) {
	const path = "/v1.34.4/kubernetes-server-linux-amd64.tar.gz"
	for _, tt := range []struct{ download, mirror, wantAddress, wantError string }{
		{"", "", "https://dl.k8s.io" + path, ""},
		{"never", "", "", ""},
		{"", "http://localhost:8000", "http://localhost:8000" + path, ""},
		{"", "https://a:b@mirror.example.com/all/", "https://a:b@mirror.example.com/all" + path, ""},
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
		if d.Find("kubernetes", "v1.35.0") != nil {
			t.Error("another version than the sum's is downloaded")
		}
	}
}

// serves answers with content, over connections that break after so many bytes.
func serves(content []byte, breaks int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/gzip")
		http.ServeContent(w, r, "", time.Time{}, &breaking{bytes.NewReader(content), breaks})
	}
}

type breaking struct {
	io.ReadSeeker
	left int
}

func (b *breaking) Read(buffer []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadSeeker.Read(buffer[:min(len(buffer), b.left)])
	b.left -= n
	return n, err
}

func whole(content []byte) http.HandlerFunc { return serves(content, len(content)+1) }

// tool is an archive with one program, and how it is downloaded.
func tool(ctx context.Context, t *testing.T, c checkout.Checkout, content []byte, stall time.Duration, serve http.HandlerFunc) (Archive, error) {
	t.Helper()
	server := httptest.NewServer(serve)
	defer server.Close()
	if serve == nil {
		server.Close()
	}
	sum := sha256.Sum256(content)
	a := Archive{Program: "tool", Version: "v1", Address: server.URL + "/tool-VERSION.tar.gz", Sum: hex.EncodeToString(sum[:]), Folder: "folder", Files: []string{"tool"}}
	if stall == 0 { // a sum of 128 digits is a SHA-512
		sum := sha512.Sum512(content)
		a.Sum = hex.EncodeToString(sum[:])
	}
	err := progress.One(ctx, c, "get-tool", func(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
		return Sources{Stall: cmp.Or(stall, time.Minute)}.Download(ctx, c, p, a)
	})
	if err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), a.URL()+": ") {
		t.Errorf("the error is %v, want the address", err)
	}
	return a, err
}

func TestDownload(t *testing.T) {
	noise := make([]byte, 300_000)
	_, _ = rand.Read(noise)
	good := checkouttest.Pack(t, fstest.MapFS{"folder/tool": {Data: []byte("the tool"), Mode: 0o755}, "folder/other": {Data: noise}})
	long := checkouttest.Pack(t, fstest.MapFS{"folder/tool": {Data: []byte("the tool"), Mode: 0o755}, "folder/other": {Data: append(noise, noise...)}})
	linking := checkouttest.Pack(t, fstest.MapFS{"folder/tool": {Data: []byte("/bin/sh"), Mode: fs.ModeSymlink | 0o777}})
	defer func(before int64) { largest = before }(largest)
	largest = int64(len(good)) + 1000
	lacking := checkouttest.Pack(t, fstest.MapFS{"elsewhere/tool": {Data: []byte("not this one")}})
	half := len(good) / 2
	unavailable := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusNotFound) }
	stalled := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(good[:half])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	elsewhere := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-9/10")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(good)
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
		"whole":                      {serve: whole(good), asks: 1},
		"wrong sum":                  {serve: whole(good), content: lacking, fails: "its sum is", asks: 1},
		"truncated":                  {serve: serves(good, 1000), fails: "unexpected EOF", asks: 3},
		"connection breaks once":     {serve: serves(good, half+1), asks: 2},
		"stalled":                    {serve: stalled, fails: errStalled.Error(), asks: 1, stall: 300 * time.Millisecond},
		"no answer":                  {serve: silent, fails: errStalled.Error(), asks: 1, stall: 300 * time.Millisecond},
		"resumed":                    {serve: serves(good, len(good)-half), partial: good[:half], asks: 1},
		"resumed without ranges":     {serve: rangeless, partial: good[:half], asks: 1},
		"resumed elsewhere":          {serve: elsewhere, partial: good[:half], fails: "206 Partial Content", asks: 1},
		"resumed at the end":         {serve: whole(good), partial: good, asks: 1},
		"resumed from another file":  {serve: whole(good), partial: noise[:half], asks: 2},
		"resumed from a longer file": {serve: whole(good), partial: append(slices.Clone(good), 1), asks: 2},
		"not found":                  {serve: unavailable, fails: "404 Not Found", asks: 1},
		"not found, resumed":         {serve: unavailable, partial: good[:half], fails: "404 Not Found", asks: 1},
		"too long":                   {serve: whole(long), content: long, fails: "its sum is", asks: 1},
		"a link in it":               {serve: whole(linking), content: linking, fails: "not each is a regular file", asks: 1},
		"web page":                   {serve: page, fails: "a web page answers", asks: 1},
		"no server":                  {fails: "connection refused"},
		"no file in it":              {serve: whole(lacking), content: lacking, fails: "folder/tool: Not found in archive"},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := checkouttest.New(t), 0
			var serve http.HandlerFunc
			if tt.serve != nil {
				serve = func(w http.ResponseWriter, r *http.Request) {
					asked++
					tt.serve(w, r)
				}
			}
			if tt.content == nil {
				tt.content = good
			}
			if tt.partial != nil {
				checkouttest.Write(t, c.Home("downloads", "tool-v1.partial"), string(tt.partial))
			}
			a, err := tool(t.Context(), t, c, tt.content, tt.stall, serve)
			if tt.asks != 0 && asked != tt.asks {
				t.Errorf("asked %d times, want %d", asked, tt.asks)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || a.Installed(c) {
					t.Errorf("the error is %v, want %q; installed: %v", err, tt.fails, a.Installed(c))
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
		})
	}
}

// A download that is interrupted continues in the next run.
func TestInterruptedDownload(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := checkouttest.New(t)
	_, err := tool(ctx, t, c, nil, 0, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(make([]byte, 20))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond)
		cancel()
		<-r.Context().Done()
	})
	if got := size(c.Home("downloads", "tool-v1.partial")); !errors.Is(err, context.Canceled) || got != 20 {
		t.Errorf("the error is %v, and %d bytes are left for the next run; want that of the interrupt, and 20", err, got)
	}
}
