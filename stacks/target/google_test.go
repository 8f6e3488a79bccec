package target

import (
	"net/netip"
	"strings"
	"testing"

	"hello-timber/stacks/config"
)

func TestLabelValue(t *testing.T) {
	for text, want := range map[string]string{
		"hello-timber": "hello-timber", "My.Shop": "my-shop", "a_b": "a_b", "Büro": "b-ro", strings.Repeat("x", 100): strings.Repeat("x", 63),
	} {
		if got := labelValue(text); got != want {
			t.Errorf("labelValue(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestControlPlaneRange(t *testing.T) {
	allowed := netip.MustParsePrefix("172.16.0.0/16")
	taken := map[netip.Prefix]string{}
	for _, stack := range []string{"dev", "staging", "prod", "local", "test", "pr-1", "pr-2", "pr-3"} {
		name := config.StackName("hello-timber", stack)
		block, err := netip.ParsePrefix(controlPlaneRange(name))
		if err != nil {
			t.Fatal(err)
		}
		if block.Bits() != 28 || block != block.Masked() || !allowed.Contains(block.Addr()) {
			t.Errorf("%s: %s is not a block of 16 in %s", stack, block, allowed)
		}
		if other, ok := taken[block]; ok {
			t.Errorf("%s and %s share %s", stack, other, block)
		}
		taken[block] = stack
	}
}
