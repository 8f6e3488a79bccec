//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// page is the service's page in a browser, which `make test` installs where it may.
type page struct {
	ctx context.Context

	mutex      sync.Mutex
	complaints []string
}

// openPage opens the page that shows who answers.
func openPage(t *testing.T, url string) *page {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.WindowSize(900, 640))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which root cannot have
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	p := &page{ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			p.complaints = append(p.complaints, e.ExceptionDetails.Error())
		case *log.EventEntryAdded: // what the policy has blocked, for one
			p.complaints = append(p.complaints, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
		}
	})
	p.do(t, chromedp.Navigate(url))
	return p
}

func (p *page) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		t.Fatalf("the browser: %v; is Chromium installed? make test installs it on Debian as root", err)
	}
}

// summary is the page's own account of who answers.
func (p *page) summary(t *testing.T) (text string) {
	t.Helper()
	p.do(t, chromedp.Text("#summary", &text, chromedp.ByQuery))
	return text
}

// shows waits until the summary matches, for as long as an update may take on a
// loaded machine.
func (p *page) shows(t *testing.T, pattern string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); !p.matches(t, pattern); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the page shows %q, want %s", p.summary(t), pattern)
		}
	}
}

func (p *page) matches(t *testing.T, pattern string) bool {
	t.Helper()
	return regexp.MustCompile(pattern).MatchString(p.summary(t))
}

// allAnswer reports whether no pod in the table has fallen silent.
func (p *page) allAnswer(t *testing.T) (all bool) {
	t.Helper()
	p.do(t, chromedp.Evaluate(`document.querySelectorAll("#pods .gone").length == 0`, &all))
	return all
}

func (p *page) screenshot(t *testing.T) []byte {
	t.Helper()
	var png []byte
	p.do(t, chromedp.FullScreenshot(&png, 100))
	return png
}

// nothingWrong: no script failed, and nothing was blocked or missing.
func (p *page) nothingWrong(t *testing.T) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, complaint := range p.complaints {
		t.Errorf("the browser complains: %s", complaint)
	}
}
