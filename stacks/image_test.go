package stacks

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func TestImage(t *testing.T) {
	c, _ := deployDev(t, map[string]string{"hello-timber:imageVersion": "v2"})
	inputs := c.inputs(t, typeImage)
	want(t, inputs, "imageName", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v2")
	want(t, inputs, "build.args.VERSION", "v2")
	want(t, inputs, "build.platform", "linux/amd64")
	want(t, inputs, "registry.server", "europe-west1-docker.pkg.dev")
	want(t, inputs, "registry.username", "oauth2accesstoken")
	want(t, inputs, "skipPush", false)
	want(t, inputs, "buildOnPreview", false) // a preview must not run a stranger's Dockerfile
}

// TestRegistryTokenIsSecret: it would else stand in the state in clear text.
func TestRegistryTokenIsSecret(t *testing.T) {
	c, _ := deployDev(t, nil)
	password := c.inputs(t, typeImage)["registry"].ObjectValue()["password"]
	if !password.IsSecret() || password.SecretValue().Element.StringValue() != "ya29.token" {
		t.Errorf("the registry's password is %v, want the secret token", password)
	}
}

// promoted is an image that another stack has built.
const promoted = "europe-west4-docker.pkg.dev/staging-project/hello-timber-staging/timber-tutorial@sha256:1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef01"

// TestExistingImage: a rollback and a promotion build nothing, need neither Docker
// nor a token for a registry, and run exactly the digest.
func TestExistingImage(t *testing.T) {
	c, outputs := deployDev(t, map[string]string{"hello-timber:image": promoted, "hello-timber:imageVersion": "v9"})
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "docker:") {
			t.Errorf("%s is registered", r.TypeToken)
		}
	}
	if c.calls > 0 {
		t.Error("a token is asked for")
	}
	deployment := c.inputs(t, typeDeployment)
	want(t, deployment, "spec.template.spec.containers[0].image", promoted)
	// Of another build than imageVersion says, so that it must not say v9.
	want(t, deployment, `spec.template.metadata.labels["app.kubernetes.io/version"]`, "sha256-1b2c3d4e5f60")
	if outputs["image"] != promoted {
		t.Errorf("output image is %v", outputs["image"])
	}
}

func TestImageWithoutDigest(t *testing.T) {
	for _, digest := range []string{"", "<none>@<none>", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1"} {
		c := newCloud()
		c.outputs[typeImage] = resource.PropertyMap{"repoDigest": resource.NewProperty(digest)}
		_, err := deploy(t, c, "dev", stackConfig(t, "dev"))
		if err == nil || !strings.Contains(err.Error(), "the pushed image has no digest") {
			t.Errorf("repoDigest %q: error is %v", digest, err)
		}
		for _, r := range c.resources {
			if r.TypeToken == typeDeployment {
				t.Errorf("repoDigest %q is deployed", digest)
			}
		}
	}
}

// TestNoCredentials: without Google's there is no token for the registry.
func TestNoCredentials(t *testing.T) {
	c := &cloudWithoutCredentials{newCloud()}
	err := pulumi.RunErr(Deploy, pulumi.WithMocks("hello-timber", "dev", c), func(info *pulumi.RunInfo) {
		info.Config = stackConfig(t, "dev")
	})
	if err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("error is %v", err)
	}
}

type cloudWithoutCredentials struct{ *cloud }

func (*cloudWithoutCredentials) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, errors.New("no credentials")
}
