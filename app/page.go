package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"strings"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// page returns the handler of the page that shows who answers. It is one answer,
// with its style and script inside: in a rollout, a second request might be
// answered by a pod of another version.
func page(version, pod string) http.HandlerFunc {
	body := strings.NewReplacer(
		"{{version}}", html.EscapeString(version),
		"{{pod}}", html.EscapeString(pod),
		"{{style}}", pageCSS,
		"{{script}}", pageJS,
	).Replace(pageHTML)
	// Nothing runs or is loaded except what is in the page.
	policy := strings.Join([]string{
		"default-src 'none'",
		"style-src '" + hash(pageCSS) + "'",
		"script-src '" + hash(pageJS) + "'",
		"connect-src 'self'",
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	answer := text("text/html; charset=utf-8", body)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		// After a rollout the page is another.
		w.Header().Set("Cache-Control", "no-cache")
		answer(w, r)
	}
}

// hash is how a content security policy names a text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// whoami returns the handler that says who answers. Each answer is the last of
// its connection: one that is kept leads to the same pod for as long as that lives.
func whoami(version, pod string) http.HandlerFunc {
	body, err := json.Marshal(struct {
		Version string `json:"version"`
		Pod     string `json:"pod"`
	}{version, pod})
	if err != nil {
		panic(err) // two texts are always JSON
	}
	answer := text("application/json", string(body))
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Connection", "close")
		answer(w, r)
	}
}
