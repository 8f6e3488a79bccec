//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"hello-timber/emulator/credentials"
	"hello-timber/emulator/gke"
)

// imageEdits are made one after the other.
var imageEdits = []change{
	// Another cache is an empty one; nothing of what the engine keeps is removed.
	{"build and push, empty compiler's cache", "app/Dockerfile", `--mount=type=cache,`, fmt.Sprintf("--mount=type=cache,id=bench-%d,", time.Now().UnixNano())},
	{"build and push after an edit", "app/main.go", `(?m)^func main\(\) \{$`, "func init() { println(\"edited\") }\n\nfunc main() {"},
	{what: "unchanged"},
}

// image measures how long the image's resource takes in an up, build and push, and
// what the registry gets of it.
func image(b *bench) error {
	if err := b.ensureUp(); err != nil {
		return err
	}
	var pushed map[string]int64
	for i, build := range imageEdits {
		if build.path != "" {
			if err := edit(filepath.Join(b.copy, build.path), build.pattern, build.with); err != nil {
				return err
			}
		}
		took, blobs, err := b.build()
		if err != nil {
			return err
		}
		var all, more int64
		for digest, bytes := range blobs {
			all += bytes
			if _, there := pushed[digest]; !there {
				more += bytes
			}
		}
		pushed = blobs
		compared := fmt.Sprintf("image %s compressed", size(all))
		if i > 0 {
			compared = fmt.Sprintf("pushed %s of it", size(more))
		}
		b.note(build.what, took, compared)
	}
	// Back to what it was.
	if _, err := b.run("cp", "-r", "app", b.copy); err != nil {
		return err
	}
	_, err := b.up(b.root)
	return err
}

// build updates the stack and returns how long the image took, and its parts.
func (b *bench) build() (took string, parts map[string]int64, err error) {
	t, err := b.up(b.copy)
	if err != nil {
		return "", nil, err
	}
	took = "not built: the digest of its files is the same"
	for _, s := range t.spans {
		if s.typ == "docker:index/image:Image" && s.end-s.start > 100*time.Millisecond {
			took = seconds(s.end - s.start)
		}
	}
	name, err := b.run("pulumi", "stack", "output", "image")
	if err != nil {
		return "", nil, err
	}
	parts, err = b.blobs(name)
	return took, parts, err
}

// blobs are the parts of an image by their digests, and their sizes as they are sent.
func (b *bench) blobs(image string) (map[string]int64, error) {
	address, err := gke.RegistryAddress(b.ctx)
	if err != nil {
		return nil, err
	}
	token, err := credentials.Token()
	if err != nil {
		return nil, err
	}
	name, digest, _ := strings.Cut(image, "@")
	_, path, _ := strings.Cut(name, "/")
	request, err := http.NewRequestWithContext(b.ctx, http.MethodGet, fmt.Sprintf("http://%s/v2/%s/manifests/%s", address, path, digest), nil)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth("oauth2accesstoken", token)
	request.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	type blob struct {
		Digest string
		Size   int64
	}
	var manifest struct {
		Config blob
		Layers []blob
	}
	if err := json.Unmarshal(text, &manifest); err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the registry answers %s for %s: %s", response.Status, image, text)
	}
	blobs := map[string]int64{}
	for _, part := range append(manifest.Layers, manifest.Config) {
		blobs[part.Digest] = part.Size
	}
	return blobs, nil
}
