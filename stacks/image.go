package stacks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ImageArgs are the arguments of NewImage.
type ImageArgs struct {
	Registry  pulumi.StringInput    // what the image's name starts with, HOST/PATH
	TokenHost pulumi.StringPtrInput // the host, if Google's tokens open it; nil to push with Docker's own login
	Platform  string                // of the nodes, such as linux/amd64
	Version   string                // the image's tag, and the build argument VERSION
	Existing  string                // name of the image to use instead of building one, by its digest; or empty
}

// Image is the service's image: built from app/ and pushed, or one that exists.
type Image struct {
	pulumi.ResourceState

	// Digest is the image's name with its digest, NAME@sha256:HEX. Unlike a tag it
	// changes when and only when the image does; pods run by it. Unknown in a
	// preview that would build.
	Digest pulumi.StringOutput
	// Version tells it from others, as a label: the version it was built as, or the
	// start of its digest when it was built elsewhere.
	Version string
}

// registryName is HOST/PATH, the path being optional; imageName adds what a registry
// calls an image, by its digest.
const (
	registryName = `([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+)(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*`
	imageName    = registryName + `/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*@sha256:[0-9a-f]{64}`
)

var (
	isImageName       = regexp.MustCompile(`^` + imageName + `$`).MatchString
	isGoogleImageName = googleImageName.MatchString
	googleImageName   = regexp.MustCompile(`^([a-z][a-z0-9-]*)-docker\.pkg\.dev/([a-z][a-z0-9-]{4,28}[a-z0-9])/([a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$`)
)

// NewImage registers the image as REGISTRY/NAME:VERSION, unless it exists. How it
// is made is known here only.
func NewImage(ctx *pulumi.Context, name string, args *ImageArgs, opts ...pulumi.ResourceOption) (*Image, error) {
	i := &Image{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Image", name, i, opts...); err != nil {
		return nil, err
	}
	if args.Existing != "" {
		i.Digest = pulumi.String(args.Existing).ToStringOutput()
		_, digest, _ := strings.Cut(args.Existing, "@")
		i.Version = strings.Replace(digest, ":", "-", 1)[:len("sha256-")+12]
		return i, ctx.RegisterResourceOutputs(i, pulumi.Map{"digest": i.Digest})
	}
	i.Version = args.Version
	var login docker.RegistryPtrInput
	if args.TokenHost != nil {
		// Here and not in a provider's registryAuth, which is a change in every preview
		// (pulumi-docker#952); a new token here is none.
		login = docker.RegistryArgs{
			Server:   args.TokenHost,
			Username: pulumi.String("oauth2accesstoken"),
			// Neither SDK knows that this is a secret.
			Password: pulumi.ToSecret(organizations.GetClientConfigOutput(ctx, pulumi.Parent(i)).AccessToken()).(pulumi.StringOutput),
		}
	}
	image, err := docker.NewImage(ctx, name, &docker.ImageArgs{
		ImageName: pulumi.Sprintf("%s/%s:%s", args.Registry, name, args.Version),
		Build: docker.DockerBuildArgs{
			// Relative, and nothing but the service: the provider hashes every file, and
			// compares the paths as text, so that another checkout must have the same.
			Context:    pulumi.String("./app"),
			Dockerfile: pulumi.String("./app/Dockerfile"),
			// Of the nodes; the default is that of whoever runs Pulumi.
			Platform: pulumi.String(args.Platform),
			Args:     pulumi.StringMap{"VERSION": pulumi.String(args.Version)},
		},
		Registry: login,
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
