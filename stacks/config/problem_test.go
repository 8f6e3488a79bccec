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

// TestProblem: whatever a message has, a terminal only prints it.
func TestProblem(t *testing.T) {
	const text = "<{%x%}>\x1b[2Jü\r\u202e\n\t100%"
	want := "a< {%x%}>\ufffd[2Jü\ufffd\ufffd\n\t100%: \"< {%x%}>\\x1b[2Jü\\r\\u202e\\n\\t100%\" is wrong. Fix: no"
	if got := (Problem{What: "a" + text, Value: Show(text), Rule: "is wrong", Fix: "no"}).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestQuote asks a shell what it makes of the quoted text.
func TestQuote(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for text, want := range map[string]string{
		"minikube": "minikube", "": "", "Prod (EU West)": "Prod (EU West)", "it's": "it's", "$(id)": "$(id)", "`id`": "`id`",
		"a\\b": "a\\b", "*": "*", "<{%x%}>": "<{%x%}>", "ümlaut": "ümlaut", "~": "~", "~other": "~other",
		"~/.kube/config": "/home/me/.kube/config", "~/my files/$x": "/home/me/my files/$x",
	} {
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(text)).Output()
		if err != nil || string(out) != want || Printable(Quote(text)) != Quote(text) {
			t.Errorf("%q is quoted as %s, which the shell reads as %q (%v), want %q", text, Quote(text), out, err, want)
		}
	}
}
