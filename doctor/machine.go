package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"hello-timber/stacks/config"
)

// goVersion does not compare with go.mod: the go command has just done so. It looks for
// a go.work, which make ignores and pulumi, when it compiles the program, does not.
func goVersion(ctx context.Context, _ *stack) (string, error) {
	work, err := run(ctx, "go", "env", "GOWORK")
	if err == nil && work != "" && work != "off" {
		return fmt.Sprintf("%s; %s is about other modules: before you run pulumi, run export GOWORK=off", runtime.Version(), work), nil
	}
	return runtime.Version(), err
}

func pulumiVersion(ctx context.Context, _ *stack) (string, error) {
	const install = "install Pulumi 3.218 or newer, https://www.pulumi.com/docs/install"
	version, err := run(ctx, "pulumi", "version")
	if err != nil {
		return "", missing(install, "%v", err)
	}
	// Since then, it has the hooks by which a failed update says what the pods said.
	var minor int
	if _, err := fmt.Sscanf(version, "v3.%d.", &minor); err != nil || minor < 218 {
		return "", missing(install, "pulumi %s is another version", version)
	}
	return version, nil
}

// stackConfig reads the config, and the outputs, which have the cluster. For those, pulumi
// needs the backend, the login and the passphrase.
func stackConfig(ctx context.Context, s *stack) (string, error) {
	var outputs struct {
		Cluster, URL string
		DNSRecords   []string
	}
	if err := ask(ctx, &outputs, "pulumi", "stack", "output", "--json", "--stack", s.name); err != nil {
		return "", s.unreadable(ctx, err)
	}
	var secret []string
	var err error
	if s.config, secret, err = config.Read(os.ReadFile, s.name); err != nil {
		return "", err
	}
	if len(secret) > 0 { // decrypted to find a missing key now, and thrown away
		if _, err := run(ctx, "pulumi", "config", "--json", "--show-secrets", "--stack", s.name); err != nil {
			return "", s.unreadable(ctx, err)
		}
	}
	s.url, s.records = outputs.URL, outputs.DNSRecords
	if s.config["kubeconfig"] != "" {
		return fmt.Sprintf("%s, on the existing cluster of context %s in %s; Google Cloud is not needed", s.name, s.config["context"], s.config["kubeconfig"]), nil
	}
	if s.project() == "" {
		return "", missing("pulumi config set gcp:project PROJECT_ID --stack "+s.name, "gcp:project is not set")
	}
	state := "not up"
	if s.up = outputs.Cluster != ""; s.up {
		state = "up"
	}
	return fmt.Sprintf("%s, %s, in project %s, %s", s.name, state, s.project(), s.config["location"]), nil
}

// unreadable finds the fix for a stack that pulumi cannot read, by what it prints
// (Pulumi 3.250; google.golang.org/api and oauth2 for a backend in a bucket).
func (s *stack) unreadable(ctx context.Context, err error) error {
	// Without showing the passphrase, in bash and zsh. It takes precedence over
	// PULUMI_CONFIG_PASSPHRASE_FILE, as PULUMI_BACKEND_URL does over pulumi login.
	const unlock = "read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE (then type the passphrase)"
	backend := "pulumi login BACKEND_URL"
	if os.Getenv("PULUMI_BACKEND_URL") != "" {
		backend = "export PULUMI_BACKEND_URL=BACKEND_URL"
	}
	const renew, googleLogin = "unset PULUMI_ACCESS_TOKEN; pulumi logout; pulumi login", "gcloud auth application-default login"
	for _, known := range []struct{ says, fix string }{
		{"passphrase must be set", unlock},
		{"incorrect passphrase", unlock},
		{"PULUMI_CONFIG_PASSPHRASE_FILE", unlock},
		{"must be set for login", "pulumi login --local, or to the backend that has your team's states: pulumi login BACKEND_URL"},
		{"Unauthorized", renew},
		{"token expired", renew},
		{"could not find default credentials", googleLogin},
		{"invalid_grant", googleLogin},
		{"invalid_rapt", googleLogin},
		{"Reauthentication", googleLogin},
		{"bucket doesn't exist", backend},
		{"unable to open bucket", backend},
	} {
		if strings.Contains(err.Error(), known.says) {
			return missing(known.fix, "%v", err)
		}
	}
	if !strings.Contains(err.Error(), "no stack named") {
		return missing("pulumi stack select "+s.name+" (its error says more)", "%v", err)
	}
	var who struct{ URL string }
	if err := ask(ctx, &who, "pulumi", "whoami", "--json"); err != nil || who.URL == "" {
		who.URL = "that pulumi uses"
	}
	return missing("pulumi stack init "+s.name+", or if another backend has it: "+backend, "%v in backend %s", err, who.URL)
}

func dockerEngine(ctx context.Context, s *stack) (string, error) {
	if s.config["image"] != "" {
		return "not needed: the stack runs an existing image", nil
	}
	const install = "https://docs.docker.com/engine/install"
	version, err := run(ctx, "docker", "--host", config.DockerEngine(s.config["docker:host"]), "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return "", missing("start Docker Engine ("+install+"), or use the engine of your Docker context: "+config.DockerEngineFix, "%v", err)
	}
	var major int
	if _, err := fmt.Sscanf(version, "%d.", &major); err != nil {
		return "", fmt.Errorf("docker version prints %q", version)
	}
	if major < oldestDocker {
		return "", missing(fmt.Sprintf("install Docker Engine %d or newer, %s", oldestDocker, install), "engine %s is too old", version)
	}
	return "engine " + version, nil
}

// oldestDocker is the oldest engine whose builds reach Artifact Registry with either
// image store: with containerd's, engines before 28 fail on some of them
// (pulumi-docker#967, moby#47717).
const oldestDocker = 28

func gcloudVersion(ctx context.Context, _ *stack) (string, error) {
	var versions map[string]string
	if err := ask(ctx, &versions, "gcloud", "version", "--format=json"); err != nil {
		return "", missing("install it, https://cloud.google.com/sdk/docs/install", "%v", err)
	}
	return cmp.Or(versions["Google Cloud SDK"], "unknown version"), nil
}

func authPlugin(context.Context, *stack) (string, error) {
	path, err := exec.LookPath("gke-gcloud-auth-plugin")
	if err != nil {
		return "", missing("gcloud components install gke-gcloud-auth-plugin", "gke-gcloud-auth-plugin is not on the PATH")
	}
	return path, nil
}
