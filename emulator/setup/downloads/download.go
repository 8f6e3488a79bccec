//go:build linux

// Package downloads gets the binaries that others publish. An archive is unpacked only if
// its sum is the one that archives.go has. An interrupted download goes on in the next run.
package downloads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/progress"
)

// Sources is what may be downloaded, and from where.
type Sources struct {
	Archives []Archive
	// Never compiles everything.
	Never bool
	// Mirror, which may be nil, answers in place of all publishers.
	Mirror *url.URL
	// Stall is how long nothing may arrive.
	Stall time.Duration
}

// New reads DOWNLOAD and DOWNLOAD_MIRROR.
func New(getenv func(string) string) (Sources, error) {
	d := Sources{Archives: Archives, Stall: 30 * time.Second}
	switch value := getenv("DOWNLOAD"); value {
	case "", "never":
		d.Never = value == "never"
	default:
		return d, fmt.Errorf("DOWNLOAD: %q is neither empty nor never. Fix: make up DOWNLOAD=never, to compile everything", value)
	}
	if value := getenv("DOWNLOAD_MIRROR"); value != "" {
		mirror, err := url.Parse(value)
		if err != nil || mirror.Host == "" || mirror.Scheme != "https" && mirror.Scheme != "http" {
			return d, fmt.Errorf("DOWNLOAD_MIRROR: %q is not the address of a web server. Fix: make up DOWNLOAD_MIRROR=https://mirror.example.com",
				value[strings.LastIndex(value, "@")+1:]) // without a password
		}
		d.Mirror = mirror
	}
	return d, nil
}

// Find returns the archive of a program's version, or nil if it must be compiled.
func (d Sources) Find(program, version string) *Archive {
	for _, a := range d.Archives {
		if a.Program == program && a.Version == version && !d.Never {
			return &a
		}
	}
	return nil
}

// address is where an archive is downloaded. A mirror has the publishers' paths.
func (d Sources) address(a Archive) (*url.URL, error) {
	published, err := url.Parse(a.URL())
	if err != nil || d.Mirror == nil {
		return published, err
	}
	return d.Mirror.JoinPath(published.Path), nil
}

// Download gets the official binaries of a program.
func (d Sources) Download(ctx context.Context, c checkout.Checkout, p *progress.Report, a Archive) error {
	packed, unpacked := c.Home("downloads", a.Name()+".partial"), c.Home("tmp", a.Name())
	if err := os.MkdirAll(filepath.Dir(packed), 0o755); err != nil {
		return err
	}
	if err := d.get(ctx, p, a, packed); err != nil {
		return err
	}
	p.Say("unpacking")
	folder := a.folderIn(c)
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(filepath.Dir(folder), 0o755), os.MkdirAll(unpacked, 0o755)); err != nil {
		return err
	}
	// Some archives' names begin with ./, which a name without an anchor leaves open.
	unpack := []string{"--extract", "--gzip", "--file=" + packed, "--directory=" + unpacked, "--no-same-owner", "--no-anchored"}
	for _, name := range a.Files {
		unpack = append(unpack, path.Join(a.Folder, name))
	}
	if _, err := c.Output(ctx, "tar", unpack...); err != nil {
		return fmt.Errorf("%s: %w", a.URL(), err)
	}
	if err := errors.Join(os.Rename(filepath.Join(unpacked, a.Folder), folder), os.RemoveAll(unpacked), os.Remove(packed)); err != nil {
		return err
	}
	if !a.Installed(c) {
		return fmt.Errorf("%s: of %v in it, not each is a regular file", a.URL(), a.Files)
	}
	return nil
}

// get downloads an archive and checks its sum. It continues what an interrupted run
// left in the file, and a connection that breaks.
func (d Sources) get(ctx context.Context, p *progress.Report, a Archive, file string) error {
	from, err := d.address(a)
	if err != nil {
		return err
	}
	for range 3 {
		had := size(file)
		if err = d.transfer(ctx, p, from, file); err == nil {
			p.Say("checking the sum")
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
	Proxy:               http.ProxyFromEnvironment,
	DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	TLSHandshakeTimeout: 10 * time.Second,
	ForceAttemptHTTP2:   true,
	DisableCompression:  true,
}}

// largest is more than any archive has, so that no answer fills the disk. Tests have less.
var largest int64 = 1 << 30

// transfer makes one request and appends its answer to the file.
func (d Sources) transfer(ctx context.Context, p *progress.Report, from *url.URL, file string) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.Stall, func() { cancel(errStalled) })
	defer func() {
		if stall.Stop(); err != nil && errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return err
	}
	done := size(file)
	if done > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", done))
	}
	response, err := client.Do(request) //nolint:bodyclose // it is, below; the linter does not see it because of the closure that reads it
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable && done > 0:
		return nil // it was there already, or its sum is wrong
	case response.StatusCode == http.StatusPartialContent && strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", done)):
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the server answers %s", response.Status)
	case strings.HasPrefix(response.Header.Get("Content-Type"), "text/html"):
		return errors.New("a web page answers, such as a network's login page")
	default:
		done = 0
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if err := out.Truncate(done); err != nil {
		return errors.Join(err, out.Close())
	}
	total := int64(0)
	if response.ContentLength > 0 {
		total = done + response.ContentLength
	}
	_, err = io.Copy(out, io.LimitReader(arriving(func(buffer []byte) (int, error) {
		n, err := response.Body.Read(buffer)
		stall.Reset(d.Stall)
		done += int64(n)
		p.Downloaded(done, total)
		return n, err
	}), largest-done))
	return errors.Join(err, out.Close())
}

// arriving is the body of an answer that reports its progress.
type arriving func([]byte) (int, error)

func (a arriving) Read(buffer []byte) (int, error) { return a(buffer) }

// folderIn is the folder of an archive's files. It is in bin, which the nodes mount.
func (a Archive) folderIn(c checkout.Checkout) string {
	return c.Home("bin", "downloaded", a.Name())
}

// Installed reports whether an archive's files are there.
func (a Archive) Installed(c checkout.Checkout) bool {
	return !slices.ContainsFunc(a.Files, func(name string) bool {
		info, err := os.Lstat(filepath.Join(a.folderIn(c), name))
		return err != nil || !info.Mode().IsRegular()
	})
}
