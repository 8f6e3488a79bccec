package stacks

import (
	"context"
	"os/exec"

	"hello-timber/command"
	"hello-timber/stacks/config"
)

// checkTools returns an error that lists every tool that this machine lacks for
// deploying cfg, where host is the setting docker:host. The providers need them only
// once the cluster or the repository is there, which is minutes later.
func checkTools(ctx context.Context, cfg *config.Config, host string, run *command.Runner) error {
	var missing []config.Problem
	access, fix := "gke-gcloud-auth-plugin", "gcloud components install gke-gcloud-auth-plugin"
	if cfg.Existing != nil {
		access, fix = "kubectl", "install it: https://kubernetes.io/docs/tasks/tools/"
	}
	if _, err := exec.LookPath(access); err != nil {
		missing = append(missing, config.Problem{What: access, Rule: "is not in PATH, but gives access to the cluster", Fix: fix})
	}
	if cfg.Image.Name == "" { // else nothing is built
		engine := config.DockerEngine(host)
		if _, err := run.Run(ctx, "docker", "--host", engine, "version", "--format", "{{.Server.Version}}"); err != nil {
			missing = append(missing, config.Problem{What: "The Docker engine", Rule: "does not answer at " + engine + ", where the provider builds the image: " + err.Error(),
				Fix: "start Docker until this succeeds: docker --host " + config.Quote(engine) + " version; or use the engine of your Docker context: " + config.DockerEngineFix})
		}
	}
	return config.Problems("this machine lacks tools to deploy", missing...)
}
