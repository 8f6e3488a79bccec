package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections live in memory, where a test can let
// the server's own timeouts pass in no time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.IPAddr{} }

func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p <- server
	return client
}

// fewer is by how much servers in memory have fewer connections.
const fewer = 44

// inMemory runs a test with a server in a time of its own.
func inMemory(t *testing.T, test func(t *testing.T, s *server, listener pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, listener := newServer("v1", "pod", slog.New(slog.DiscardHandler)), make(pipes)
		s.open = make(chan struct{}, cap(s.open)/fewer)
		served := make(chan error)
		go func() { served <- s.serve(listener) }()
		test(t, s, listener)
		s.http.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// send writes to a connection and returns the answer's status, or 0 if there is
// none, and whether the server closes the connection after it.
func send(t *testing.T, conn net.Conn, request string) (status int, closes bool) {
	t.Helper()
	go io.WriteString(conn, request) // the server may answer, or close, before it is read
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, true
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Error(err)
	}
	return response.StatusCode, response.Close
}

const get = "GET /index HTTP/1.1\r\nHost: timber\r\n\r\n"

func TestSlowClientsAreCutOff(t *testing.T) {
	slowloris := func(_ float64, conn net.Conn) {
		go func() {
			_, err := io.WriteString(conn, "GET /index HTTP/1.1\r\nHost: timber\r\n")
			for ; err == nil; _, err = io.WriteString(conn, "X-A: b\r\n") {
				time.Sleep(time.Second)
			}
		}()
		_, _ = io.Copy(io.Discard, conn)
	}
	for _, test := range []struct {
		name     string
		stranger func(float64, net.Conn)
		after    time.Duration
	}{
		{"silent", begins(), readTimeout},
		{"half a header", begins("GET /index HT"), readTimeout},
		{"slowloris", slowloris, readTimeout},
		{"idle after an answer", begins(get), idleTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *server, listener pipes) {
				conn, start := listener.dial(), time.Now()
				test.stranger(0, conn)
				if got := time.Since(start); got != test.after {
					t.Errorf("cut off after %s, want %s", got, test.after)
				}
				time.Sleep(2 * time.Second) // until all have noticed
				if open := len(s.open); open != 0 {
					t.Errorf("%d connections counted as open", open)
				}
			})
		})
	}
}

func TestHostileRequests(t *testing.T) {
	for _, test := range []struct {
		name, request string
		want          int // 0: the connection is closed without an answer
	}{
		{"a long header line", "GET /index HTTP/1.1\r\nHost: timber\r\nX-A: " + strings.Repeat("a", 5<<10) + "\r\n\r\n", 431},
		{"many small lines", "GET /index HTTP/1.1\r\nHost: timber\r\n" + strings.Repeat("a:b\r\n", 5<<10/5) + "\r\n", 431},
		{"long path", "GET /" + strings.Repeat("a", 5<<10) + " HTTP/1.1\r\nHost: timber\r\n\r\n", 431},
		{"no host", "GET /index HTTP/1.1\r\n\r\n", 400},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: timber\r\n\r\n", 400},
		{"two lengths", "GET /index HTTP/1.1\r\nHost: timber\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"body that never comes", "POST /index HTTP/1.1\r\nHost: timber\r\nContent-Length: 100\r\n\r\n", 405},
		{"endless body", "POST /index HTTP/1.1\r\nHost: timber\r\nTransfer-Encoding: chunked\r\n\r\n", 405},
	} {
		t.Run(test.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *server, listener pipes) {
				start := time.Now()
				status, closes := send(t, listener.dial(), test.request)
				if status != test.want || !closes {
					t.Errorf("%d, closes the connection: %t; want %d, true", status, closes, test.want)
				}
				// After some refusals net/http lingers that long, for the client to read them.
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("took %s", took)
				}
				if status, _ := send(t, listener.dial(), get); status != 200 {
					t.Errorf("the next client gets %d", status)
				}
			})
		})
	}
}

