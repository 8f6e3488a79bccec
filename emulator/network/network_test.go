package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
)

// The node image's Corefiles name only plugins that are compiled in.
func TestCorefilesNeedNoOtherPlugin(t *testing.T) {
	node := filepath.Join("..", "node")
	resolver, err := os.ReadFile(filepath.Join(node, "resolver.Corefile"))
	if err != nil {
		t.Fatal(err)
	}
	addons, err := os.ReadFile(filepath.Join(node, "addons.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, cluster, ok := strings.Cut(string(addons), "Corefile: |\n")
	if !ok {
		t.Fatal("addons.yaml has no Corefile")
	}
	cluster, _, _ = strings.Cut(cluster, "\n---")
	for name, corefile := range map[string]string{"resolver": string(resolver), "cluster": cluster} {
		blocks, err := caddyfile.Parse(name, strings.NewReader(corefile), nil)
		if err != nil || len(blocks) != 1 {
			t.Fatalf("%s: %d server blocks: %v", name, len(blocks), err)
		}
		for directive := range blocks[0].Tokens {
			if !slices.Contains(caddy.ListPlugins()["others"], "dns."+directive) {
				t.Errorf("%s: plugin %q is not compiled in", name, directive)
			}
		}
	}
}

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
