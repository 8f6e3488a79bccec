package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// perSecond is how many requests the load sends each second in each of its two
// ways: over connections that are kept, and each over one of its own.
const perSecond = 200

// patience is how long a request waits for its answer before it has failed.
const patience = 5 * time.Second

// load is a steady stream of requests for /index, which does not wait for answers.
type load struct {
	want      []string
	attackers []*vegeta.Attacker
	running   sync.WaitGroup
	mutex     sync.Mutex
	results   []*vegeta.Result
}

// startLoad begins to send. Each answer must be one of want.
func startLoad(url string, want []string) *load {
	l := &load{want: want}
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url + "/index"})
	for _, kept := range []bool{true, false} {
		attacker := vegeta.NewAttacker(vegeta.KeepAlive(kept), vegeta.Timeout(patience))
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
	for _, r := range failed[:min(3, len(failed))] {
		text += fmt.Sprintf("; %s: status %d %q after %s: %s", r.Attack, r.Code, r.Body, r.Latency.Round(time.Millisecond), r.Error)
	}
	return text
}

// underLoad does something while the load is on. No request may fail.
func underLoad(t *testing.T, url string, want []string, do func()) *load {
	t.Helper()
	l := startLoad(url, want)
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

// get asks for /index and returns which pod answered what.
func get(client *http.Client, url string) (pod, body string, err error) {
	response, err := client.Get(url + "/index")
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

// answers asserts the exact bytes that /index answers.
func answers(t *testing.T, url, want string) {
	t.Helper()
	if _, body, err := get(fresh, url); err != nil || body != want {
		t.Errorf("%s/index answers %q (%v), want %q", url, body, err, want)
	}
}

// podsAnswering names the pods that answer. With three pods, that a hundred
// requests miss one has a chance of 10^-17.
func podsAnswering(t *testing.T, url string) []string {
	t.Helper()
	seen := map[string]bool{}
	for range 100 {
		pod, _, err := get(fresh, url)
		if err != nil {
			t.Fatal(err)
		}
		seen[pod] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
