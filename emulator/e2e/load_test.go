package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// perSecond is how many requests the load sends each second in each of its two
// ways: over connections that are kept, and each over one of its own.
const perSecond = 100

// underLoad does something while a steady stream of requests, which does not wait
// for answers, asks for /index. Each must be answered with one of want.
func underLoad(t *testing.T, url string, want []string, do func()) {
	t.Helper()
	var requests sync.WaitGroup
	var mutex sync.Mutex
	var sent int
	var failures []string
	quit := make(chan struct{})
	for _, transport := range []*http.Transport{{MaxIdleConnsPerHost: perSecond}, {DisableKeepAlives: true}} {
		client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
		request := func() {
			started := time.Now()
			_, body, err := get(client, url)
			mutex.Lock()
			defer mutex.Unlock()
			if sent++; err != nil || !slices.Contains(want, body) {
				failures = append(failures, fmt.Sprintf("%q, %v after %s", body, err, time.Since(started)))
			}
		}
		requests.Go(func() {
			defer transport.CloseIdleConnections()
			ticks := time.NewTicker(time.Second / perSecond)
			defer ticks.Stop()
			for {
				select {
				case <-quit:
					return
				case <-ticks.C:
					requests.Go(request)
				}
			}
		})
	}
	defer func() { // also when do fails
		close(quit)
		requests.Wait()
		fmt.Printf("    %d requests, %d failed\n", sent, len(failures))
		if sent == 0 || len(failures) > 0 {
			t.Errorf("%d of %d requests failed, the first: %s", len(failures), sent, strings.Join(failures[:min(5, len(failures))], "; "))
		}
	}()
	do()
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
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}

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
