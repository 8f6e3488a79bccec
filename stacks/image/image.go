// Package image makes the service's image known by its digest. No other package
// knows how images are made.
package image

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// Args are the arguments of New.
type Args struct {
	Image     string             // image to use instead of building one, NAME@sha256:HEX; or empty
	Name      pulumi.StringInput // where an image is pushed, without a tag
	Version   string             // its tag, and build argument VERSION
	Platform  string             // of the nodes, such as linux/amd64
	TokenHost string             // the registry's host, if it takes Google's tokens; empty to push with Docker's own login
}

// New registers the image NAME:VERSION, built from app/, unless Image is another one. It
// returns NAME@sha256:HEX: unlike a tag, a digest changes exactly when the image does. It
// is unknown in a preview that would build.
func New(ctx *pulumi.Context, name string, args *Args) (pulumi.StringOutput, error) {
	if args.Image != "" {
		return pulumi.String(args.Image).ToStringOutput(), nil
	}
	var login docker.RegistryPtrInput
	if args.TokenHost != "" {
		// Not in a provider's registryAuth, which is a change in every preview
		// (pulumi-docker#952). Here, only another server is a change.
		token := docker.RegistryArgs{Server: pulumi.String(args.TokenHost)}
		if !ownLogin(args.TokenHost) {
			token.Username = pulumi.String("oauth2accesstoken")
			// Neither SDK marks it as a secret.
			token.Password = pulumi.ToSecret(organizations.GetClientConfigOutput(ctx).AccessToken()).(pulumi.StringOutput)
		}
		login = token
	}
	built, err := docker.NewImage(ctx, name, &docker.ImageArgs{
		ImageName: pulumi.Sprintf("%s:%s", args.Name, args.Version),
		Build: docker.DockerBuildArgs{
			// Relative paths to the service alone: the provider hashes every file and
			// compares the paths as text, so every checkout must have the same.
			Context:    pulumi.String("./app"),
			Dockerfile: pulumi.String("./app/Dockerfile"),
			// The nodes' platform; the default is that of the machine that runs Pulumi.
			Platform: pulumi.String(args.Platform),
			Args:     pulumi.StringMap{"VERSION": pulumi.String(args.Version)},
		},
		Registry: login,
	})
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return built.RepoDigest.ApplyT(checkDigest).(pulumi.StringOutput), nil
}

// ownLogin reports whether Docker has a login of its own for a registry, in the file that
// gcloud auth configure-docker and docker login write. With that, the state has no token.
func ownLogin(host string) bool {
	home, _ := os.UserHomeDir() // else there is no file
	text, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker")), "config.json"))
	var logins struct{ Auths, CredHelpers map[string]any }
	if err != nil || json.Unmarshal(text, &logins) != nil {
		return false
	}
	return logins.Auths[host] != nil || logins.CredHelpers[host] != nil
}

// checkDigest refuses what the provider returns if the local Docker engine knows no
// digest, such as <none>@<none> (pulumi-docker#846).
func checkDigest(image string) (string, error) {
	if !strings.Contains(image, "@sha256:") {
		return "", config.Problem{
			What: "The digest of the pushed image", Value: config.Show(image), Rule: "is not NAME@sha256:HEX",
			Fix: "use Docker 28 or newer, not Podman (docker version)",
		}
	}
	return image, nil
}
