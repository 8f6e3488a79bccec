//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// downloads is what may be downloaded, and from where.
type downloads struct {
	archives []archive
	// never compiles everything.
	never bool
	// mirror, which may be nil, answers in place of all publishers.
	mirror *url.URL
	// stall is how long nothing may arrive.
	stall time.Duration
}

// newDownloads reads DOWNLOAD and DOWNLOAD_MIRROR.
func newDownloads(getenv func(string) string) (downloads, error) {
	d := downloads{archives: archives, stall: 30 * time.Second}
	switch value := getenv("DOWNLOAD"); value {
	case "", "never":
		d.never = value == "never"
	default:
		return d, fmt.Errorf("DOWNLOAD: %q is neither empty nor never. Fix: make up DOWNLOAD=never, to compile everything", value)
	}
	if value := getenv("DOWNLOAD_MIRROR"); value != "" {
		mirror, err := url.Parse(value)
		if err != nil || mirror.Host == "" || mirror.Scheme != "https" && mirror.Scheme != "http" {
			return d, fmt.Errorf("DOWNLOAD_MIRROR: %q is not the address of a web server. Fix: make up DOWNLOAD_MIRROR=https://mirror.example.com",
				value[strings.LastIndex(value, "@")+1:]) // without a password
		}
		d.mirror = mirror
	}
	return d, nil
}

// find returns the archive of a program's version, or nil if it must be compiled.
func (d downloads) find(program, version string) *archive {
	for _, a := range d.archives {
		if a.program == program && a.version == version && !d.never {
			return &a
		}
	}
	return nil
}

// explain says why a program's official binaries are not downloaded, if only their sum is missing.
func (d downloads) explain(p *program) {
	for _, a := range d.archives {
		if a.program == p.name && !d.never {
			fmt.Printf("%-14s %s is compiled, because emulator/setup/archive.go has the sum of %s only\n", p.name, p.version, a.version)
		}
	}
}

// address is where an archive is downloaded. A mirror has the publishers' paths.
func (d downloads) address(a archive) (*url.URL, error) {
	published, err := url.Parse(a.url())
	if err != nil || d.mirror == nil {
		return published, err
	}
	return d.mirror.JoinPath(published.Path), nil
}

// get downloads an archive and checks its sum. It continues what an interrupted run
// left in the file, and a connection that breaks.
func (d downloads) get(ctx context.Context, p *progress, a archive, file string) error {
	from, err := d.address(a)
	if err != nil {
		return err
	}
	for range 3 {
		had := size(file)
		err = d.transfer(ctx, p, from, file)
		if err == nil {
			p.say("checking the sum")
			if err = a.check(file); err == nil {
				return nil
			}
			if err := os.Remove(file); err != nil {
				return err
			}
			if had > 0 {
				continue // the first part may be another file's
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errStalled) || size(file) <= had {
			break
		}
	}
	// The error of net/http repeats the address.
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	from.RawQuery = "" // where a mirror may have a token
	return fmt.Errorf("%s: %w", from.Redacted(), err)
}

func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

var errStalled = errors.New("nothing arrives any more")

// client gives up after seconds where a firewall drops packets. It does not unpack:
// the sum is of the archive as it is published.
var client = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	TLSHandshakeTimeout:   10 * time.Second,
	ResponseHeaderTimeout: 30 * time.Second,
	ForceAttemptHTTP2:     true,
	DisableCompression:    true,
}}

// transfer makes one request and appends its answer to the file.
func (d downloads) transfer(ctx context.Context, p *progress, from *url.URL, file string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.stall, func() { cancel(errStalled) })
	defer stall.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return err
	}
	offset := size(file)
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := client.Do(request)
	if err != nil {
		return stalledOr(ctx, err)
	}
	defer response.Body.Close()
	switch kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); {
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		return nil // it was there already, or its sum is wrong
	case response.StatusCode == http.StatusPartialContent && strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the server answers %s", response.Status)
	case kind == "text/html":
		return errors.New("a web page answers, such as a network's login page")
	default:
		offset = 0
	}
	return stalledOr(ctx, save(response, file, &arriving{reader: response.Body, progress: p, alive: func() { stall.Reset(d.stall) }, done: offset}))
}

// stalledOr is the error of a request, or errStalled if that ended it.
func stalledOr(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// save writes an answer's body to the file, after what the file has already.
func save(response *http.Response, file string, body *arriving) error {
	if response.ContentLength >= 0 {
		body.total = body.done + response.ContentLength
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = out.Truncate(body.done)
	if err == nil {
		_, err = out.Seek(0, io.SeekEnd)
	}
	if err == nil {
		_, err = io.Copy(out, body)
	}
	return errors.Join(err, out.Close())
}

// arriving is the body of an answer that reports its progress.
type arriving struct {
	reader      io.Reader
	progress    *progress
	alive       func()
	done, total int64 // in bytes; total is 0 if unknown
}

// largest is more than any archive has, so that no answer fills the disk.
const largest = 1 << 30

func (a *arriving) Read(buffer []byte) (int, error) {
	n, err := a.reader.Read(buffer)
	if n > 0 {
		a.alive()
	}
	a.done += int64(n)
	if a.done > largest || a.total > largest {
		return n, fmt.Errorf("the file is larger than %d MB", largest>>20)
	}
	if a.total > 0 {
		a.progress.counted(a.done, a.total, fmt.Sprintf("downloaded %d %% of %d MB", a.done*100/a.total, (a.total+1<<20-1)>>20))
	} else {
		a.progress.say(fmt.Sprintf("downloaded %d MB", a.done>>20))
	}
	return n, err
}

// download gets the official binaries of a program.
func (c checkout) download(ctx context.Context, p *progress, a archive) error {
	packed, unpacked := c.home("downloads", a.name()+".partial"), c.home("tmp", a.name())
	if err := os.MkdirAll(filepath.Dir(packed), 0o755); err != nil {
		return err
	}
	if err := c.downloads.get(ctx, p, a, packed); err != nil {
		return err
	}
	p.say("unpacking")
	if err := a.extract(packed, unpacked); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", a.url(), err), os.RemoveAll(unpacked), os.Remove(packed))
	}
	folder := c.downloaded(a)
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(filepath.Dir(folder), 0o755)); err != nil {
		return err
	}
	return errors.Join(os.Rename(unpacked, folder), os.Remove(packed))
}

// downloaded is the folder of an archive's files. It is in bin, which the nodes mount.
func (c checkout) downloaded(a archive) string { return c.home("bin", "downloaded", a.name()) }

// downloadOrFetch downloads a program. If that fails, it downloads the modules that
// compiling needs.
func (c checkout) downloadOrFetch(ctx context.Context, p *progress, queue *queue, wanted *program) error {
	err := c.download(ctx, p, *wanted.archive)
	if err == nil {
		queue.list(wanted, map[string]listed{})
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	p.view.print(fmt.Sprintf("%-14s %s is compiled, because it cannot be downloaded: %s", wanted.name, wanted.version, strings.ReplaceAll(err.Error(), "\n", "; ")))
	return c.fetch(ctx, p, queue, wanted)
}

// downloadedProgram reports whether a program's official binaries are there and wanted.
func (c checkout) downloadedProgram(p *program) bool {
	return p.archive != nil && p.archive.installed(c.downloaded(*p.archive))
}
