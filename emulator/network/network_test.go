package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestQueueBound(t *testing.T) {
	const other, ours = "   98  4242     0 2   128     0     0        0  1\n", "  100  4242     0 2   128     0     0        0  1\n"
	for content, want := range map[string]bool{"": false, other: false, ours: true, other + ours: true} {
		path := filepath.Join(t.TempDir(), "nfnetlink_queue")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if bound, err := queueBound(path); err != nil || bound != want {
			t.Errorf("queueBound(%q) = %t, %v, want %t", content, bound, err, want)
		}
	}
	if _, err := queueBound("/proc/no/such/file"); err == nil {
		t.Error("a kernel without packet queues is not noticed")
	}
}
