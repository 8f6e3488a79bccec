package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"hello-timber/stacks/config"
)

// goVersion does not compare with go.mod: the go command has just done so. It looks for
// a go.work, which make ignores and pulumi, when it compiles the program, does not.
func goVersion(context.Context, *stack) finding {
	folder, err := os.Getwd()
	if err != nil {
		return unknown("%v", err)
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return ok("%s; %s is about other modules: before pulumi preview and pulumi up, run export GOWORK=off", runtime.Version(), filepath.Join(folder, "go.work"))
		}
		if folder == filepath.Dir(folder) {
			return ok("%s", runtime.Version())
		}
	}
}

func pulumiVersion(ctx context.Context, _ *stack) finding {
	const install = "install Pulumi 3, https://www.pulumi.com/docs/install"
	out, err := run(ctx, "pulumi", "version")
	if err != nil {
		return missing(install, "%v", err)
	}
	version := strings.TrimSpace(string(out))
	if !strings.HasPrefix(version, "v3.") {
		return missing(install, "pulumi %s is not version 3", version)
	}
	return ok("%s", version)
}

// stackConfig reads the config, and whether there is a cluster.
func stackConfig(ctx context.Context, s *stack) finding {
	out, err := run(ctx, "pulumi", "config", "--json", "--stack", s.name)
	if err != nil {
		return s.unreadable(ctx, err)
	}
	var values map[string]struct {
		Value  string
		Secret bool
	}
	if err := json.Unmarshal(out, &values); err != nil {
		return unknown("pulumi config --json: %v", err)
	}
	s.config = map[string]string{}
	secret := false
	for key, v := range values {
		secret = secret || v.Secret
		if namespace, own, _ := strings.Cut(key, ":"); namespace != "gcp" {
			key = own // the project's, whatever its name
		}
		s.config[key] = v.Value
	}
	if secret {
		// Decrypted to find a missing key now, and thrown away.
		if _, err := run(ctx, "pulumi", "config", "--json", "--show-secrets", "--stack", s.name); err != nil {
			return s.unreadable(ctx, err)
		}
	}
	if s.config["kubeconfig"] != "" {
		return ok("%s, on the existing cluster of context %s in %s; Google Cloud is not needed", s.name, s.config["context"], s.config["kubeconfig"])
	}
	if s.project() == "" {
		return missing("pulumi config set gcp:project PROJECT_ID --stack "+s.name, "gcp:project is not set")
	}
	var outputs map[string]any
	if out, err = run(ctx, "pulumi", "stack", "output", "--json", "--stack", s.name); err != nil {
		return s.unreadable(ctx, err)
	}
	if err := json.Unmarshal(out, &outputs); err != nil {
		return unknown("pulumi stack output --json: %v", err)
	}
	_, s.up = outputs["cluster"]
	s.url, _ = outputs["url"].(string)
	state := "not up"
	if s.up {
		state = "up"
	}
	return ok("%s, %s, in project %s, %s", s.name, state, s.project(), s.config["location"])
}

// unreadable finds the fix for a stack that pulumi cannot read, by what it prints
// (Pulumi 3.250; google.golang.org/api and oauth2 for a backend in a bucket).
func (s *stack) unreadable(ctx context.Context, err error) finding {
	const googleLogin = "gcloud auth application-default login"
	for _, known := range []struct{ says, fix string }{
		{"passphrase must be set", unlock},
		{"incorrect passphrase", unlock},
		{"PULUMI_CONFIG_PASSPHRASE_FILE", unlock},
		{"must be set for login", "pulumi login --local, or to the backend that has your team's states: pulumi login BACKEND_URL"},
		{"Unauthorized", "unset PULUMI_ACCESS_TOKEN; pulumi logout; pulumi login"},
		{"token expired", "unset PULUMI_ACCESS_TOKEN; pulumi logout; pulumi login"},
		{"could not find default credentials", googleLogin},
		{"invalid_grant", googleLogin},
		{"invalid_rapt", googleLogin},
		{"Reauthentication", googleLogin},
		{"bucket doesn't exist", loginCommand()},
		{"unable to open bucket", loginCommand()},
	} {
		if strings.Contains(err.Error(), known.says) {
			return missing(known.fix, "%v", err)
		}
	}
	if strings.Contains(err.Error(), "no stack named") {
		create := "pulumi stack init " + s.name
		if url := backend(ctx); url != "" {
			return missing(create+", or if another backend has it: "+loginCommand(), "%v in backend %s", err, url)
		}
		return missing(create, "%v", err)
	}
	return missing("pulumi stack select "+s.name+" (its error says more)", "%v", err)
}

// unlock sets the passphrase without showing it, in bash and zsh. It takes
// precedence over PULUMI_CONFIG_PASSPHRASE_FILE.
const unlock = "read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE (then type the passphrase)"

// backend is the URL of the backend that pulumi uses, if it says so.
func backend(ctx context.Context) string {
	var who struct{ URL string }
	_ = ask(ctx, &who, "pulumi", "whoami", "--json")
	return who.URL
}

// loginCommand is the command that changes the backend. The variable takes precedence over
// pulumi login.
func loginCommand() string {
	if os.Getenv("PULUMI_BACKEND_URL") != "" {
		return "export PULUMI_BACKEND_URL=BACKEND_URL"
	}
	return "pulumi login BACKEND_URL"
}

func dockerEngine(ctx context.Context, s *stack) finding {
	if s.config["image"] != "" {
		return ok("not needed: the stack runs an existing image")
	}
	const install = "https://docs.docker.com/engine/install"
	engine := config.DockerEngine(s.config["host"])
	out, err := run(ctx, "docker", "--host", engine, "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return missing("start Docker Engine ("+install+"), or use the engine of your Docker context: "+config.DockerEngineFix, "%v", err)
	}
	var major int
	version := strings.TrimSpace(string(out))
	if _, err := fmt.Sscanf(version, "%d.", &major); err != nil {
		return unknown("docker version prints %q", version)
	}
	if major < oldestDocker {
		return missing(fmt.Sprintf("install Docker Engine %d or newer, %s", oldestDocker, install), "engine %s is too old", version)
	}
	return ok("engine %s", version)
}

// oldestDocker is the oldest engine whose builds reach Artifact Registry with either
// image store: with containerd's, engines before 28 fail on some of them
// (pulumi-docker#967, moby#47717).
const oldestDocker = 28

func gcloudVersion(ctx context.Context, _ *stack) finding {
	out, err := run(ctx, "gcloud", "version", "--format=json")
	if err != nil {
		return missing("install it, https://cloud.google.com/sdk/docs/install", "%v", err)
	}
	var versions map[string]string
	if err := json.Unmarshal(out, &versions); err != nil {
		return unknown("gcloud version: %v", err)
	}
	return ok("%s", cmp.Or(versions["Google Cloud SDK"], "unknown version"))
}

func authPlugin(context.Context, *stack) finding {
	path, err := exec.LookPath("gke-gcloud-auth-plugin")
	if err != nil {
		return missing("gcloud components install gke-gcloud-auth-plugin", "gke-gcloud-auth-plugin is not on the PATH")
	}
	return ok("%s", path)
}
