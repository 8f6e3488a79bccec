// Package registry is the emulated Artifact Registry: the CNCF's distribution
// registry behind Google's rules of who may do what with which repository.
package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"

	"hello-timber/emulator/records"
)

// Main serves the registry on port 5000: images in /var/lib/registry, the
// emulated Google's records and access token in /google.
func Main() error {
	// Of the times only the header's is limited: a layer takes as long as it takes.
	server := &http.Server{Addr: ":5000", Handler: New("/var/lib/registry", "/google"), ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

type server struct {
	app            http.Handler
	images, google string
	// tagging lets one manifest in at a time: of two pushes of one new tag to an
	// immutable repository the second must see the first.
	tagging sync.Mutex
}

// New returns a registry that keeps its images in one folder and obeys the
// records and the token in the other, both read at every request. /healthz
// answers anybody; the rest is the OCI distribution API behind Basic auth.
func New(images, google string) http.Handler {
	logrus.SetLevel(logrus.ErrorLevel)
	logrus.SetFormatter(&faults{})
	app := handlers.NewApp(context.Background(), &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": images},
		"delete":     {"enabled": true},
	}})
	return &server{app: app, images: images, google: google}
}

// faults keeps the log to the registry's own faults: distribution calls every
// "not found" an error, and a push asks for each layer before it sends it.
type faults struct{ logrus.TextFormatter }

func (f *faults) Format(entry *logrus.Entry) ([]byte, error) {
	if status, ok := entry.Data["http.response.status"].(int); ok && status < 500 {
		return nil, nil
	}
	return f.TextFormatter.Format(entry)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		_, _ = io.WriteString(w, "ok\n") // or the client has gone
		return
	}
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
		s.tagging.Lock()
		defer s.tagging.Unlock()
	}
	if err := s.check(r); err != nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="Artifact Registry"`)
		_ = errcode.ServeJSON(w, err) // or the client has gone
		return
	}
	s.app.ServeHTTP(w, r)
}

// refusal is an answer in Artifact Registry's words.
func refusal(code errcode.ErrorCode, format string, args ...any) error {
	return code.WithMessage(fmt.Sprintf(format, args...))
}

// check returns why a request is refused, or nil. The user oauth2accesstoken is
// the project's owner; any other user is the e-mail address of a service
// account, which may pull where it was granted that.
func (s *server) check(r *http.Request) error {
	user, password, _ := r.BasicAuth()
	token, err := os.ReadFile(filepath.Join(s.google, "token"))
	if err != nil {
		return refusal(errcode.ErrorCodeUnavailable, "%v", err)
	}
	if password == "" || password != string(bytes.TrimSpace(token)) {
		return refusal(errcode.ErrorCodeUnauthorized, "authentication failed")
	}
	if r.URL.Path == "/v2/" {
		return nil
	}
	book := records.Book{Dir: s.google}
	repository, err := find(book, r)
	if err != nil {
		return err
	}
	permission, allowed := "uploadArtifacts", user == "oauth2accesstoken"
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		permission = "downloadArtifacts"
		for _, role := range []string{"reader", "writer", "repoAdmin", "admin"} {
			_, granted, err := book.Get("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
				repository.ID+"/roles/artifactregistry."+role+"/serviceAccount:"+user)
			if err != nil {
				return refusal(errcode.ErrorCodeUnavailable, "%v", err)
			}
			allowed = allowed || granted
		}
	}
	if !allowed {
		return refusal(errcode.ErrorCodeDenied, "Permission \"artifactregistry.repositories.%s\" denied on resource %q (or it may not exist)", permission, repository.ID)
	}
	docker, _ := repository.Properties["dockerConfig"].(map[string]any)
	name, tag, manifest := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	if docker["immutableTags"] == true && manifest && r.Method == http.MethodPut {
		return s.checkTag(r, name, tag)
	}
	return nil
}

// find returns the record of the repository that a request names as
// /v2/PROJECT/REPOSITORY/..., and a node by its location too: containerd adds
// ns=REGION-docker.pkg.dev, the registry it means. Another host is one under which
// the repository is known to a cluster that is not Google's.
func find(book records.Book, r *http.Request) (repository records.Record, err error) {
	repositories, err := book.List("gcp:artifactregistry/repository:Repository")
	if err != nil {
		return repository, refusal(errcode.ErrorCodeUnavailable, "%v", err)
	}
	name := append(strings.Split(r.URL.Path, "/"), "", "")
	host := r.URL.Query().Get("ns")
	if !strings.HasSuffix(host, "-docker.pkg.dev") {
		host = ""
	}
	for _, repository := range repositories {
		id := strings.Split(repository.ID, "/") // projects/P/locations/L/repositories/R
		if len(id) == 6 && id[1] == name[2] && id[5] == name[3] && (host == "" || host == id[3]+"-docker.pkg.dev") {
			return repository, nil
		}
	}
	return repository, refusal(errcode.ErrorCodeNameUnknown, "Repository %q not found", name[3])
}

// checkTag refuses a manifest for a tag that already means another one.
func (s *server) checkTag(r *http.Request, name, tag string) error {
	// Where distribution's storage format says what a tag means.
	old, err := os.ReadFile(filepath.Join(s.images, "docker/registry/v2/repositories", name, "_manifests/tags", tag, "current/link"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	manifest, readErr := io.ReadAll(io.LimitReader(r.Body, 5<<20))
	if err := errors.Join(err, readErr); err != nil {
		return refusal(errcode.ErrorCodeUnavailable, "%v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(manifest))
	if digest.FromBytes(manifest).String() != string(old) {
		return refusal(errcode.ErrorCodeManifestInvalid, "cannot update tag %s. The repository has enabled tag immutability", tag)
	}
	return nil
}
