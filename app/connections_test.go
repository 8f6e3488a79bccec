package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd runs a test with a server that has room for two connections.
func crowd(t *testing.T, test func(t *testing.T, listener pipes)) {
	t.Helper()
	inMemory(t, func(t *testing.T, s *server, listener pipes) {
		s.connections.limits.open = 2
		test(t, listener)
	})
}

// closed reports whether the server has closed a connection without an answer.
func closed(t *testing.T, conn net.Conn) bool {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer conn.SetReadDeadline(time.Time{})
	_, err := conn.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

func TestNewClientDisplacesOneWithoutARequest(t *testing.T) {
	for _, test := range []struct{ name, stays, goes string }{
		{"partial header before silent", "", get[:20]},
		{"partial header before idle", get, get[:20]},
		{"silent before idle", get, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			crowd(t, func(t *testing.T, listener pipes) {
				clients := map[string]net.Conn{}
				for _, begin := range []string{test.stays, test.goes} {
					conn := listener.dial()
					if begin == get {
						send(t, conn, get)
					} else {
						io.WriteString(conn, begin)
					}
					clients[begin] = conn
				}
				start := time.Now()
				if status, _ := send(t, listener.dial(), get); status != 200 {
					t.Errorf("the new client gets %d", status)
				}
				if took := time.Since(start).Round(100 * time.Millisecond); took != patience {
					t.Errorf("it waited %s, want %s", took, patience)
				}
				if !closed(t, clients[test.goes]) || closed(t, clients[test.stays]) {
					t.Error("the wrong connection was closed")
				}
			})
		})
	}
}

func TestClientThatWorksStays(t *testing.T) {
	crowd(t, func(t *testing.T, listener pipes) {
		working := listener.dial()
		listener.dial()
		served := make(chan struct{})
		go func() {
			defer close(served)
			send(t, listener.dial(), get)
		}()
		synctest.Wait()
		for waiting := true; waiting; {
			status, closes := send(t, working, get)
			if status != 200 {
				t.Fatalf("answered %d", status)
			}
			if closes { // an answer may end its connection
				working = listener.dial()
			}
			time.Sleep(100 * time.Millisecond)
			select {
			case <-served:
				waiting = false
			default:
			}
		}
	})
}

