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
	address := "unix:///var/run/docker.sock"
	if runtime.GOOS == "windows" {
		address = "npipe:////./pipe/docker_engine"
	}
	if set := cmp.Or(setting, os.Getenv("DOCKER_HOST")); set != "" || listens(systemSocket) {
		return cmp.Or(set, address)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return address
	}
	for _, folder := range []string{"run", "desktop"} {
		if socket := filepath.Join(home, ".docker", folder, "docker.sock"); listens(socket) {
			return "unix://" + socket
		}
	}
	return address
}

// systemSocket is a variable for tests.
var systemSocket = "/var/run/docker.sock"

func listens(socket string) bool {
	connection, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// DockerEngineFix makes the provider use the engine of the docker command's context.
const DockerEngineFix = `export DOCKER_HOST="$(docker context inspect --format '{{.Endpoints.docker.Host}}')"`
