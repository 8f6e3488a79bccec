package gke

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-connections/nat"
)

const registryPort = "5000/tcp"

func (m *Machines) registryName() string { return networkName(m.home) + "-registry" }

// EnsureRegistry starts this checkout's artifact registry, which answers for
// every REGION-docker.pkg.dev, unless it runs already.
func (m *Machines) EnsureRegistry(ctx context.Context) error {
	if err := m.startRegistry(ctx); err != nil {
		return err
	}
	return m.registryReady(ctx)
}

// startRegistry holds a lock, because two stacks going up at once both find no registry.
func (m *Machines) startRegistry(ctx context.Context) error {
	unlock, err := m.lock(ctx, registryLock)
	if err != nil {
		return err
	}
	defer unlock()
	have, err := m.list(ctx, labelRole+"=registry")
	if err != nil || len(have) > 0 {
		return err
	}
	return m.start(ctx, machine{
		name:    m.registryName(),
		command: []string{"/opt/emulator/emulator", "registry"},
		labels:  map[string]string{labelRole: "registry"},
		volumes: []string{"/var/lib/registry"},
		binds:   []string{filepath.Join(m.home, "google") + ":/google:ro"},
		// Engines take plain http only from loopback; any free port will do.
		ports: nat.PortMap{registryPort: {{HostIP: "127.0.0.1"}}},
	})
}

func (m *Machines) registryReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the registry did not answer in %s; its log: docker logs %s", startTimeout, m.registryName()))
	defer cancel()
	return until(ctx, func() error {
		address, err := m.registryAddress(ctx)
		if err != nil {
			return err
		}
		return healthy(ctx, "http://"+address+"/healthz")
	})
}

// healthy asks a server once. One that accepts connections and never answers is not healthy.
func healthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}

// RegistryAddress returns 127.0.0.1:PORT, where this machine reaches the registry.
func RegistryAddress(ctx context.Context) (string, error) {
	m, err := Connect()
	if err != nil {
		return "", err
	}
	defer m.docker.Close()
	return m.registryAddress(ctx)
}

func (m *Machines) registryAddress(ctx context.Context) (string, error) {
	c, err := m.docker.ContainerInspect(ctx, m.registryName())
	if err != nil {
		return "", fmt.Errorf("the project has no artifact repository: %w", err)
	}
	for _, binding := range c.NetworkSettings.Ports[registryPort] {
		return binding.HostIP + ":" + binding.HostPort, nil
	}
	return "", fmt.Errorf("container %s is not running. Fix: docker start %s", m.registryName(), m.registryName())
}

// DeleteRepositoryContents removes a repository's images.
func (m *Machines) DeleteRepositoryContents(ctx context.Context, project, repository string) error {
	_, err := m.exec(ctx, m.registryName(), "rm", "-rf", "/var/lib/registry/docker/registry/v2/repositories/"+project+"/"+repository)
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// RemoveRegistry removes the registry and everything in it.
func (m *Machines) RemoveRegistry(ctx context.Context) error {
	unlock, err := m.lock(ctx, registryLock)
	if err != nil {
		return err
	}
	defer unlock()
	have, err := m.list(ctx, labelRole+"=registry")
	if err != nil {
		return err
	}
	return m.remove(ctx, ids(have)...)
}
