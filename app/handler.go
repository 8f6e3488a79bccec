package main

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// handler answers every request of the service.
type handler struct {
	version, pod string
	log          *slog.Logger
	routes       http.Handler
	// draining makes /readyz fail and every answer the last of its connection.
	draining atomic.Bool
}

func newHandler(version, pod string, log *slog.Logger) *handler {
	h := &handler{version: version, pod: pod, log: log}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", page(version, pod))
	routes.HandleFunc("GET /whoami", whoami(version, pod))
	routes.HandleFunc("GET /index", text("application/json", index(version)))
	routes.HandleFunc("GET /livez", text("text/plain; charset=utf-8", "ok\n"))
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if h.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n") // see text
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
		// An error here is a client that went away: nothing to mend or to tell.
		_, _ = io.WriteString(w, body)
	}
}

// ServeHTTP routes a request. Each answer names the pod, the version and the
// request's id in its headers, so that they can be told apart while the bodies
// stay the tutorial's.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := rand.Text()
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Pod", h.pod)
	header.Set("X-Version", h.version)
	header.Set("X-Request-Id", id)
	// Nothing here reads a body: close instead of waiting for the end of one.
	if h.draining.Load() || r.ContentLength != 0 {
		header.Set("Connection", "close")
	}
	defer func() {
		if reason := recover(); reason != nil {
			h.log.Error("panic", "reason", reason, "requestId", id, "method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
			http.Error(w, "internal error, request "+id, http.StatusInternalServerError)
		}
	}()

	// Not one line per request by default: at thousands of requests a second the
	// log would cost more than the answers.
	if h.log.Enabled(r.Context(), slog.LevelDebug) {
		recorder, start := &statusRecorder{w, http.StatusOK}, time.Now()
		defer func() {
			h.log.Debug("request", "requestId", id, slog.Group("httpRequest",
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