func TestAnswersMakeRoomWhereAllClientsWork(t *testing.T) {
	crowd(t, func(t *testing.T, listener pipes) {
		var clients sync.WaitGroup
		for range 10 {
			clients.Go(func() {
				conn := listener.dial()
				for range 50 {
					status, closes := send(t, conn, get)
					if status != 200 {
						t.Errorf("answered %d", status)
					}
					if closes {
						conn = listener.dial()
					}
					time.Sleep(10 * time.Millisecond)
				}
				conn.Close()
			})
		}
		start := time.Now()
		clients.Wait()
		if took := time.Since(start); took > time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

func TestManyPartialHeadersDisplaceTheOldest(t *testing.T) {
	inMemory(t, func(t *testing.T, s *server, listener pipes) {
		s.connections.limits.partial = 3
		var slow []net.Conn
		for range 4 {
			slow = append(slow, listener.dial())
			io.WriteString(slow[len(slow)-1], get[:20])
			synctest.Wait()
		}
		for i, conn := range slow {
			if closed(t, conn) != (i == 0) {
				t.Errorf("client %d: closed %t", i, i != 0)
			}
		}
		if status, _ := send(t, slow[3], get[20:]); status != 200 {
			t.Errorf("the newest one gets %d", status)
		}
	})
}

// Clients that fill all of net/http's slots, because they read no answers, delay
// others by no more than patience.
func TestClientsThatReadNoAnswers(t *testing.T) {
	inMemory(t, func(t *testing.T, s *server, listener pipes) {
		for range cap(s.connections.slots) {
			io.WriteString(listener.dial(), get)
		}
		start := time.Now()
		if status, _ := send(t, listener.dial(), get); status != 200 {
			t.Errorf("answered %d", status)
		}
		if took := time.Since(start); took > 2*patience {
			t.Errorf("waited %s", took)
		}
	})
}

func TestRequestsInOnePiecesOrMany(t *testing.T) {
	long := "GET /index HTTP/1.1\r\nHost: timber\r\nCookie: " + strings.Repeat("a", 5000) + "\r\n\r\n"
	for name, pieces := range map[string][]string{
		"together":                 {get + get + get},
		"byte by byte":             strings.Split(get+get+get, ""),
		"cut inside the second":    {get + get[:30], get[30:] + get},
		"long headers together":    {long + long + long},
		"long headers in pieces":   {long[:700], long[700:] + long[:3000], long[3000:], long},
		"lines without \\r":        {strings.ReplaceAll(get+get+get, "\r", "")},
		"both kinds of line ends":  {"GET /index HTTP/1.1\nHost: timber\n\r\n" + get + "GET /index HTTP/1.1\r\nHost: timber\r\n\n"},
		"a blank line in between":  {"GET /index HTTP/1.1\r\nHost: timber\r\n\n" + get, get},
		"one after another answer": {get, get, get},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *server, listener pipes) {
				conn := listener.dial()
				var sent sync.WaitGroup
				defer sent.Wait()
				sent.Go(func() {
					for _, piece := range pieces {
						io.WriteString(conn, piece)
						time.Sleep(10 * time.Millisecond)
					}
				})
				answers := bufio.NewReader(conn)
				for i := range 3 {
					response, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatalf("answer %d: %v", i, err)
					}
					body, err := io.ReadAll(response.Body)
					if err != nil || response.StatusCode != 200 || string(body) != v1 || response.Close {
						t.Errorf("answer %d: %s %q, %v, closes: %t", i, response.Status, body, err, response.Close)
					}
				}
			})
		})
	}
}

func TestLimitsFollowMemory(t *testing.T) {
	for mebibytes, least := range map[int64]limits{
		1:   {open: 100, partial: 20, serving: 10},
		10:  {open: 600, partial: 50, serving: 10},
		40:  {open: 5500, partial: 300, serving: 50},
		320: {open: 50_000, partial: 2000, serving: 400},
	} {
		got := limitsWithin(mebibytes << 20)
		if got.open < least.open || got.partial < least.partial || got.serving < least.serving || got.open > 3*least.open/2 {
			t.Errorf("%d MiB: %+v, want at least %+v", mebibytes, got, least)
		}
	}
}

// peak returns the most memory that a process had at one time, in MiB.
func (p *process) peak(t *testing.T) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kibibytes float64
	if _, err := fmt.Sscan(after, &kibibytes); err != nil {
		t.Fatal(err)
	}
	return kibibytes / 1024
}

// keep asks over one connection, which the server must keep: once, and then
// again when all clients have a connection.
func (p *process) keep(requests int, opened *sync.WaitGroup) error {
	first := sync.OnceFunc(opened.Done)
	defer first()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, 512)
	for i := range requests {
		if _, err := io.WriteString(conn, get); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		if response.StatusCode != 200 || string(body) != v1 || response.Close {
			return fmt.Errorf("request %d: %s %q, closes: %t", i, response.Status, body, response.Close)
		}
		first()
		opened.Wait()
	}
	return nil
}

func TestThousandsOfClients(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("measures memory on Linux only")
	}
	const clients, requests = 5000, 4
	p := start(t, build(t, "v1"))
	var opened, running sync.WaitGroup
	opened.Add(clients)
	failed := make(chan error, clients)
	for range clients {
		running.Go(func() {
			if err := p.keep(requests, &opened); err != nil {
				failed <- err
			}
		})
	}
	running.Wait()
	close(failed)
	if n := len(failed); n > 0 {
		t.Errorf("%d of %d clients failed, the first: %v", n, clients, <-failed)
	}
	// The pod has 64 MiB. The kernel needs some for each connection, too.
	if peak := p.peak(t); peak > 48 {
		t.Errorf("needed %.0f MiB", peak)
	}
}
