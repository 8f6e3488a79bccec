package gke

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/docker/go-connections/nat"
)

const registryPort = "5000/tcp"

func (m *machines) registryName() string { return networkName(m.home) + "-registry" }

// EnsureRegistry starts this checkout's artifact registry, which answers for
// every REGION-docker.pkg.dev, unless it runs already.
func EnsureRegistry(ctx context.Context) error {
	m, err := connect()
	if err != nil {
		return err
	}
	image, err := m.image()
	if err != nil {
		return err
	}
	have, err := m.list(ctx, labelRole+"=registry")
	if err != nil {
		return err
	}
	if len(have) == 0 {
		if err := m.start(ctx, machine{
			name:    m.registryName(),
			image:   image,
			command: []string{"/opt/emulator/emulator", "registry"},
			labels:  map[string]string{labelRole: "registry"},
			volumes: []string{"/var/lib/registry"},
			binds:   []string{filepath.Join(m.home, "google") + ":/google:ro"},
			// Engines take plain http only from loopback; any free port will do.
			ports: nat.PortMap{registryPort: {{HostIP: "127.0.0.1"}}},
		}); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(started); ; {
		address, err := RegistryAddress(ctx)
		if err == nil {
			var answer *http.Response
			if answer, err = http.Get("http://" + address + "/healthz"); err == nil {
				answer.Body.Close()
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the registry does not answer: %w; its log: docker logs %s", err, m.registryName())
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// RegistryAddress returns 127.0.0.1:PORT, where this machine reaches the registry.
func RegistryAddress(ctx context.Context) (string, error) {
	m, err := connect()
	if err != nil {
		return "", err
	}
	c, err := m.docker.ContainerInspect(ctx, m.registryName())
	if err != nil {
		return "", fmt.Errorf("the project has no artifact repository: %w", err)
	}
	for _, binding := range c.NetworkSettings.Ports[registryPort] {
		return binding.HostIP + ":" + binding.HostPort, nil
	}
	return "", fmt.Errorf("container %s is not running; run: docker start %s", m.registryName(), m.registryName())
}

// DeleteRepositoryContents removes a repository's images.
func DeleteRepositoryContents(ctx context.Context, project, repository string) error {
	m, err := connect()
	if err != nil {
		return err
	}
	have, err := m.list(ctx, labelRole+"=registry")
	if err != nil || len(have) == 0 {
		return err
	}
	_, err = m.exec(ctx, m.registryName(), "rm", "-rf", "/var/lib/registry/docker/registry/v2/repositories/"+project+"/"+repository)
	return err
}

// RemoveRegistry removes the registry and everything in it.
func RemoveRegistry(ctx context.Context) error {
	m, err := connect()
	if err != nil {
		return err
	}
	have, err := m.list(ctx, labelRole+"=registry")
	if err != nil {
		return err
	}
	return m.remove(ctx, ids(have)...)
}
