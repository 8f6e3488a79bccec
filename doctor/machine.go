package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// goVersion: go.mod's requirement is the go command's own to enforce, and it has
// just compiled this.
func goVersion(context.Context, *patient) finding { return ok("%s", runtime.Version()) }

func pulumiVersion(ctx context.Context, _ *patient) finding {
	const install = "install Pulumi 3, https://www.pulumi.com/docs/install"
	out, err := run(ctx, "pulumi", "version")
	if err != nil {
		return finding{says: err.Error(), mend: install}
	}
	version := strings.TrimSpace(string(out))
	if !strings.HasPrefix(version, "v3.") {
		return finding{says: version, mend: install}
	}
	return ok("%s", version)
}

// stackConfig reads the config, and whether there is a cluster.
func stackConfig(ctx context.Context, p *patient) finding {
	out, err := run(ctx, "pulumi", "config", "--json", "--stack", p.stack)
	if err != nil {
		mend := "pulumi stack init " + p.stack
		if strings.Contains(err.Error(), "login") || strings.Contains(err.Error(), "PULUMI_ACCESS_TOKEN") {
			mend = "pulumi login --local, or where the team keeps its states"
		}
		return finding{says: err.Error(), mend: mend}
	}
	var values map[string]struct{ Value string }
	if err := json.Unmarshal(out, &values); err != nil {
		return unknown("pulumi config --json: %v", err)
	}
	p.config = map[string]string{}
	for key, v := range values {
		if namespace, own, _ := strings.Cut(key, ":"); namespace != "gcp" {
			key = own // the project's, whatever its name
		}
		p.config[key] = v.Value
	}
	if p.config["kubeconfig"] != "" {
		return ok("%s, on the cluster of context %s in %s; it takes nothing of Google's", p.stack, p.config["context"], p.config["kubeconfig"])
	}
	if p.project() == "" {
		return finding{says: "gcp:project is not set", mend: "pulumi config set gcp:project PROJECT_ID --stack " + p.stack}
	}
	var outputs map[string]any
	if out, err = run(ctx, "pulumi", "stack", "output", "--json", "--stack", p.stack); err != nil {
		return finding{says: err.Error(), mend: "pulumi stack init " + p.stack}
	}
	if err := json.Unmarshal(out, &outputs); err != nil {
		return unknown("pulumi stack output --json: %v", err)
	}
	_, p.up = outputs["cluster"]
	state := "not up"
	if p.up {
		state = "up"
	}
	return ok("%s, %s, in project %s, %s", p.stack, state, p.project(), p.config["location"])
}

func dockerEngine(ctx context.Context, p *patient) finding {
	if p.config["image"] != "" {
		return ok("not needed: the stack is given an image")
	}
	out, err := run(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return finding{says: err.Error(), mend: "install Docker Engine, https://docs.docker.com/engine/install, and start it: docker version must answer"}
	}
	var major int
	version := strings.TrimSpace(string(out))
	if _, err := fmt.Sscanf(version, "%d.", &major); err != nil {
		return unknown("docker version says %q", version)
	}
	if major < oldestDocker {
		return finding{says: "engine " + version, mend: fmt.Sprintf("install Docker Engine %d or newer, https://docs.docker.com/engine/install", oldestDocker)}
	}
	return ok("engine %s", version)
}

// oldestDocker is the oldest engine with which a build and push has been tried.
const oldestDocker = 28

func gcloudVersion(ctx context.Context, _ *patient) finding {
	out, err := run(ctx, "gcloud", "version", "--format=json")
	if err != nil {
		return finding{says: err.Error(), mend: "install it, https://cloud.google.com/sdk/docs/install"}
	}
	var versions map[string]string
	if err := json.Unmarshal(out, &versions); err != nil {
		return unknown("gcloud version: %v", err)
	}
	return ok("%s", versions["Google Cloud SDK"])
}

func authPlugin(ctx context.Context, _ *patient) finding {
	path, err := exec.LookPath("gke-gcloud-auth-plugin")
	if err != nil {
		return finding{says: "gke-gcloud-auth-plugin is not on the PATH", mend: "gcloud components install gke-gcloud-auth-plugin"}
	}
	return ok("%s", path)
}
