package docker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
)

// What engines really sent: testdata/push has the streams of engine 20.10's and
// 28.5's classic image store and of 28.5's containerd image store.
func TestPushStreams(t *testing.T) {
	const name = "europe-west1-docker.pkg.dev/p/r/i:v1"
	for _, engine := range []string{"20.10-classic", "28.5-classic", "28.5-containerd"} {
		for stream, want := range map[string]struct{ says, fix string }{
			"pushed":         {"", ""},
			"exists":         {"", ""},
			"immutable":      {"cannot update tag v1. The repository has enabled tag immutability", "Fix: pulumi config set imageVersion v2 --stack local"},
			"missing":        {`Repository "missing" not found`, "Fix: pulumi up --refresh --stack local"},
			"wrong-password": {"nauthorized", "Fix: gcloud auth application-default login"},
			"no-login":       {"no basic auth credentials", "Fix: gcloud auth application-default login"},
		} {
			file, err := os.Open(filepath.Join("testdata", "push", engine, stream+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			var statuses []string
			digest, err := readPush(file, func(status string) { statuses = append(statuses, status) })
			file.Close()
			named, parseErr := reference.ParseNamed(name)
			if parseErr != nil {
				t.Fatal(parseErr)
			}
			switch {
			case want.says == "" && (err != nil || !strings.HasPrefix(digest, "sha256:") || len(digest) != len("sha256:")+64):
				t.Errorf("%s, %s: digest %q, %v", engine, stream, digest, err)
			case want.says != "" && (err == nil || !strings.Contains(err.Error(), want.says) || !strings.Contains(fix(err, named, "local"), want.fix)):
				t.Errorf("%s, %s: %v, want %q and %q", engine, stream, err, want.says, want.fix)
			case want.says == "" && !slices.ContainsFunc(statuses, func(s string) bool { return strings.HasPrefix(s, "push: ") }):
				t.Errorf("%s, %s: no progress: %q", engine, stream, statuses)
			}
		}
	}
}

func TestPushWithoutADigestFails(t *testing.T) {
	// As Podman's service answers.
	_, err := readPush(strings.NewReader(`{"status":"The push refers to repository [example.com/i]"}`+"\n"), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "no digest") {
		t.Errorf("error %v", err)
	}
}

func TestFixNamesTheNextVersion(t *testing.T) {
	for tag, want := range map[string]string{"v1": "v2", "v9": "v10", "v1.10.0": "v1.10.1", "v1.10.0-rc.1": "v1.10.0-rc.2"} {
		named, err := reference.ParseNamed("europe-west1-docker.pkg.dev/p/r/i:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if got := fix(os.ErrExist, named, "dev"); got != "" {
			t.Errorf("another error has the fix %q", got)
		}
		if got := fix(errors.New("cannot update tag. The repository has enabled tag immutability"), named, "dev"); !strings.HasSuffix(got, "Fix: pulumi config set imageVersion "+want+" --stack dev") {
			t.Errorf("%s: %q, want %s", tag, got, want)
		}
	}
}