func TestConnectionsFollowMemory(t *testing.T) {
	for mebibytes, want := range map[int64]int{1: 10, 40: 157, 160: 1339, 2560: 24969} {
		if got := connectionsWithin(mebibytes << 20); got != want {
			t.Errorf("%d MiB for Go: %d connections, want %d", mebibytes, got, want)
		}
	}
}

// A connection takes no more memory than counted, whatever its header has.
func TestMemory(t *testing.T) {
	used := func() uint64 {
		time.Sleep(100 * time.Millisecond) // until all is parsed, or closed
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		return memory.HeapAlloc + memory.StackInuse
	}
	const connections = 200
	for name, header := range map[string]string{"one name": strings.Repeat("a:b\r\n", 4000/5), "many names": smallestLines} {
		s, listener := newServer("v1", "pod", slog.New(slog.DiscardHandler)), make(pipes)
		go s.serve(listener)
		before := used()
		for range connections {
			if _, err := io.WriteString(listener.dial(), "GET /index HTTP/1.1\r\nHost: timber\r\n"+header); err != nil {
				t.Fatal(err)
			}
		}
		if each := int64(used()-before) / connections; each > connectionMemory {
			t.Errorf("%s: a connection takes %d bytes, counted are %d", name, each, connectionMemory)
		}
		s.http.Close()
	}
}

// Where more than half of the connections are open, each ends with an answer.
func TestCrowd(t *testing.T) {
	inMemory(t, func(t *testing.T, s *server, listener pipes) {
		kept := 0
		for range cap(s.open) {
			if _, closes := send(t, listener.dial(), get); !closes {
				kept++
			}
		}
		if kept != cap(s.open)/2 {
			t.Errorf("%d of %d connections are kept", kept, cap(s.open))
		}
	})
}

// A request whose header is on its way is answered, and so is the next one of a client that
// comes back soon. Both answers end their connections.
func TestDrain(t *testing.T) {
	for _, test := range []struct {
		name   string
		before string        // sent before the server drains, and answered if it is a whole request
		begun  string        // sent then, too
		after  time.Duration // then rest is sent, and answered
		rest   string
		takes  time.Duration
	}{
		{name: "without clients", takes: quietTime},
		{name: "client in the middle of a header", begun: get[:20], after: time.Second, rest: get[20:], takes: time.Second + quietTime},
		{name: "client in the middle of its second header", before: get, begun: get[:20], after: time.Second, rest: get[20:], takes: time.Second + quietTime},
		{name: "client that comes back", before: get, after: 2 * time.Second, rest: get, takes: 2*time.Second + quietTime},
		{name: "client that stays idle", before: get, takes: lingerTimeout},
		{name: "client that reads no answer", begun: get, takes: writeTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *server, listener pipes) {
				var conn net.Conn
				if test.before+test.begun != "" {
					conn = listener.dial()
				}
				if test.before != "" {
					if status, closes := send(t, conn, test.before); status != 200 || closes {
						t.Errorf("before: %d, closes: %t", status, closes)
					}
				}
				if test.begun != "" {
					io.WriteString(conn, test.begun)
				}
				synctest.Wait()
				drained, start := make(chan error, 1), time.Now()
				go func() { drained <- s.drain("terminated") }()
				if test.rest != "" {
					time.Sleep(test.after)
					if status, closes := send(t, conn, test.rest); status != 200 || !closes {
						t.Errorf("%d, closes: %t", status, closes)
					}
				}
				if err := <-drained; err != nil {
					t.Error(err)
				}
				// Shutdown looks twice a second.
				if took := time.Since(start).Truncate(time.Second); took != test.takes {
					t.Errorf("took %s, want %s", took, test.takes)
				}
			})
		})
	}
}

func TestDrainReportsRequestsCutOff(t *testing.T) {
	inMemory(t, func(t *testing.T, s *server, listener pipes) {
		stuck := make(chan struct{})
		s.handler.routes = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck })
		io.WriteString(listener.dial(), get)
		start := time.Now()
		err := s.drain("terminated")
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(err), "1 connections still busy 15s after") {
			t.Error(err)
		}
		if took := time.Since(start).Round(time.Second); took != lingerTimeout+shutdownTimeout {
			t.Errorf("took %s", took)
		}
		close(stuck)
	})
}
