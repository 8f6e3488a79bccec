package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"hello-timber/emulator/records"
)

const (
	owner    = "oauth2accesstoken"
	reader   = "reader@p.iam.gserviceaccount.com"
	stranger = "stranger@p.iam.gserviceaccount.com"
	token    = "ya29.secret"
)

// google is a project with two repositories, "r" and "fixed" (immutable), and a
// service account that may read "r".
func google(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	book := records.Book{Dir: folder}
	put := func(typ, id string, properties map[string]any) {
		if err := book.Put(typ, records.Record{ID: id, Properties: properties}); err != nil {
			t.Fatal(err)
		}
	}
	const location = "projects/p/locations/europe-west1/repositories/"
	put("gcp:artifactregistry/repository:Repository", location+"r", nil)
	put("gcp:artifactregistry/repository:Repository", location+"fixed", map[string]any{"dockerConfig": map[string]any{"immutableTags": true}})
	put("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember", location+"r/roles/artifactregistry.reader/serviceAccount:"+reader, nil)
	if err := os.WriteFile(filepath.Join(folder, "token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

type client struct {
	t    *testing.T
	base string
}

// do sends a request and returns the answer's status and body.
func (c client) do(method, path, user, password, body string) (*http.Response, string) {
	c.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = c.base + path
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	if strings.Contains(path, "/manifests/") {
		req.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer, string(text)
}

// push pushes an image of one file and returns the answer to its manifest.
func (c client) push(image, tag, content string) (*http.Response, string, string) {
	c.t.Helper()
	for _, blob := range []string{content, "{}"} {
		begun, text := c.do("POST", "/v2/"+image+"/blobs/uploads/", owner, token, "")
		if begun.StatusCode != http.StatusAccepted {
			c.t.Fatal(begun.Status, text)
		}
		put, text := c.do("PUT", begun.Header.Get("Location")+"&digest="+digest.FromString(blob).String(), owner, token, blob)
		if put.StatusCode != http.StatusCreated {
			c.t.Fatal(put.Status, text)
		}
	}
	part := func(typ, content string) map[string]any {
		return map[string]any{"mediaType": typ, "digest": digest.FromString(content), "size": len(content)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": part("application/vnd.oci.image.config.v1+json", "{}"),
		"layers": []any{part("application/vnd.oci.image.layer.v1.tar", content)},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	answer, text := c.do("PUT", "/v2/"+image+"/manifests/"+tag, owner, token, string(manifest))
	return answer, text, digest.FromBytes(manifest).String()
}

func start(t *testing.T) client {
	t.Helper()
	server := httptest.NewServer(New(t.TempDir(), google(t)))
	t.Cleanup(server.Close)
	return client{t, server.URL}
}

func TestWhoMayDoWhat(t *testing.T) {
	c := start(t)
	pushed, text, sum := c.push("p/r/i", "v1", "one")
	if pushed.StatusCode != http.StatusCreated {
		t.Fatal(pushed.Status, text)
	}
	words := func(action, repository string) string {
		return fmt.Sprintf(`Permission \"artifactregistry.repositories.%sArtifacts\" denied on resource \"projects/p/locations/europe-west1/repositories/%s\" (or it may not exist)`, action, repository)
	}
	for _, test := range []struct {
		name, method, path, user, password string
		status                             int
		words                              string
	}{
		{"readiness", "GET", "/healthz", "", "", 200, "ok"},
		{"ping", "GET", "/v2/", owner, token, 200, "{}"},
		{"ping of a node", "GET", "/v2/", reader, token, 200, "{}"},
		{"ping without credentials", "GET", "/v2/", "", "", 401, `"UNAUTHORIZED","message":"authentication failed"`},
		{"ping with a wrong password", "GET", "/v2/", owner, "wrong", 401, "authentication failed"},
		{"ping with no password", "GET", "/v2/", owner, "", 401, "authentication failed"},
		{"owner pulls", "GET", "/v2/p/r/i/manifests/v1", owner, token, 200, "schemaVersion"},
		{"node pulls", "GET", "/v2/p/r/i/manifests/" + sum + "?ns=europe-west1-docker.pkg.dev", reader, token, 200, "schemaVersion"},
		{"node pulls a layer", "GET", "/v2/p/r/i/blobs/" + digest.FromString("one").String(), reader, token, 200, "one"},
		{"a node that is not Google's pulls", "GET", "/v2/p/r/i/manifests/" + sum + "?ns=127.0.0.1:5000", owner, token, 200, "schemaVersion"},
		{"node asks another region", "GET", "/v2/p/r/i/manifests/v1?ns=us-east1-docker.pkg.dev", reader, token, 404, `Repository \"r\" not found`},
		{"node without a grant pulls", "GET", "/v2/p/r/i/manifests/v1", stranger, token, 403, words("download", "r")},
		{"node pulls elsewhere", "GET", "/v2/p/fixed/i/manifests/v1", reader, token, 403, words("download", "fixed")},
		{"node pushes", "POST", "/v2/p/r/i/blobs/uploads/", reader, token, 403, words("upload", "r")},
		{"node deletes", "DELETE", "/v2/p/r/i/manifests/" + sum, reader, token, 403, words("upload", "r")},
		{"pull with a wrong password", "GET", "/v2/p/r/i/manifests/v1", reader, "wrong", 401, "authentication failed"},
		{"no repository", "POST", "/v2/p/missing/i/blobs/uploads/", owner, token, 404, `"NAME_UNKNOWN","message":"Repository \"missing\" not found"`},
		{"no project", "POST", "/v2/q/r/i/blobs/uploads/", owner, token, 404, `Repository \"r\" not found`},
		{"no name", "GET", "/v2/_catalog", owner, token, 404, `Repository \"\" not found`},
		{"no tag", "GET", "/v2/p/r/i/manifests/v2", owner, token, 404, "MANIFEST_UNKNOWN"},
	} {
		answer, text := c.do(test.method, test.path, test.user, test.password, "")
		if answer.StatusCode != test.status || !strings.Contains(text, test.words) {
			t.Errorf("%s: %s %s, want %d %s", test.name, answer.Status, text, test.status, test.words)
		}
		if asks := answer.Header.Get("WWW-Authenticate"); answer.StatusCode == 401 && !strings.HasPrefix(asks, "Basic ") {
			t.Errorf("%s: WWW-Authenticate %q", test.name, asks)
		}
	}
}

func TestImmutableTags(t *testing.T) {
	c := start(t)
	for _, test := range []struct {
		name, image, tag, content string
		status                    int
	}{
		{"new tag", "p/fixed/i", "v1", "one", 201},
		{"same content again", "p/fixed/i", "v1", "one", 201},
		{"other content", "p/fixed/i", "v1", "two", 400},
		{"other tag", "p/fixed/i", "v2", "two", 201},
		{"other image", "p/fixed/j", "v1", "two", 201},
		{"mutable repository", "p/r/i", "v1", "one", 201},
		{"mutable tag moves", "p/r/i", "v1", "two", 201},
	} {
		answer, text, sum := c.push(test.image, test.tag, test.content)
		if answer.StatusCode != test.status {
			t.Errorf("%s: %s %s", test.name, answer.Status, text)
		}
		if want := `"MANIFEST_INVALID","message":"cannot update tag v1. The repository has enabled tag immutability"`; test.status == 400 && !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", test.name, text, want)
		}
		if got := answer.Header.Get("Docker-Content-Digest"); test.status == 201 && got != sum {
			t.Errorf("%s: digest %s, want %s", test.name, got, sum)
		}
	}
	_, _, sum := c.push("p/fixed/k", "v1", "one")
	if byDigest, text, _ := c.push("p/fixed/k", sum, "one"); byDigest.StatusCode != 201 {
		t.Errorf("push by digest: %s %s", byDigest.Status, text)
	}
}

func TestNoTokenIsNoWayIn(t *testing.T) {
	folder := google(t)
	server := httptest.NewServer(New(t.TempDir(), folder))
	defer server.Close()
	c := client{t, server.URL}
	if err := os.WriteFile(filepath.Join(folder, "token"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if answer, text := c.do("GET", "/v2/", owner, "", ""); answer.StatusCode != 401 {
		t.Errorf("empty token: %s %s", answer.Status, text)
	}
	if err := os.Remove(filepath.Join(folder, "token")); err != nil {
		t.Fatal(err)
	}
	if answer, text := c.do("GET", "/v2/", owner, token, ""); answer.StatusCode != 503 || !strings.Contains(text, "no such file") {
		t.Errorf("no token: %s %s", answer.Status, text)
	}
}
