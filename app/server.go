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
	// A request's header is one or two packets. Five seconds allow for two lost ones
	// on a bad line, and cut off a client that sends its header slowly (slowloris).
	readHeaderTimeout = 5 * time.Second
	// Nothing here reads a body. This ends one that does not end by itself.
	readBodyTimeout = 500 * time.Millisecond
	// The largest answer, the page, is a few kilobytes.
	writeTimeout = 10 * time.Second
	// Longer than a reader's pause between two clicks. The load balancer passes
	// connections through. Behind Google's HTTP load balancer, which keeps its own
	// open for 600 s, this would have to be longer than those.
	idleTimeout = 60 * time.Second
	// Go allows 4 KiB more: 8 KiB in all, as nginx and Apache do for a line.
	maxHeaderBytes = 4 << 10
	headerLimit    = maxHeaderBytes + 4<<10
	// Unless GOMEMLIMIT is set. The rest of the tutorial's 64 MiB is for the kernel,
	// which needs a few KiB for each connection too.
	defaultMemoryLimit = 40 << 20

	// lingerTimeout is how long clients with an open connection have, once the
	// server drains, to get an answer that is the connection's last. Not less than
	// readHeaderTimeout: Shutdown closes connections without a whole header.
	lingerTimeout = 5 * time.Second
	// quietTime without any connection ends the lingering early. None at one moment
	// proves nothing, because the kernel may hold some that are not yet accepted.
	quietTime = time.Second
	// shutdownTimeout is how long the requests then in flight have. Both together
	// outlast the longest request (readHeaderTimeout + writeTimeout). The
	// Deployment's terminationGracePeriodSeconds must be longer than its preStop
	// sleep and these two.
	shutdownTimeout = 10 * time.Second
)

// server is the HTTP server with what it needs to drain.
type server struct {
	http        *http.Server
	handler     *handler
	connections *connections
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

func newServer(version, pod string, log *slog.Logger) *server {
	h := newHandler(version, pod, log)
	c := newConnections(limitsWithin(memoryLimit()), log)
	h.crowded = &c.crowded
	return &server{
		handler:     h,
		connections: c,
		http: &http.Server{
			Handler:                      h,
			DisableGeneralOptionsHandler: true,            // "OPTIONS *" is refused like other methods
			ReadTimeout:                  readBodyTimeout, // connections has the others
			WriteTimeout:                 writeTimeout,
			MaxHeaderBytes:               maxHeaderBytes,
			ConnState:                    c.track,
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
}

// serve answers clients until the listener is closed.
func (s *server) serve(listener net.Listener) error {
	s.connections.listen(listener)
	return s.http.Serve(s.connections)
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
		if s.connections.open.Load() > 0 {
			busy = time.Now()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("cut off %d connections still busy %s after the signal: %w", s.connections.open.Load(), lingerTimeout+shutdownTimeout, err)
	}
	return nil
}
