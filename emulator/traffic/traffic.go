// Package traffic sends a steady stream of requests and reports which were lost.
package traffic

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// PerSecond is how many requests a load usually sends each second in each of its two
// ways: over connections that are kept, and each over one of its own.
const PerSecond = 200

// Patience is how long a request waits for its answer before it has failed.
const Patience = 5 * time.Second

// Load is a steady stream of requests for /index, which does not wait for answers.
type Load struct {
	// Results are complete after Stop, in the order in which they came.
	Results []*vegeta.Result

	want      []string
	began     time.Time
	attackers []*vegeta.Attacker
	running   sync.WaitGroup
	mutex     sync.Mutex
}

// Start begins to send so many requests a second in each way. Each answer must be one of want.
func Start(url string, perSecond int, want []string, options ...func(*vegeta.Attacker)) *Load {
	l := &Load{want: want, began: time.Now()}
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url + "/index"})
	for _, kept := range []bool{true, false} {
		attacker := vegeta.NewAttacker(append([]func(*vegeta.Attacker){vegeta.KeepAlive(kept), vegeta.Timeout(Patience)}, options...)...)
		l.attackers = append(l.attackers, attacker)
		l.running.Go(func() {
			for result := range attacker.Attack(target, vegeta.ConstantPacer{Freq: perSecond, Per: time.Second}, 0, fmt.Sprintf("kept: %t", kept)) {
				l.mutex.Lock()
				l.Results = append(l.Results, result)
				l.mutex.Unlock()
			}
		})
	}
	return l
}

// Stop waits for the answers that are still to come.
func (l *Load) Stop() {
	for _, attacker := range l.attackers {
		attacker.Stop()
	}
	l.running.Wait()
}

// Failures are the requests that were not answered as they should, in the order in which they were sent.
func (l *Load) Failures() []*vegeta.Result {
	failed := slices.DeleteFunc(slices.Clone(l.Results), func(r *vegeta.Result) bool {
		return r.Error == "" && r.Code == http.StatusOK && slices.Contains(l.want, string(r.Body))
	})
	slices.SortFunc(failed, func(a, b *vegeta.Result) int { return a.Timestamp.Compare(b.Timestamp) })
	return failed
}

// Sent counts the requests of a time.
func (l *Load) Sent(from, to time.Time) int {
	n := 0
	for _, r := range l.Results {
		if !r.Timestamp.Before(from) && r.Timestamp.Before(to) {
			n++
		}
	}
	return n
}

func (l *Load) String() string {
	failed := l.Failures()
	text := fmt.Sprintf("%d of %d requests failed", len(failed), len(l.Results))
	for i, r := range failed {
		if i < 3 || i >= len(failed)-3 {
			text += fmt.Sprintf("; %s, sent after %s: status %d %q after %s: %s", r.Attack, r.Timestamp.Sub(l.began).Round(time.Millisecond), r.Code, r.Body, r.Latency.Round(time.Millisecond), r.Error)
		}
	}
	return text
}
