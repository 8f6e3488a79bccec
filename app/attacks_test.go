package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attacks are what strangers do to stop the service. Each is called with a connection,
// and again with another one as long as the attack lasts.
var attacks = []struct {
	name      string
	clients   int // who keep asking meanwhile, and are answered
	strangers int
	pause     time.Duration // before a stranger's next connection
	stranger  func(share float64, conn net.Conn)
}{
	{"more clients than connections", 5000, 0, 0, nil},
	{"half a header", 500, 6000, 100 * time.Millisecond, begins("GET /index HTTP/1.1\r\nHost: timber\r\n")},
	{"half a header of the smallest lines", 100, 6000, 100 * time.Millisecond, begins("GET /index HTTP/1.1\r\nHost: timber\r\n" + smallestLines)},
	{"one request and no other", 100, 6000, 100 * time.Millisecond, begins(get)},
	{"one request and no other, then half a header", 100, 6000, 100 * time.Millisecond, func(share float64, conn net.Conn) {
		if share < 0.3 {
			begins(get)(share, conn)
		} else {
			begins(get[:20])(share, conn)
		}
	}},
	{"requests, and no answer read", 100, 3000, 100 * time.Millisecond, func(_ float64, conn net.Conn) {
		for {
			if _, err := io.WriteString(conn, strings.Repeat(get, 100)); err != nil {
				return
			}
		}
	}},
	{"headers of a request with a body, next to many clients", 5000, 100, 100 * time.Millisecond, begins(post + "Content-Length: 10\r\n\r\n")},
	{"headers of a request with a body", 10, 3000, 100 * time.Millisecond, begins(post + "Content-Length: 10\r\n\r\n")},
	{"headers of a request with a body that is announced", 10, 3000, 100 * time.Millisecond, begins(post + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")},
	{"half a line before a chunk", 10, 60, 100 * time.Millisecond, begins(post+"Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1", 4095))},
	{"bodies of one byte", 10, 100, 100 * time.Millisecond, begins(post + "Content-Length: 1\r\n\r\n1")},
}

// smallestLines are nearly 4 KiB of header lines, each with another name.
var smallestLines = func() (lines string) {
	for i := range 800 {
		lines += string([]byte{"abcdefghijklmnopqrstuvwxyz01234567"[i/26], 'a' + byte(i%26), ':', '\r', '\n'})
	}
	return lines
}()

const post = "POST /index HTTP/1.1\r\nHost: timber\r\n"

// begins returns a stranger who sends these texts and waits until the service ends the connection.
func begins(texts ...string) func(float64, net.Conn) {
	return func(_ float64, conn net.Conn) {
		var sent sync.WaitGroup
		sent.Go(func() { // the service may answer before it has read all
			for _, text := range texts {
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
			}
		})
		_, _ = io.Copy(io.Discard, conn)
		sent.Wait()
	}
}

// The readiness probe of stacks/workload/pod.go. The other one waits as long, and is more patient.
const (
	probePeriod  = 2 * time.Second
	probeTimeout = 10 * time.Second
)

// siege is an attack on a service.
type siege struct {
	dial func(timeout time.Duration) (net.Conn, error)
	end  time.Time
	// attempts is how often in a row a probe, or a new connection, has to fail to count.
	attempts int

	running  sync.WaitGroup
	answers  atomic.Int64
	mu       sync.Mutex
	failures []error
}

func (s *siege) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, err)
}

func (s *siege) stranger(share float64, pause time.Duration, does func(float64, net.Conn)) {
	for time.Now().Before(s.end) {
		if conn, err := s.dial(time.Until(s.end)); err == nil {
			_ = conn.SetDeadline(s.end)
			does(share, conn)
			conn.Close()
		}
		time.Sleep(pause)
	}
}

// client keeps its connection as long as the service does, and asks twice a second. No
// request fails, except the first of a connection, and fewer times in a row than attempts: a
// machine that is busy with the attack may wake the client after the service has given it up.
func (s *siege) client() {
	const patience = time.Minute
	var conn net.Conn
	var answers *bufio.Reader
	opened := 0 // connections since the last answer
	for ; time.Now().Before(s.end); time.Sleep(500 * time.Millisecond) {
		var err error
		if conn == nil {
			if conn, err = s.dial(patience); err != nil {
				s.failed(err)
				continue
			}
			answers = bufio.NewReaderSize(conn, 512)
			opened++
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		closes, err := ask(conn, answers, "/index", v1)
		switch {
		case err == nil:
			s.answers.Add(1)
			opened = 0
		case opened == 0 || opened >= s.attempts || errors.Is(err, os.ErrDeadlineExceeded):
			s.failed(err)
		}
		if closes {
			conn.Close()
			conn = nil
		}
	}
	if conn != nil {
		conn.Close()
	}
}

// ask sends a request and reads its answer.
func ask(conn net.Conn, answers *bufio.Reader, path, want string) (closes bool, err error) {
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: timber\r\n\r\n"); err != nil {
		return true, err
	}
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		return true, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return true, err
	}
	if response.StatusCode != 200 || string(body) != want {
		return true, fmt.Errorf("%s %q", response.Status, body)
	}
	return response.Close, nil
}

// probe asks as the kubelet does, over a connection for each request.
func (s *siege) probe(path string) {
	client := http.Client{Timeout: probeTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return s.dial(probeTimeout) },
	}}
	for inRow := 0; time.Now().Before(s.end); time.Sleep(probePeriod) {
		response, err := client.Get("http://timber" + path)
		if err == nil {
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = errors.New(response.Status)
			}
		}
		if err == nil {
			inRow = 0
		} else if inRow++; inRow >= s.attempts {
			s.failed(err)
		}
	}
}

// lay lays siege to a service: no client loses a request, and no probe fails. Size divides
// the numbers of clients and strangers.
func lay(t *testing.T, attack, size, attempts int, long time.Duration, dial func(time.Duration) (net.Conn, error)) {
	t.Helper()
	a := attacks[attack]
	s := &siege{dial: dial, end: time.Now().Add(long), attempts: attempts}
	for number := range a.strangers / size {
		share := float64(number*size) / float64(a.strangers)
		s.running.Go(func() {
			time.Sleep(time.Duration(share * float64(2*time.Second)))
			s.stranger(share, a.pause, a.stranger)
		})
	}
	for range max(1, a.clients/size) {
		s.running.Go(s.client)
	}
	time.Sleep(long / 10) // until the strangers are there
	s.running.Go(func() { s.probe("/readyz") })
	s.running.Wait()
	if n := len(s.failures); n > 0 {
		t.Errorf("%d failures, the first: %v", n, s.failures[0])
	}
	if s.answers.Load() == 0 {
		t.Error("no client was answered")
	}
	t.Logf("%d answers in %s", s.answers.Load(), long)
}

// In memory, and in a time of its own, fewer strangers attack the service, which has
// fewer connections. Nothing of an attack is left after it: a goroutine would fail the test.
func TestAttacks(t *testing.T) {
	for i, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *server, listener pipes) {
				lay(t, i, fewer, 1, 15*time.Second, listener.dialWithin)
				if err := s.drain("terminated"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func (p pipes) dialWithin(timeout time.Duration) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p <- server:
		return client, nil
	case <-time.After(timeout):
		return nil, os.ErrDeadlineExceeded
	}
}
