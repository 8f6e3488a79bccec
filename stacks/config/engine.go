package config

import (
	"cmp"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// DockerEngine returns the address of the Docker engine that the provider builds with
// (4.11.2), which is not always the docker command's: the provider knows no contexts
// (pulumi-docker#603). It takes the setting docker:host or DOCKER_HOST or the default
// socket, and where nothing listens there, Docker Desktop's.
func DockerEngine(setting string) string {
	if set := cmp.Or(setting, os.Getenv("DOCKER_HOST")); set != "" {
		return set
	}
	if runtime.GOOS == "windows" {
		return "npipe:////./pipe/docker_engine"
	}
	home, _ := os.UserHomeDir()
	for _, socket := range []string{systemSocket, filepath.Join(home, ".docker/run/docker.sock"), filepath.Join(home, ".docker/desktop/docker.sock")} {
		if connection, err := net.DialTimeout("unix", socket, time.Second); err == nil {
			_ = connection.Close()
			return "unix://" + socket
		}
	}
	return "unix://" + systemSocket
}

// systemSocket is a variable for tests.
var systemSocket = "/var/run/docker.sock"

// DockerEngineFix makes the provider use the engine of the docker command's context.
const DockerEngineFix = `export DOCKER_HOST="$(docker context inspect --format '{{.Endpoints.docker.Host}}')"`
