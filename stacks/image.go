package stacks

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ImageArgs are the arguments of NewImage.
type ImageArgs struct {
	Registry *Registry
	Version  string // the image's tag, and the build argument VERSION
}

// Image is the service's image, built from app/ and pushed.
type Image struct {
	pulumi.ResourceState

	// Digest is the image's name with its digest, NAME@sha256:HEX. Unlike a tag it
	// changes when and only when the image does; pods run by it. Unknown in a
	// preview that would build.
	Digest pulumi.StringOutput
}

// NewImage registers the image as REGISTRY/NAME:VERSION. How it is
// made is known here only.
func NewImage(ctx *pulumi.Context, name string, args *ImageArgs, opts ...pulumi.ResourceOption) (*Image, error) {
	i := &Image{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Image", name, i, opts...); err != nil {
		return nil, err
	}
	client := organizations.GetClientConfigOutput(ctx, pulumi.Parent(i))
	image, err := docker.NewImage(ctx, name, &docker.ImageArgs{
		ImageName: pulumi.Sprintf("%s/%s:%s", args.Registry.URL, name, args.Version),
		Build: docker.DockerBuildArgs{
			// Relative, and nothing but the service: the provider hashes every file, and
			// compares the paths as text, so that another checkout must have the same.
			Context:    pulumi.String("./app"),
			Dockerfile: pulumi.String("./app/Dockerfile"),
			// Of the nodes; the default is that of whoever runs Pulumi.
			Platform: pulumi.String("linux/amd64"),
			Args:     pulumi.StringMap{"VERSION": pulumi.String(args.Version)},
		},
		// Here and not in a provider's registryAuth, which is a change in every preview
		// (pulumi-docker#952); a new token here is none.
		Registry: docker.RegistryArgs{
			Server:   args.Registry.Host,
			Username: pulumi.String("oauth2accesstoken"),
			// Neither SDK knows that this is a secret.
			Password: pulumi.ToSecret(client.AccessToken()).(pulumi.StringOutput),
		},
	}, pulumi.Parent(i))
	if err != nil {
		return nil, err
	}
	i.Digest = image.RepoDigest.ApplyT(checkDigest).(pulumi.StringOutput)
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{"digest": i.Digest})
}

// checkDigest refuses what the provider says when the local Docker engine knows
// no digest, such as <none>@<none> (pulumi-docker#846).
func checkDigest(image string) (string, error) {
	if !strings.Contains(image, "@sha256:") {
		return "", fmt.Errorf("the pushed image has no digest: docker.Image's repoDigest is %q; is the engine Docker (28 or newer), not Podman?", image)
	}
	return image, nil
}
