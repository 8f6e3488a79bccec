//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"hello-timber/emulator/traffic"
)

// What the service is compared with, as the files of an image each. gunicorn is the
// tutorial's kind of server, from Debian's packages, with the number of workers that
// its documentation recommends for one core. netHTTP is Go's server without any of
// the service's limits and headers: the most that the service can reach.
var (
	gunicorn = map[string]string{
		"Dockerfile": `FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends gunicorn
COPY timber.py /
USER 65532:65532
ENTRYPOINT ["gunicorn", "--chdir=/", "--bind=0.0.0.0:8080", "--workers=3", "--worker-tmp-dir=/dev/shm", "timber:app"]
`,
		"timber.py": `def app(environ, start_response):
    body = b'{"timber": "so delicious"}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
`,
	}
	netHTTP = map[string]string{
		"Dockerfile": `FROM golang:1.26 AS build
COPY timber.go .
RUN CGO_ENABLED=0 go build -ldflags=-s -o /timber timber.go
FROM scratch
COPY --from=build /timber /timber
USER 65532:65532
ENTRYPOINT ["/timber"]
`,
		"timber.go": `package main

import "net/http"

func main() {
	body := []byte("{\"timber\": \"so delicious\"}")
	panic(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})))
}
`,
	}
)

const (
	warmUp    = time.Second
	round     = 4 * time.Second
	rounds    = 5  // of which the median counts
	clients   = 32 // connections that ask again as soon as they are answered
	container = "hello-timber-bench-app"
	podMemory = "256m"
)

// server is one of those that are compared.
type server struct {
	image, memory string
	files         map[string]string // of the image
	rounds        []service
}

// median is the server as it was in the round with the median rate.
func (s *server) median() service {
	slices.SortFunc(s.rounds, func(a, b service) int { return cmp.Compare(a.rate, b.rate) })
	return s.rounds[len(s.rounds)/2]
}

// app measures the service in a container with the limits of its pod, against
// gunicorn with the same answer and the same limits.
func app(b *bench) (err error) {
	if err := b.ensureUp(); err != nil {
		return err
	}
	// One core for the service, and one for what asks it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	image, _, err := b.imageAndURL()
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(image, "@")
	// The engine has the image under its tag: it was built there.
	version, err := b.run("pulumi", "config", "get", "imageVersion")
	if err != nil {
		return err
	}
	ours := &server{image: name + ":" + version, memory: podMemory}
	bare := &server{image: container + "-net-http", memory: podMemory, files: netHTTP}
	theirs := &server{image: container + "-gunicorn", memory: podMemory, files: gunicorn}
	servers := []*server{ours, bare, theirs}
	for _, s := range servers[1:] {
		if err := b.buildImage(s.image, s.files); err != nil {
			return err
		}
		defer func() {
			_, removed := b.run("docker", "image", "rm", "--force", s.image)
			err = errors.Join(err, removed)
		}()
	}
	for range rounds { // in turn, so that all meet the same moments of the machine
		for _, s := range servers {
			measured, err := b.serve(s.image, s.memory, clients)
			if err != nil {
				return err
			}
			s.rounds = append(s.rounds, measured...)
		}
	}
	here, there := ours.median(), theirs.median()
	b.note(fmt.Sprintf("`/index` on one core, %d connections, median of %d", clients, rounds), here.String(), "gunicorn, 3 workers: "+there.String())
	b.note("of that", fmt.Sprintf("%.1f × the requests", here.rate/there.rate), fmt.Sprintf("%.1f × the memory", there.memory/here.memory))
	b.note("net/http with nothing else", bare.median().String(), fmt.Sprintf("%.1f × the requests of gunicorn", bare.median().rate/there.rate))
	many, err := b.serve(ours.image, ours.memory, 100, 1000, 5000)
	if err != nil {
		return err
	}
	for i, kept := range []int{100, 1000, 5000} {
		b.note(fmt.Sprintf("`/index` of the service, %d clients", kept), many[i].String(), fmt.Sprintf("100 clients: %.0f %% of the requests", 100*many[i].rate/many[0].rate))
	}
	return nil
}

// buildImage builds an image of these files.
func (b *bench) buildImage(name string, files map[string]string) error {
	folder := filepath.Join(b.copy, name)
	err := os.Mkdir(folder, 0o755)
	for file, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644))
	}
	if err != nil {
		return err
	}
	build := b.command("docker", "build", "--network=host", "--tag="+name, folder)
	build.Env = append(build.Env, "BUILDX_BUILDER=default")
	_, err = output(build)
	return err
}

type service struct {
	rate     float64 // requests answered each second
	p50, p99 time.Duration
	memory   float64 // MiB, at the end of the load
	failed   int
}

func (s service) String() string {
	return fmt.Sprintf("%.0f requests/s, median %s, 99 %% within %s, %.0f MiB, %d failed", s.rate, milliseconds(s.p50), milliseconds(s.p99), s.memory, s.failed)
}

// serve runs an image on one core and has each number of clients ask for as much as it gives.
func (b *bench) serve(image, memory string, clients ...int) (measured []service, err error) {
	if _, err := b.run("docker", "run", "--detach", "--name="+container, "--label=hello-timber.emulator="+b.home,
		"--cpus=1", "--cpuset-cpus=1", "--memory="+memory, "--read-only", "--cap-drop=ALL", image); err != nil {
		return nil, err
	}
	defer func() {
		_, removed := b.run("docker", "rm", "--force", container)
		err = errors.Join(err, removed)
	}()
	address, err := b.run("docker", "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
	if err != nil {
		return nil, err
	}
	address += ":8080"
	if err := b.waitFor("http://"+address+"/index", 30*time.Second); err != nil {
		return nil, err
	}
	for _, n := range clients {
		traffic.Keep(address, n, warmUp, v1, v2)
		load := traffic.Keep(address, n, round, v1, v2)
		s := service{rate: load.Rate(), p50: load.Within(0.5), p99: load.Within(0.99), failed: len(load.Failures)}
		if s.memory, err = b.memory(); err != nil {
			return nil, err
		}
		measured = append(measured, s)
	}
	return measured, nil
}

// memory returns what the container uses, in MiB.
func (b *bench) memory() (memory float64, err error) {
	used, err := b.run("docker", "stats", "--no-stream", "--format={{.MemUsage}}", container)
	if err != nil {
		return 0, err
	}
	var unit string
	if _, err := fmt.Sscanf(used, "%f%s", &memory, &unit); err != nil || unit != "MiB" {
		return 0, fmt.Errorf("docker stats prints a memory usage of %q", used)
	}
	return memory, nil
}
