package stacks

import (
	"os/exec"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/command"
	"hello-timber/stacks/config"
	"hello-timber/stacks/image"
)

// checkMachine returns an error that lists what this machine lacks to deploy cfg: tools,
// or files of the image that can be read. The providers need the tools only once the
// cluster or the repository is there, which is minutes later.
func checkMachine(ctx *pulumi.Context, cfg *config.Config, run *command.Runner) error {
	var missing []config.Problem
	access, fix := "gke-gcloud-auth-plugin", "gcloud components install gke-gcloud-auth-plugin"
	if cfg.Existing != nil {
		access, fix = "kubectl", "install it: https://kubernetes.io/docs/tasks/tools/"
	}
	if _, err := exec.LookPath(access); err != nil {
		missing = append(missing, config.Problem{What: access, Rule: "is not in PATH, but gives access to the cluster", Fix: fix})
	}
	builds := cfg.Image == ""
	if builds {
		setting, _ := ctx.GetConfig("docker:host")
		engine := config.DockerEngine(setting)
		if _, err := run.Run(ctx.Context(), "docker", "--host", engine, "version", "--format", "{{.Server.Version}}"); err != nil {
			missing = append(missing, config.Problem{What: "The Docker engine", Rule: "does not answer at " + engine + ", where the provider builds the image: " + err.Error(),
				Fix: "start Docker until this succeeds: docker --host " + config.Quote(engine) + " version; or use the engine of your Docker context: " + config.DockerEngineFix})
		}
	}
	if err := config.Problems("this machine lacks tools to deploy", missing...); err != nil || !builds {
		return err
	}
	return image.CheckSource()
}
