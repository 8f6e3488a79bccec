//go:build linux

package config

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// The engine is that of pulumi-docker 4.11.2, provider/image.go: a setting, the variable,
// the default socket, or one of Docker Desktop's, never that of a context.
func TestDockerEngine(t *testing.T) {
	const system = "unix://$HOME/system"
	for name, test := range map[string]struct {
		setting, variable string
		listening         string // beside the home folder
		want              string
	}{
		"default":           {want: system},
		"setting":           {setting: "ssh://there", variable: "unix:///other", listening: "system", want: "ssh://there"},
		"variable":          {variable: "unix:///other", listening: "system", want: "unix:///other"},
		"system and own":    {listening: "system", want: system},
		"Docker Desktop":    {listening: ".docker/desktop/docker.sock", want: "unix://$HOME/.docker/desktop/docker.sock"},
		"Desktop, newer":    {listening: ".docker/run/docker.sock", want: "unix://$HOME/.docker/run/docker.sock"},
		"context elsewhere": {listening: ".colima/docker.sock", want: system},
	} {
		t.Run(name, func(t *testing.T) {
			home, err := os.MkdirTemp("", "e") // a socket's path has at most 108 bytes
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(home) })
			t.Setenv("HOME", home)
			t.Setenv("DOCKER_HOST", test.variable)
			before := systemSocket
			t.Cleanup(func() { systemSocket = before })
			systemSocket = filepath.Join(home, "system")
			if test.listening != "" {
				socket := filepath.Join(home, test.listening)
				if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
					t.Fatal(err)
				}
				listener, err := net.Listen("unix", socket)
				if err != nil {
					t.Fatal(err)
				}
				defer listener.Close()
			}
			if got := DockerEngine(test.setting); got != os.Expand(test.want, func(string) string { return home }) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
