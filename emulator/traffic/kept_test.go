package traffic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestKeepCountsWhatFails(t *testing.T) {
	for name, test := range map[string]struct {
		answer           func(w http.ResponseWriter)
		failed, reopened bool
	}{
		"all is well":           {func(w http.ResponseWriter) { io.WriteString(w, "timber") }, false, false},
		"another answer":        {func(w http.ResponseWriter) { io.WriteString(w, "rotten") }, true, false},
		"an error":              {func(w http.ResponseWriter) { http.Error(w, "timber", 500) }, true, false},
		"no answer":             {func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, true, false},
		"closed with an answer": {func(w http.ResponseWriter) { w.Header().Set("Connection", "close"); io.WriteString(w, "timber") }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				test.answer(w)
			}))
			defer server.Close()
			k := Keep(strings.TrimPrefix(server.URL, "http://"), 3, 10*time.Millisecond, "timber")
			if (len(k.Failures) > 0) != test.failed || (len(k.Latencies) == 0) != test.failed || (k.Reopened > 0) != test.reopened {
				t.Errorf("%s, %d answers, reopened %d", k, len(k.Latencies), k.Reopened)
			}
		})
	}
	if k := Keep("127.0.0.1:1", 2, time.Millisecond, "timber"); len(k.Failures) < 2 || k.Within(0.5) != 0 {
		t.Errorf("no one listens: %s", k)
	}
}
