package config

import (
	"os/exec"
	"strings"
	"testing"
)

func TestShow(t *testing.T) {
	for value, want := range map[string]string{
		"": `""`, "v1": "v1", " 3": `" 3"`, "a\nb": `"a\nb"`, "\u202e": `"\u202e"`, "ü": `"ü"`,
		strings.Repeat("a", 201): strings.Repeat("a", 200) + "…",
	} {
		if got := Show(value); got != want {
			t.Errorf("Show(%q) = %s, want %s", value, got, want)
		}
	}
}

// TestQuote asks a shell what it makes of the quoted text.
func TestQuote(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for text, want := range map[string]string{
		"minikube": "minikube", "": "", "Prod (EU West)": "Prod (EU West)", "it's": "it's", "$(id)": "$(id)", "`id`": "`id`",
		"a\\b": "a\\b", "*": "*", "ümlaut": "ümlaut", "~": "~", "~other": "~other",
		"~/.kube/config": "/home/me/.kube/config", "~/my files/$x": "/home/me/my files/$x",
	} {
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(text)).Output()
		if err != nil || string(out) != want {
			t.Errorf("%q is quoted as %s, which the shell reads as %q (%v), want %q", text, Quote(text), out, err, want)
		}
	}
}
