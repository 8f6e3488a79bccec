//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// gunicorn is the tutorial's kind of server, from Debian's packages, with the
// number of workers that its documentation recommends for one core.
const gunicorn = `FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends gunicorn
COPY timber.py /
USER 65532:65532
ENTRYPOINT ["gunicorn", "--chdir=/", "--bind=0.0.0.0:8080", "--workers=3", "--worker-tmp-dir=/dev/shm", "timber:app"]
`

const wsgi = `def app(environ, start_response):
    body = b'{"timber": "so delicious"}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
`

const (
	warmUp    = 2 * time.Second
	attack    = 10 * time.Second
	clients   = 32 // connections that ask again as soon as they are answered
	container = "hello-timber-bench-app"
)

// app measures the service in a container with the limits of its pod, but for the
// memory of what needs more, against gunicorn answering the same bytes.
func app(b *bench) error {
	if err := b.ensureUp(); err != nil {
		return err
	}
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
	ours, err := b.serve(name+":"+version, "64m")
	if err != nil {
		return err
	}

	folder := filepath.Join(b.copy, "gunicorn")
	err = errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(gunicorn), 0o644),
		os.WriteFile(filepath.Join(folder, "timber.py"), []byte(wsgi), 0o644))
	if err != nil {
		return err
	}
	build := b.command("docker", "build", "--network=host", "--tag="+container, folder)
	build.Env = append(build.Env, "BUILDX_BUILDER=default")
	if _, err := output(build); err != nil {
		return err
	}
	theirs, err := b.serve(container, "256m")
	if err != nil {
		return err
	}
	if _, err := b.run("docker", "image", "rm", "--force", container); err != nil {
		return err
	}
	b.note(fmt.Sprintf("`/index` on one core, %d connections", clients), ours.String(), "gunicorn, 3 workers: "+theirs.String())
	b.note("of that", fmt.Sprintf("%.1f × the requests", ours.rate/theirs.rate), fmt.Sprintf("%.1f × the memory", theirs.memory/ours.memory))
	return nil
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

// serve runs an image on one core and asks it for as much as it gives.
func (b *bench) serve(image, memory string) (s service, err error) {
	if _, err := b.run("docker", "run", "--detach", "--name="+container, "--label=hello-timber.emulator="+b.home,
		"--cpus=1", "--cpuset-cpus=1", "--memory="+memory, "--read-only", "--cap-drop=ALL", image); err != nil {
		return s, err
	}
	defer func() {
		_, removed := b.run("docker", "rm", "--force", container)
		err = errors.Join(err, removed)
	}()
	address, err := b.run("docker", "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
	if err != nil {
		return s, err
	}
	url := "http://" + address + ":8080/index"
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		response, err := http.Get(url)
		if err == nil {
			response.Body.Close()
			break
		}
		if time.Since(began) > 30*time.Second {
			return s, err
		}
	}
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url})
	send := func(long time.Duration) *vegeta.Metrics {
		var metrics vegeta.Metrics
		attacker := vegeta.NewAttacker(vegeta.Workers(clients), vegeta.MaxWorkers(clients), vegeta.Connections(clients))
		for result := range attacker.Attack(target, vegeta.ConstantPacer{}, long, "") {
			metrics.Add(result)
			if string(result.Body) != v1 && string(result.Body) != v2 {
				s.failed++
			}
		}
		metrics.Close()
		return &metrics
	}
	send(warmUp)
	s.failed = 0
	metrics := send(attack)
	s.rate, s.p50, s.p99 = metrics.Throughput, metrics.Latencies.P50, metrics.Latencies.P99
	used, err := b.run("docker", "stats", "--no-stream", "--format={{.MemUsage}}", container)
	if err != nil {
		return s, err
	}
	var unit string
	if _, err := fmt.Sscanf(used, "%f%s", &s.memory, &unit); err != nil || unit != "MiB" {
		return s, fmt.Errorf("docker stats tells a memory usage of %q", used)
	}
	return s, nil
}
