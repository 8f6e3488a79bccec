//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"hello-timber/emulator/traffic"
)

// gentle is perSecond in rows beside which others run.
const gentle = 30

// underLoad does something while the load is on. No request may fail.
func (s *stack) underLoad(t *testing.T, want []string, do func(), options ...func(*vegeta.Attacker)) *traffic.Load {
	t.Helper()
	l := traffic.Start(s.url, s.perSecond, want, options...)
	defer func() { // also when do fails
		l.Stop()
		fmt.Printf("    %s\n", l)
		if len(l.Results) == 0 || len(l.Failures()) > 0 {
			t.Error(l)
		}
	}()
	do()
	return l
}

// unnoticed does so to any version, and notes how it went.
func (s *stack) unnoticed(t *testing.T, do func(), options ...func(*vegeta.Attacker)) {
	t.Helper()
	began := time.Now()
	load := s.underLoad(t, []string{v1, v2}, do, options...)
	s.note("%d of %d failed, %s", len(load.Failures()), len(load.Results), since(began))
}

// get asks for a URL and returns which pod answered what.
func get(client *http.Client, url string) (pod, body string, err error) {
	response, err := client.Get(url)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %s", response.Status, text)
	}
	return response.Header.Get("X-Pod"), string(text), err
}

// fresh makes a new connection for each request: one that is kept leads to the
// same pod for as long as that lives, also while it drains.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: traffic.Patience}

// answers asserts the exact bytes that a URL answers.
func answers(t *testing.T, url, want string) {
	t.Helper()
	if _, body, err := get(fresh, url); err != nil || body != want {
		t.Errorf("%s answers %q (%v), want %q", url, body, err, want)
	}
}
