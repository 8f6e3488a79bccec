package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page is complete, loads nothing from anywhere, and names who answered also
// where no script runs. That a browser runs it is tested in emulator/e2e.
func TestPage(t *testing.T) {
	w := httptest.NewRecorder()
	newHandler("v1<2", "timber&7", slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body := w.Body.String()
	if !strings.Contains(body, "<b>v1&lt;2</b>") || !strings.Contains(body, "<b>timber&amp;7</b>") || strings.Contains(body, "{{") {
		t.Errorf("the page says\n%s", body)
	}
	for _, loads := range regexp.MustCompile(`(?i)(?:src|href|url|import)\s*[=(]\s*["']?([^"' )]*)`).FindAllStringSubmatch(body, -1) {
		if to := loads[1]; to != "/index" && !strings.HasPrefix(to, "data:") {
			t.Errorf("the page refers to %s", to)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	for kind, part := range map[string]string{"script-src": "script", "style-src": "style"} {
		inside := regexp.MustCompile(`(?s)<` + part + `>(.+)</` + part + `>`).FindStringSubmatch(body)
		if inside == nil || !strings.Contains(policy, kind+" '"+hash(inside[1])+"'") {
			t.Errorf("the policy %q does not allow the page's own %s", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("the policy is %q", policy)
	}
}

// The picture in the documents has the checksum of the page that it shows.
func TestPicture(t *testing.T) {
	sum := sha256.Sum256([]byte(pageHTML + pageCSS + pageJS))
	png, err := os.ReadFile("../docs/page.png")
	if err != nil || !bytes.Contains(png, fmt.Appendf(nil, "%x", sum)) {
		t.Errorf("docs/page.png shows an older page (%v). Fix: make pictures", err)
	}
}
