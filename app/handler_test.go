package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	v1 = `{"timber": "so delicious"}`
	v2 = `{"timber": "so delicious", "why": "because logging shouldn't be hard"}`
)

func TestIndexByVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1": v1, "v1.0": v1, "v1.9.2": v1, "1": v1, "1.10": v1, "v1-rc1": v1, "v1.2.3-4-gdeadbee": v1, "v1+build": v1,
		"v2": v2, "v2.1": v2, "v10": v2, "v10.1": v2, "v11": v2, "2": v2, "v0.9": v2, "dev": v2, "": v2, "v": v2, "latest": v2,
		"1a2b3c4": v2, "1234567": v2, "d3adb33f": v2, "vv1": v2, "2026.1": v2, "pr-1": v2,
	} {
		if got := index(version); got != want {
			t.Errorf("version %q says %s, want %s", version, got, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	server := httptest.NewServer(newHandler("v1.2", "timber-7", slog.New(slog.DiscardHandler)))
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	const plain = "text/plain; charset=utf-8"
	for _, test := range []struct {
		method, path string
		status       int
		contentType  string
		body         string
	}{
		{"GET", "/whoami", 200, "application/json", `{"version":"v1.2","pod":"timber-7"}`},
		{"GET", "/index", 200, "application/json", v1},
		{"GET", "/index?verbose=1", 200, "application/json", v1},
		{"GET", "/livez", 200, plain, "ok\n"},
		{"GET", "/readyz", 200, plain, "ok\n"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"HEAD", "/index", 200, "application/json", ""},
		{"HEAD", "/readyz", 200, plain, ""},
		{"GET", "/index/", 404, plain, "404 page not found\n"},
		{"GET", "/Index", 404, plain, "404 page not found\n"},
		{"GET", "/debug/pprof/", 404, plain, "404 page not found\n"},
		{"POST", "/nowhere", 404, plain, "404 page not found\n"},
		{"GET", "/page.js", 404, plain, "404 page not found\n"},
		{"POST", "/", 405, plain, "Method Not Allowed\n"},
		{"POST", "/index", 405, plain, "Method Not Allowed\n"},
		{"DELETE", "/livez", 405, plain, "Method Not Allowed\n"},
		{"OPTIONS", "/readyz", 405, plain, "Method Not Allowed\n"},
		{"TIMBER", "/index", 405, plain, "Method Not Allowed\n"},
		{"GET", "/../index", 307, "text/html; charset=utf-8", "<a href=\"/index\">Temporary Redirect</a>.\n\n"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			request, err := http.NewRequest(test.method, server.URL+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status || string(body) != test.body {
				t.Errorf("%d %q, want %d %q", response.StatusCode, body, test.status, test.body)
			}
			if allow := response.Header.Get("Allow"); (allow == "GET, HEAD") != (test.status == 405) {
				t.Errorf("Allow: %q with status %d", allow, test.status)
			}
			for name, want := range map[string]string{
				"Content-Type":           test.contentType,
				"X-Content-Type-Options": "nosniff",
				"X-Pod":                  "timber-7",
				"X-Version":              "v1.2",
			} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestDrainingIsNotReadyButAlive(t *testing.T) {
	h := newHandler("v1", "pod", slog.New(slog.DiscardHandler))
	h.draining.Store(true)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/index": 200, "/": 200, "/whoami": 200} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s answers %d, want %d", path, w.Code, want)
		}
		if got := w.Header().Get("Connection"); got != "close" {
			t.Errorf("%s answers with Connection: %q, want close", path, got)
		}
	}
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	var log bytes.Buffer
	h := newHandler("v1", "pod", newLog(&log, slog.LevelInfo))
	h.routes = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("rotten timber") })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/index", nil))
	id := w.Header().Get("X-Request-Id")
	if w.Code != 500 || id == "" || w.Body.String() != "internal error, request "+id+"\n" {
		t.Errorf("%d %q, request id %q", w.Code, w.Body, id)
	}
	line := logLine(t, &log)
	if line["severity"] != "ERROR" || line["reason"] != "rotten timber" || line["requestId"] != id || line["path"] != "/index" {
		t.Errorf("logged %v", line)
	}
}

func TestAbortedAnswerStaysAborted(t *testing.T) {
	var log bytes.Buffer
	h := newHandler("v1", "pod", newLog(&log, slog.LevelInfo))
	h.routes = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	defer func() {
		reason, _ := recover().(error)
		if !errors.Is(reason, http.ErrAbortHandler) || log.Len() > 0 {
			t.Errorf("net/http gets %v, and the log has %q", reason, &log)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/index", nil))
}

func TestRequestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		h := newHandler("v1", "pod", slog.New(slog.DiscardHandler))
		for range 3 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/index", nil))
			seen[w.Header().Get("X-Request-Id")] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("6 requests have the ids %v", seen)
	}
}

func TestRequestsAreLoggedOnlyAtDebug(t *testing.T) {
	var log bytes.Buffer
	newHandler("v1", "pod", newLog(&log, slog.LevelInfo)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil))
	if log.Len() > 0 {
		t.Errorf("at info: %s", &log)
	}
	w := httptest.NewRecorder()
	newHandler("v1", "pod", newLog(&log, slog.LevelDebug)).ServeHTTP(w, httptest.NewRequest("GET", "/nowhere", nil))
	line := logLine(t, &log)
	request, ok := line["httpRequest"].(map[string]any)
	if !ok || line["severity"] != "DEBUG" || line["requestId"] != w.Header().Get("X-Request-Id") ||
		request["requestMethod"] != "GET" || request["requestUrl"] != "/nowhere" || request["status"] != 404.0 {
		t.Errorf("at debug: %v", line)
	}
}

// logLine reads the only line of a log.
func logLine(t *testing.T, log *bytes.Buffer) map[string]any {
	t.Helper()
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("not one line of JSON: %v\n%s", err, log)
	}
	return line
}

func FuzzHandler(f *testing.F) {
	f.Add("GET", "/index", "Accept", "*/*")
	f.Add("HEAD", "/", "X-Request-Id", "\x7f")
	f.Add("POST", "/readyz", "Content-Length", "5")
	f.Add("GET", "//index/../livez?%zz", "Expect", "100-continue")
	f.Add("OPTIONS", "*", "Transfer-Encoding", "chunked")
	f.Add("CONNECT", "host:80", "Connection", "upgrade")
	f.Add("GET", "http://other/index", "Host", "[::1")
	f.Add("PRI", "*", "Upgrade", "h2c")
	h := newHandler("v2", "pod", slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, method, path, name, value string) {
		raw := method + " " + path + " HTTP/1.1\r\nHost: timber\r\n" + name + ": " + value + "\r\n\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return // the server refuses these by itself
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200:
			if r.Method != "GET" && r.Method != "HEAD" {
				t.Errorf("%s is answered", r.Method)
			}
		case 405:
			if w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("405 without Allow")
			}
		case 307, 400, 404:
		default: // also 500, a panic
			t.Errorf("status %d", w.Code)
		}
		if r.Method == "GET" && r.URL.Path == "/index" && w.Code == 200 && w.Body.String() != v2 {
			t.Errorf("/index says %q", w.Body)
		}
		if method == "GET" && path == "/index" && w.Code != 200 {
			t.Errorf("/index answers %d", w.Code)
		}
		if w.Header().Get("X-Pod") != "pod" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers %v", w.Header())
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	h := newHandler("v2", "pod", slog.New(slog.DiscardHandler))
	r := httptest.NewRequest("GET", "/index", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
