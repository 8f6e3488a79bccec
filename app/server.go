package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

const (
	// A request's header is one or two packets; five seconds allow for two lost
	// ones on a bad line and cut off a client that dribbles (slowloris).
	readHeaderTimeout = 5 * time.Second
	// Nothing here reads a body; this only ends one that does not end by itself.
	readTimeout = 10 * time.Second
	// The largest answer, the page, is a few kilobytes.
	writeTimeout = 10 * time.Second
	// Longer than a reader's pause between two clicks. The load balancer passes
	// connections through; behind Google's HTTP load balancer, which keeps its own
	// open for 600 s, this would have to be longer than those.
	idleTimeout = 60 * time.Second
	// Go allows 4 KiB more: 8 KiB in all, as nginx and Apache do for a line.
	maxHeaderBytes = 4 << 10
	// An idle connection takes about 20 KiB, but one that sends 8 KiB of the
	// smallest header lines makes net/http allocate over 100 KiB: so many of those
	// fit into a container of 64 MiB.
	maxConnections = 400

	// lingerTimeout is how long clients with an open connection have, once the
	// server drains, to be told by an answer that it is the connection's last. Not
	// less than readHeaderTimeout: Shutdown takes a connection for idle, and closes
	// it, until the whole header of a request is there.
	lingerTimeout = 5 * time.Second
	// quietTime without any connection ends the lingering early. Zero of them at
	// one moment would prove nothing: the kernel may hold some not yet accepted.
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

func newServer(version, pod string, log *slog.Logger) *server {
	h := newHandler(version, pod, log)
	c := newConnections(maxConnections, log)
	return &server{
		handler:     h,
		connections: c,
		http: &http.Server{
			Handler:                      h,
			DisableGeneralOptionsHandler: true, // "OPTIONS *" is refused like other methods
			ReadHeaderTimeout:            readHeaderTimeout,
			ReadTimeout:                  readTimeout,
			WriteTimeout:                 writeTimeout,
			IdleTimeout:                  idleTimeout,
			MaxHeaderBytes:               maxHeaderBytes,
			ConnState:                    c.track,
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
}

// drain stops the server without losing a request. New connections should not
// come any more (the Deployment's preStop sleep outlasts the pod's removal from
// the Service), but clients with an open one keep using it. To close it under
// them, as Shutdown does with idle ones, loses the request that is on its way;
// so each is first told with its next answer, and it closes. An error means that
// requests were cut off.
func (s *server) drain(signal string) error {
	s.handler.draining.Store(true)
	s.handler.log.Info("draining", "signal", signal)
	begin := time.Now()
	for busy := begin; time.Since(begin) < lingerTimeout && time.Since(busy) < quietTime; time.Sleep(10 * time.Millisecond) {
		if s.connections.count() > 0 {
			busy = time.Now()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("cut off %d connections still busy %s after the signal: %w", s.connections.count(), lingerTimeout+shutdownTimeout, err)
	}
	return nil
}
