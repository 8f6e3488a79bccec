package target

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/command"
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

// TestAsker: kubectl gets the kubeconfig of a cluster, as often as it is asked, and no file
// is left.
func TestAsker(t *testing.T) {
	tools, files := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\ncat \"${1#--kubeconfig=}\"\nshift\necho \" $*\"\n"
	if err := os.WriteFile(filepath.Join(tools, "kubectl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", files)
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		ask := asker(ctx, command.New(nil), pulumi.String("of the cluster").ToStringOutput())
		for range 2 {
			if got, err := ask("/api"); err != nil || got != "of the cluster get --raw=/api --request-timeout=15s\n" {
				t.Errorf("got %q, %v", got, err)
			}
		}
		return nil
	}, pulumi.WithMocks("p", "s", nothing{}))
	left, _ := os.ReadDir(files)
	if err != nil || len(left) > 0 {
		t.Errorf("%v, left are %v", err, left)
	}
}

// nothing is a cloud that no resource is registered in.
type nothing struct{ pulumi.MockResourceMonitor }
