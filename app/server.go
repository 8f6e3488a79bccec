package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

const (
	// A request's header is one or two packets. Two seconds allow for a lost one on a bad
	// line, and cut off a client that sends its header slowly (slowloris).
	readTimeout = 2 * time.Second
	// The largest answer, the page, is a few kilobytes.
	writeTimeout = 5 * time.Second
	// Longer than a reader's pause between two clicks. A load balancer with connections of
	// its own must be the one that closes them: Google's does after 600 s, and the program
	// sets IDLE_SECONDS.
	idleTimeout = 60 * time.Second
	// Go allows 4 KiB more. The service reads no header, and the memory of one that is
	// twice as long is twice as much.
	maxHeaderBytes = 1
	// defaultMemoryLimit applies unless GOMEMLIMIT is set. It is five eighths of 256 MiB,
	// the pod's memory. The rest is for the kernel, which needs some for each connection.
	defaultMemoryLimit = 160 << 20

	// lingerTimeout is how long clients with an open connection have, once the
	// server drains, to get an answer that is the connection's last. Not less than
	// readTimeout: Shutdown closes connections without a whole header.
	lingerTimeout = 5 * time.Second
	// quietTime without any connection ends the lingering early. None at one moment
	// proves nothing, because the kernel may hold some that are not yet accepted.
	quietTime = time.Second
	// shutdownTimeout is how long the requests then in flight have. Both together
	// outlast the longest request (readTimeout + writeTimeout). The
	// Deployment's terminationGracePeriodSeconds must be longer than its preStop
	// sleep and these two.
	shutdownTimeout = 10 * time.Second
)

// server is the HTTP server with what it needs to drain.
type server struct {
	http    *http.Server
	handler *handler
	open    chan struct{} // one element for each open connection
}

// memoryLimit returns the runtime's memory limit, and sets it if the environment does not.
func memoryLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		limit = defaultMemoryLimit
		debug.SetMemoryLimit(limit)
	}
	return limit
}

const (
	// processMemory is what Go needs without a connection.
	processMemory = 24 << 20
	// connectionMemory is what a connection takes whose header has 4 KiB in the smallest
	// possible lines (TestMemory).
	connectionMemory = 104 << 10
)

// connectionsWithin returns how many connections a process may have open whose Go
// memory is limited to so many bytes.
func connectionsWithin(goMemory int64) int {
	return int(max(10, (goMemory-processMemory)/connectionMemory))
}

func newServer(version, pod string, log *slog.Logger) *server {
	s := &server{
		handler: newHandler(version, pod, log),
		open:    make(chan struct{}, connectionsWithin(memoryLimit())),
	}
	s.handler.crowded = func() bool { return len(s.open) > cap(s.open)/2 }
	s.http = &http.Server{
		Handler:                      s.handler,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is refused like other methods
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				<-s.open
			}
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s
}

// serve answers clients until the listener is closed.
func (s *server) serve(listener net.Listener) error {
	return s.http.Serve(limitedListener{listener, s.open})
}

// drain stops the server without losing a request. New connections should not
// come any more, because the Deployment's preStop sleep outlasts the pod's removal
// from the Service. Clients with an open connection keep using it, and closing it
// as Shutdown does would lose a request that is on its way. So the next answer on
// each is first made its last. An error means that requests were cut off.
func (s *server) drain(signal string) error {
	s.handler.draining.Store(true)
	s.handler.log.Info("draining", "signal", signal)
	begin := time.Now()
	for busy := begin; time.Since(begin) < lingerTimeout && time.Since(busy) < quietTime; time.Sleep(10 * time.Millisecond) {
		if len(s.open) > 0 {
			busy = time.Now()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("cut off %d connections still busy %s after the signal: %w", len(s.open), lingerTimeout+shutdownTimeout, err)
	}
	return nil
}
