package stacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func TestOutputs(t *testing.T) {
	_, outputs := deployDev(t, map[string]string{"hello-timber:location": "europe-west1-d"})
	want := map[string]any{
		"url":       "http://192.0.2.80",
		"image":     testDigest,
		"cluster":   "hello-timber-1a2b3c4",
		"namespace": "hello-timber-dev",
		"kubectl":   "gcloud container clusters get-credentials hello-timber-1a2b3c4 --location europe-west1-d --project my-project",
		"console":   "https://console.cloud.google.com/kubernetes/clusters/details/europe-west1-d/hello-timber-1a2b3c4/details?project=my-project",
	}
	if !maps.Equal(outputs, want) {
		t.Errorf("outputs are\n%v, want\n%v", outputs, want)
	}
	document, err := os.ReadFile("../docs/configuration.md")
	_, table, _ := strings.Cut(string(document), "\n## Outputs\n")
	var described []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(.+?)` \\|").FindAllStringSubmatch(table, -1) {
		described = append(described, row[1])
	}
	slices.Sort(described)
	_, outputs = deployDev(t, map[string]string{"hello-timber:domain": "timber.example.com"}) // has one more
	if names := slices.Sorted(maps.Keys(outputs)); err != nil || !slices.Equal(described, names) {
		t.Errorf("docs/configuration.md describes the outputs %q, want %q (%v)", described, names, err)
	}
}

// TestPreview runs the program as the first preview does: only inputs are known.
func TestPreview(t *testing.T) {
	for _, stack := range environments {
		c := newCloud()
		c.preview = true
		outputs, err := deploy(t, c, stack, stackConfig(t, stack))
		if err != nil {
			t.Fatal(err)
		}
		if delete(outputs, "namespace"); len(outputs) != 0 { // its name is fixed
			t.Errorf("outputs %v are known before anything exists", outputs)
		}
		full, _ := deployed(t, stack, stackConfig(t, stack))
		if len(c.resources) != len(full.resources) {
			t.Errorf("the preview registers %d resources, the update %d", len(c.resources), len(full.resources))
		}
	}
}

// TestFailures lets the registration of each type fail in turn, and the request of a
// token, with a built image and with an existing one.
func TestFailures(t *testing.T) {
	for _, image := range []string{"", promoted} {
		config := changed(devConfig(t), "image", image, "replicas", "3", "deletionProtection", "true")
		full, _ := deployed(t, "dev", config)
		types := map[string]bool{}
		for _, r := range full.resources {
			types[r.TypeToken] = true
		}
		if len(types) < 18 {
			t.Fatalf("only %d types are registered", len(types))
		}
		types[getToken] = image == ""
		for typ, fails := range types {
			c := newCloud()
			c.fail = typ
			if _, err := deploy(t, c, "dev", config); fails != (err != nil && strings.Contains(err.Error(), errInjected.Error())) {
				t.Errorf("%s fails, and the program ends with %v", typ, err)
			}
		}
	}
}

// TestImageWithoutDigest: what has no digest is not deployed.
func TestImageWithoutDigest(t *testing.T) {
	for _, repoDigest := range []string{"", "<none>@<none>", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1"} {
		c := newCloud()
		c.outputs[typeImage] = resource.PropertyMap{"repoDigest": resource.NewProperty(repoDigest)}
		_, err := deploy(t, c, "dev", devConfig(t))
		if err == nil || !strings.Contains(err.Error(), "The digest of the pushed image: ") || !strings.Contains(err.Error(), ". Fix: ") {
			t.Errorf("repoDigest %q: error is %v", repoDigest, err)
		}
		if slices.ContainsFunc(c.resources, func(r pulumi.MockResourceArgs) bool { return r.TypeToken == typeDeployment }) {
			t.Errorf("repoDigest %q is deployed", repoDigest)
		}
	}
}

// TestExistingImage: a rollback and a promotion build nothing, need neither Docker nor a
// token for a registry, and run exactly the digest.
func TestExistingImage(t *testing.T) {
	onlyTools(t, map[string]string{"gke-gcloud-auth-plugin": "true"})
	c, outputs := deployDev(t, map[string]string{"hello-timber:image": promoted})
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "docker:") {
			t.Errorf("%s is registered", r.TypeToken)
		}
	}
	if c.calls > 0 || outputs["image"] != promoted {
		t.Errorf("%d tokens are requested, and the output image is %v", c.calls, outputs["image"])
	}
}

// TestOwnLogin: with Docker's own login at the registry, no access token comes into the state.
func TestOwnLogin(t *testing.T) {
	const host = "europe-west1-docker.pkg.dev"
	for config, own := range map[string]bool{
		"": false, "{": false, `{"auths": {"other.example.com": {}}, "credsStore": "pass"}`: false,
		`{"auths": {"` + host + `": {}}}`: true, `{"credHelpers": {"` + host + `": "gcloud"}}`: true,
	} {
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _ := deployDev(t, nil)
		c.want(t, typeImage, "registry.server", host)
		if login := c.find(t, typeImage).Inputs["registry"].ObjectValue(); login.HasValue("password") == own || login.HasValue("username") == own {
			t.Errorf("with %q, the image's registry is %v", config, login)
		}
	}
}

// TestNothingWaitsWithoutReason: steps that take minutes run at the same time.
func TestNothingWaitsWithoutReason(t *testing.T) {
	c, _ := deployDev(t, nil)
	needs := map[string][]string{} // by type
	for _, d := range describe(c) {
		for _, other := range slices.Concat(d.DependsOn, d.InputsFrom, []string{d.Provider}) {
			needs[typeOf(d.Resource)] = append(needs[typeOf(d.Resource)], typeOf(other))
		}
	}
	for typ, independent := range map[string][]string{
		typeCluster:    {"gcp:projects/iAMMember:IAMMember", typeRepository, typeImage},
		typeImage:      {typeCluster, typeNodePool, typeReader, typeAccount},
		typeRepository: {typeCluster, typeNodePool, typeAccount},
		typeService:    {typeDeployment, typeImage, typeReader},
	} {
		waits := slices.Clone(needs[typ])
		for i := 0; i < len(waits); i++ {
			for _, other := range needs[waits[i]] {
				if !slices.Contains(waits, other) {
					waits = append(waits, other)
				}
			}
		}
		for _, other := range independent {
			if slices.Contains(waits, other) {
				t.Errorf("%s waits for %s", typ, other)
			}
		}
	}
}

// typeOf returns the type of a resource in a golden file.
func typeOf(resource string) string {
	typ, _, _ := strings.Cut(resource, " ")
	return typ
}

// TestEnvironmentArrivesAsWritten: Kubernetes expands $(NAME) and $$ in plain values,
// and nothing in those of a Secret.
func TestEnvironmentArrivesAsWritten(t *testing.T) {
	values := map[string]string{"dollars": "US$$5", "reference": "$(PORT)", "escaped": "$$(PORT)", "last": "5$", "shell": "${HOME} $HOME", "open": "$(", "lines": "a\nb\t\"c\""}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]string{"hello-timber:environment": string(text)}
	c, _ := deployDev(t, config)
	arrived := map[string]string{}
	for _, variable := range c.get(t, typeDeployment, "spec.template.spec.containers[0].env").ArrayValue()[2:] { // after those that the program sets
		arrived[variable.ObjectValue()["name"].StringValue()] = expand(variable.ObjectValue()["value"].StringValue())
	}
	if !maps.Equal(arrived, values) {
		t.Errorf("the pods get %q, want %q", arrived, values)
	}
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:environment"]`)
	c, _ = deployDev(t, config)
	secret := c.find(t, typeSecret).Inputs["stringData"]
	if !secret.IsSecret() {
		t.Fatalf("the Secret has %v", secret)
	}
	for name, value := range values {
		if got := secret.SecretValue().Element.ObjectValue()[resource.PropertyKey(name)].StringValue(); got != value {
			t.Errorf("%s: the Secret has %q, want %q", name, got, value)
		}
	}
	if deployment := fmt.Sprint(c.find(t, typeDeployment).Inputs); strings.Contains(deployment, "US$") || strings.Contains(deployment, "HOME") {
		t.Errorf("the Deployment has the secret: %s", deployment)
	}
}

// expand does what the kubelet does with a value, where PORT is the only variable:
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
func expand(value string) string {
	return strings.NewReplacer("$$", "$", "$(PORT)", "8080").Replace(value)
}
