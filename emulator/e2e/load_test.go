//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// How many requests a load sends each second in each of its two ways: over connections that
// are kept, and each over one of its own. It is gentle in rows beside which others run.
const usual, gentle = 200, 30

// patience is how long a request waits for its answer before it has failed.
const patience = 5 * time.Second

// load is a steady stream of requests for /index, which does not wait for answers.
type load struct {
	// results are complete after stop, in the order in which they came.
	results []*vegeta.Result

	want      []string
	began     time.Time
	attackers []*vegeta.Attacker
	running   sync.WaitGroup
	mutex     sync.Mutex
}

// startLoad begins to send so many requests a second in each way. Each answer must be one of want.
func startLoad(url string, perSecond int, want []string, options ...func(*vegeta.Attacker)) *load {
	l := &load{want: want, began: time.Now()}
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url + "/index"})
	for _, kept := range []bool{true, false} {
		attacker := vegeta.NewAttacker(append([]func(*vegeta.Attacker){vegeta.KeepAlive(kept), vegeta.Timeout(patience)}, options...)...)
		l.attackers = append(l.attackers, attacker)
		l.running.Go(func() {
			for result := range attacker.Attack(target, vegeta.ConstantPacer{Freq: perSecond, Per: time.Second}, 0, fmt.Sprintf("kept: %t", kept)) {
				l.mutex.Lock()
				l.results = append(l.results, result)
				l.mutex.Unlock()
			}
		})
	}
	return l
}

// stop waits for the answers that are still to come.
func (l *load) stop() {
	for _, attacker := range l.attackers {
		attacker.Stop()
	}
	l.running.Wait()
}

// failures are the requests that were not answered as they should, in the order in which they were sent.
func (l *load) failures() []*vegeta.Result {
	failed := slices.DeleteFunc(slices.Clone(l.results), func(r *vegeta.Result) bool {
		return r.Error == "" && r.Code == http.StatusOK && slices.Contains(l.want, string(r.Body))
	})
	slices.SortFunc(failed, func(a, b *vegeta.Result) int { return a.Timestamp.Compare(b.Timestamp) })
	return failed
}

// sent counts the requests of a time.
func (l *load) sent(from, to time.Time) int {
	n := 0
	for _, r := range l.results {
		if !r.Timestamp.Before(from) && r.Timestamp.Before(to) {
			n++
		}
	}
	return n
}

func (l *load) String() string {
	failed := l.failures()
	text := fmt.Sprintf("%d of %d requests failed", len(failed), len(l.results))
	for i, r := range failed {
		if i < 3 || i >= len(failed)-3 {
			text += fmt.Sprintf("; %s, sent after %s: status %d %q after %s: %s", r.Attack, r.Timestamp.Sub(l.began).Round(time.Millisecond), r.Code, r.Body, r.Latency.Round(time.Millisecond), r.Error)
		}
	}
	return text
}

// underLoad does something while the load is on. No request may fail.
func (s *stack) underLoad(t *testing.T, want []string, do func(), options ...func(*vegeta.Attacker)) *load {
	t.Helper()
	l := startLoad(s.url, s.perSecond, want, options...)
	defer func() { // also when do fails
		l.stop()
		fmt.Printf("    %s\n", l)
		if len(l.results) == 0 || len(l.failures()) > 0 {
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
	s.note("%d of %d failed, %s", len(load.failures()), len(load.results), since(began))
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
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// answers asserts the exact bytes that a URL answers.
func answers(t *testing.T, url, want string) {
	t.Helper()
	if _, body, err := get(fresh, url); err != nil || body != want {
		t.Errorf("%s answers %q (%v), want %q", url, body, err, want)
	}
}
