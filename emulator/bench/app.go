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
	warmUp    = time.Second
	round     = 4 * time.Second
	rounds    = 5  // of which the median counts
	clients   = 32 // connections that ask again as soon as they are answered
	container = "hello-timber-bench-app"
)

// app measures the service in a container with the limits of its pod, against
// gunicorn with the same answer and with more memory, because it needs more.
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
	if err := b.gunicornImage(); err != nil {
		return err
	}
	defer func() {
		_, removed := b.run("docker", "image", "rm", "--force", container)
		err = errors.Join(err, removed)
	}()
	var ours, theirs []service
	for range rounds { // in turn, so that both meet the same moments of the machine
		for _, side := range []struct {
			image, memory string
			to            *[]service
		}{{name + ":" + version, "64m", &ours}, {container, "256m", &theirs}} {
			measured, err := b.serve(side.image, side.memory, clients)
			if err != nil {
				return err
			}
			*side.to = append(*side.to, measured...)
		}
	}
	here, there := median(ours), median(theirs)
	b.note(fmt.Sprintf("`/index` on one core, %d connections, median of %d", clients, rounds), here.String(), "gunicorn, 3 workers: "+there.String())
	b.note("of that", fmt.Sprintf("%.1f × the requests", here.rate/there.rate), fmt.Sprintf("%.1f × the memory", there.memory/here.memory))
	many, err := b.serve(name+":"+version, "64m", 100, 1000, 5000)
	if err != nil {
		return err
	}
	for i, kept := range []int{100, 1000, 5000} {
		b.note(fmt.Sprintf("the same, %d connections", kept), many[i].String(), fmt.Sprintf("100 connections: %.0f %% of the requests", 100*many[i].rate/many[0].rate))
	}
	return nil
}

// gunicornImage builds the image that the service is compared with.
func (b *bench) gunicornImage() error {
	folder := filepath.Join(b.copy, "gunicorn")
	err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(gunicorn), 0o644),
		os.WriteFile(filepath.Join(folder, "timber.py"), []byte(wsgi), 0o644))
	if err != nil {
		return err
	}
	build := b.command("docker", "build", "--network=host", "--tag="+container, folder)
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

// median is the service as it was in the round with the median rate.
func median(rounds []service) service {
	slices.SortFunc(rounds, func(a, b service) int { return cmp.Compare(a.rate, b.rate) })
	return rounds[len(rounds)/2]
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
