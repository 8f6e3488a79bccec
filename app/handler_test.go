package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	h := newHandler("v1.2", "timber-7", slog.New(slog.DiscardHandler))
	server := httptest.NewServer(h)
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	const plain, json, page = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"
	for _, test := range []struct {
		method, path string
		status       int
		contentType  string
		body         string
		closes       bool // the connection
		draining     bool
	}{
		// The page asks over a connection for each question, so that the answers spread.
		{"GET", "/whoami", 200, json, `{"version":"v1.2","pod":"timber-7"}`, true, false},
		{"GET", "/index", 200, json, v1, false, false},
		{"GET", "/index?verbose=1", 200, json, v1, false, false},
		{"GET", "/livez", 200, plain, "ok\n", false, false},
		{"GET", "/readyz", 200, plain, "ok\n", false, false},
		{"HEAD", "/", 200, page, "", false, false},
		{"HEAD", "/index", 200, json, "", false, false},
		{"HEAD", "/readyz", 200, plain, "", false, false},
		{"GET", "/index/", 404, plain, "404 page not found\n", false, false},
		{"GET", "/Index", 404, plain, "404 page not found\n", false, false},
		{"GET", "/debug/pprof/", 404, plain, "404 page not found\n", false, false},
		{"POST", "/nowhere", 404, plain, "404 page not found\n", false, false},
		{"GET", "/page.js", 404, plain, "404 page not found\n", false, false},
		{"POST", "/", 405, plain, "Method Not Allowed\n", false, false},
		{"POST", "/index", 405, plain, "Method Not Allowed\n", false, false},
		{"DELETE", "/livez", 405, plain, "Method Not Allowed\n", false, false},
		{"OPTIONS", "/readyz", 405, plain, "Method Not Allowed\n", false, false},
		{"TIMBER", "/index", 405, plain, "Method Not Allowed\n", false, false},
		{"GET", "/../index", 307, page, "<a href=\"/index\">Temporary Redirect</a>.\n\n", false, false},
		{"GET", "/livez", 200, plain, "ok\n", true, true},
		{"GET", "/readyz", 503, plain, "draining\n", true, true},
		{"GET", "/index", 200, json, v1, true, true},
		{"HEAD", "/", 200, page, "", true, true},
	} {
		t.Run(fmt.Sprintf("%s %s, draining: %t", test.method, test.path, test.draining), func(t *testing.T) {
			h.draining.Store(test.draining)
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
			if response.StatusCode != test.status || string(body) != test.body || response.Close != test.closes {
				t.Errorf("%d %q, closes the connection: %t; want %d %q, %t", response.StatusCode, body, response.Close, test.status, test.body, test.closes)
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

func TestRequestsAreLoggedOnlyAtDebug(t *testing.T) {
	var log bytes.Buffer
	newHandler("v1", "pod", newLog(&log, slog.LevelInfo)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil))
	if log.Len() > 0 {
		t.Errorf("at info: %s", &log)
	}
	newHandler("v1", "pod", newLog(&log, slog.LevelDebug)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil))
	line := logLine(t, &log)
	request, ok := line["httpRequest"].(map[string]any)
	if !ok || line["severity"] != "DEBUG" ||
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
