package stacks

import (
	"fmt"
	"os/exec"
	"strings"
)

// checkTools tells what this machine lacks for deploying cfg: the providers need
// these tools only once the cluster or the repository is there, which is minutes
// late. Its error names every tool that is missing, with what mends it.
func checkTools(cfg Config) error {
	var missing []string
	access, mend := "gke-gcloud-auth-plugin", "gcloud components install gke-gcloud-auth-plugin"
	if cfg.Existing != nil {
		access, mend = "kubectl", "install it, https://kubernetes.io/docs/tasks/tools/"
	}
	if _, err := exec.LookPath(access); err != nil {
		missing = append(missing, fmt.Sprintf("%s, which gives access to the cluster, is not on the PATH; to mend it: %s", access, mend))
	}
	// An image that exists is not built.
	if cfg.Image == "" {
		// Asked of the command because it knows of Docker's contexts, which say where the engine is.
		out, err := exec.Command("docker", "version", "--format", "{{.Server.Version}}").CombinedOutput()
		if err != nil {
			missing = append(missing, fmt.Sprintf("no Docker engine answers, which builds the image (%s); to mend it: start Docker, and see that it answers to docker version", reason(out, err)))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this machine lacks what it takes to deploy, nothing was changed:\n  - %s", strings.Join(missing, "\n  - "))
}

// reason is the last line that a command printed, or why it did not run.
func reason(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}
