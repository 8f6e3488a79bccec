package main

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// handler answers every request of the service.
type handler struct {
	log    *slog.Logger
	routes http.Handler
	// Headers of all answers.
	pod, version string
	// draining makes /readyz fail and every answer the last of its connection.
	draining atomic.Bool
	// crowded makes every answer the last of its connection, because others wait for room.
	crowded func() bool
}

func newHandler(version, pod string, log *slog.Logger) *handler {
	h := &handler{
		log:     log,
		pod:     pod,
		version: version,
		crowded: func() bool { return false },
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", page(version, pod))
	routes.HandleFunc("GET /whoami", whoami(version, pod))
	routes.HandleFunc("GET /index", text("application/json", index(version)))
	ok := text("text/plain; charset=utf-8", "ok\n")
	routes.HandleFunc("GET /livez", ok)
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		ok(w, r)
	})
	h.routes = routes
	return h
}

// index returns what /index says, as the tutorial prints it: no newline at the
// end. Major version 1 (v1, v1.2.3, 1.0-rc1) says less; every other version,
// also one that is no number, is newer.
func index(version string) string {
	major := strings.TrimPrefix(version, "v")
	if end := strings.IndexAny(major, ".-+"); end >= 0 {
		major = major[:end]
	}
	if major == "1" {
		return `{"timber": "so delicious"}`
	}
	return `{"timber": "so delicious", "why": "because logging shouldn't be hard"}`
}

// text answers with the same body each time.
func text(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body) // fails if the client is gone
	}
}

// ServeHTTP routes a request. Each answer has the pod and the version in its headers, to
// distinguish them while the bodies stay the tutorial's.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Pod", h.pod)
	header.Set("X-Version", h.version)
	if h.draining.Load() || h.crowded() || r.ContentLength != 0 {
		header.Set("Connection", "close")
	}
	if r.ContentLength != 0 {
		// Nothing here reads a body, and net/http would wait for its end.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // fails in tests without a connection
	}

	// Not one line per request by default: at thousands of requests a second the
	// log would cost more than the answers.
	if h.log.Enabled(r.Context(), slog.LevelDebug) {
		recorder, start := &statusRecorder{w, http.StatusOK}, time.Now()
		defer func() {
			h.log.Debug("request", slog.Group("httpRequest",
				"requestMethod", r.Method, "requestUrl", r.RequestURI, "status", recorder.status,
				"remoteIp", r.RemoteAddr, "userAgent", r.UserAgent(), "latency", time.Since(start).String()))
		}()
		w = recorder
	}
	h.routes.ServeHTTP(w, r)
}

// statusRecorder remembers the status for the log.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
