package stacks

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	testUID        = "0b5e7a52-6c1f-4f0e-9a57-1d3c2b4a5968"
	existingDigest = "registry.example.com:5000/team/timber-tutorial@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"

	// kubectlAnswers is a kubectl for whose kubeconfig there are two contexts, and a cluster.
	kubectlAnswers = `case "$*" in
*get-contexts*) printf 'minikube\nteam@office\n' ;;
*--raw=/api/v1/nodes*) echo '{"items": [{"status": {"nodeInfo": {"architecture": "arm64"}}}]}' ;;
*--raw=/api/v1/namespaces/kube-system*) echo '{"metadata": {"name": "kube-system", "uid": "` + testUID + `"}}' ;;
*) echo "what is $*?" >&2; exit 1 ;;
esac`
)

// existingConfig is that of stack dev on a cluster and a registry that exist, and
// without what only Google Cloud needs.
func existingConfig(t *testing.T) map[string]string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, "kubeconfig"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := stackConfig(t, "dev")
	delete(config, "gcp:project")
	delete(config, "hello-timber:authorizedNetworks")
	config["hello-timber:kubeconfig"] = "~/kubeconfig"
	config["hello-timber:context"] = "team@office"
	config["hello-timber:registry"] = "registry.example.com:5000/team"
	return config
}

// onlyTools makes scripts all that there is on the PATH.
func onlyTools(t *testing.T, scripts map[string]string) {
	t.Helper()
	folder := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder)
}

// TestExisting: on a cluster that exists, nothing of Google's is made, asked for or needed.
func TestExisting(t *testing.T) {
	google, _ := deployDev(t, nil)
	c, config := newCloud(), existingConfig(t)
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	outputs, err := deploy(t, c, "dev", config)
	if err != nil {
		t.Fatal(err)
	}
	c.golden(t, "existing")
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "gcp:") {
			t.Errorf("%s is registered", r.TypeToken)
		}
	}
	if c.calls > 0 {
		t.Error("a token is asked for")
	}
	// What runs on the cluster is the same as on Google's.
	for _, typ := range []string{typeNamespace, typeDeployment, typeService, typeBudget} {
		if here, there := c.inputs(t, typ), google.inputs(t, typ); !here.DeepEquals(there) {
			t.Errorf("%s differs from that on Google Cloud: %v", typ, there.Diff(here))
		}
	}
	want(t, c.inputs(t, typeImage), "build.platform", "linux/arm64")
	if _, ok := c.inputs(t, typeImage)["registry"]; ok {
		t.Error("the image has a login of its own, want Docker's")
	}
	if want := map[string]any{
		"url":     "http://192.0.2.80",
		"image":   testDigest,
		"cluster": "team@office",
		"kubectl": "kubectl config use-context team@office --kubeconfig ~/kubeconfig",
	}; !maps.Equal(outputs, want) {
		t.Errorf("outputs are\n%v, want\n%v", outputs, want)
	}
}

// TestExistingClusterIsToldFromAnother: under the same path and name there may be
// another cluster tomorrow, where nothing of this one's is.
func TestExistingClusterIsToldFromAnother(t *testing.T) {
	c, config := newCloud(), existingConfig(t)
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	if _, err := deploy(t, c, "dev", config); err != nil {
		t.Fatal(err)
	}
	provider := c.find(t, typeProvider)
	want(t, provider.Inputs, "clusterIdentifier", testUID)
	// As it stands in the config, for everybody's home.
	want(t, provider.Inputs, "kubeconfig", "~/kubeconfig")
	if !provider.RegisterRPC.DeleteBeforeReplace {
		t.Error("what is on the old cluster is deleted after the new one has it, in the new one")
	}
}

// TestExistingClusterAndImage: a rollback and a promotion on a cluster that exists.
func TestExistingClusterAndImage(t *testing.T) {
	c, config := newCloud(), existingConfig(t)
	config["hello-timber:image"] = existingDigest
	onlyTools(t, map[string]string{"kubectl": kubectlAnswers})
	outputs, err := deploy(t, c, "dev", config)
	if err != nil {
		t.Fatal(err)
	}
	if outputs["image"] != existingDigest {
		t.Errorf("output image is %v", outputs["image"])
	}
	want(t, c.inputs(t, typeDeployment), "spec.template.spec.containers[0].image", existingDigest)
}

// TestExistingUnusable: whatever is wrong with the cluster, one line says what,
// and nothing is registered.
func TestExistingUnusable(t *testing.T) {
	asked := func(answer string) string {
		return `case "$*" in *get-contexts*) echo team@office ;; *) ` + answer + ` ;; esac`
	}
	const access = "; to mend it: see that it answers to kubectl --kubeconfig ~/kubeconfig --context team@office get namespaces,nodes"
	for _, test := range []struct{ name, kubectl, key, value, line string }{
		{"no kubeconfig", kubectlAnswers, "kubeconfig", "~/nowhere",
			"kubeconfig ~/nowhere: no such file or directory; to mend it: pulumi config set kubeconfig ~/.kube/config"},
		{"no kubeconfig, in no home", kubectlAnswers, "kubeconfig", "/nowhere/config",
			"kubeconfig /nowhere/config: no such file or directory; to mend it: pulumi config set kubeconfig ~/.kube/config"},
		{"not a kubeconfig", "echo error: yaml: line 1 >&2; exit 1", "", "",
			"kubeconfig ~/kubeconfig: error: yaml: line 1; to mend it: see that it answers to kubectl --kubeconfig ~/kubeconfig config view"},
		{"no such context", kubectlAnswers, "context", "kind-kind",
			"context kind-kind is not in kubeconfig ~/kubeconfig, which has minikube, team@office; to mend it: pulumi config set context CONTEXT"},
		{"no context at all", "true", "", "",
			"context team@office is not in kubeconfig ~/kubeconfig, which has none; to mend it: pulumi config set context CONTEXT"},
		{"no answer", asked("echo E1 retrying >&2; echo The connection to the server was refused >&2; exit 1"), "", "",
			"the cluster of context team@office gives no access: The connection to the server was refused" + access},
		{"not Kubernetes", asked("echo hello"), "", "",
			"the cluster of context team@office gives no access: invalid character 'h' looking for beginning of value" + access},
		{"no identity", asked("echo {}"), "", "",
			"the cluster of context team@office gives no access: it has no identity, or no nodes" + access},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, config := newCloud(), existingConfig(t)
			onlyTools(t, map[string]string{"docker": "true", "kubectl": test.kubectl})
			config["hello-timber:"+test.key] = test.value
			delete(config, "hello-timber:")
			_, err := deploy(t, c, "dev", config)
			want := "stack dev has no cluster, nothing was changed:\n  - " + test.line
			if err == nil || !strings.HasSuffix(strings.TrimSpace(err.Error()), want) {
				t.Errorf("error is:\n%v\nwant:\n%s", err, want)
			}
			if len(c.resources) > 1 { // the stack itself
				t.Errorf("%d resources were registered", len(c.resources))
			}
		})
	}
}

// TestExistingTools: kubectl instead of Google's plugin.
func TestExistingTools(t *testing.T) {
	c, config := newCloud(), existingConfig(t)
	onlyTools(t, map[string]string{"docker": "true", "gke-gcloud-auth-plugin": "true"})
	_, err := deploy(t, c, "dev", config)
	if err == nil || !strings.Contains(err.Error(), "kubectl, which gives access to the cluster, is not on the PATH; to mend it: install it") || strings.Count(err.Error(), "to mend it") != 1 {
		t.Errorf("error is %v", err)
	}
}

// TestExistingConfigRefused: the three keys go together, and each has its rule.
func TestExistingConfigRefused(t *testing.T) {
	const (
		path     = "must be empty, or the path of a kubeconfig, from / or ~/ on; to mend it: pulumi config set kubeconfig ~/.kube/config --stack dev"
		context  = "must be empty, or the name of one of the kubeconfig's contexts (kubectl config get-contexts); to mend it: pulumi config set context CONTEXT --stack dev"
		registry = "must be empty, or the address of a registry, with a path or without; to mend it: pulumi config set registry registry.example.com/team --stack dev"
		image    = "must be empty, to build the image from app/, or the name of one that exists by its digest, NAME@sha256:HEX (pulumi stack output image); to mend it: pulumi config set image \"\" --stack dev"
	)
	for _, test := range []struct{ key, value, rule string }{
		{"kubeconfig", "config", path},
		{"kubeconfig", "./config", path},
		{"kubeconfig", "~", path},
		{"kubeconfig", "~other/config", path},
		{"kubeconfig", "/my files/config", path},
		{"kubeconfig", "$HOME/config", path},
		{"kubeconfig", "/config\n", path},
		{"context", "two words", context},
		{"context", "$(id)", context},
		{"context", "'", context},
		{"registry", "team", registry}, // Docker Hub's?
		{"registry", "https://registry.example.com", registry},
		{"registry", "registry.example.com/", registry},
		{"registry", "registry.example.com/Team", registry},
		{"registry", "registry.example.com:port", registry},
		{"registry", "registry.example.com/team:v1", registry},
		{"image", "registry.example.com/team/timber-tutorial:v1", image},
		{"image", strings.TrimPrefix(existingDigest, "registry.example.com:5000/team/"), image},
	} {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			config := existingConfig(t)
			config["hello-timber:"+test.key] = test.value
			refused(t, config, test.key+` is "`+strings.ReplaceAll(test.value, "\n", `\n`)+`", `+test.rule)
			delete(config, "hello-timber:"+test.key)
			refused(t, config, test.key+" is not set, "+test.rule)
		})
	}
	config := existingConfig(t)
	config["hello-timber:kubeconfig"], config["hello-timber:registry"], config["hello-timber:nods"] = "", "", "3"
	refused(t, config,
		`kubeconfig is "", must be set, because kubeconfig, context and registry belong together; to mend it: pulumi config set kubeconfig ~/.kube/config --stack dev`,
		`registry is "", must be set, because kubeconfig, context and registry belong together; to mend it: pulumi config set registry registry.example.com/team --stack dev`,
		"nods is not a key of this program, see the config section of Pulumi.yaml; to mend it: pulumi config rm nods --stack dev")
}

func TestExistingConfigAccepted(t *testing.T) {
	for key, values := range map[string][]string{
		"context":  {"minikube", "kind-kind", "arn:aws:eks:eu-west-1:123456789012:cluster/timber", "default/api-office-example-com:6443/kube:admin"},
		"registry": {"ghcr.io/owner", "registry.example.com", "127.0.0.1:5000", "kind-registry:5000/team/a_b/c--d"},
	} {
		for _, value := range values {
			c, config := newCloud(), existingConfig(t)
			config["hello-timber:"+key] = value
			onlyTools(t, map[string]string{"docker": "true", "kubectl": strings.Replace(kubectlAnswers, "team@office", config["hello-timber:context"], 1)})
			if _, err := deploy(t, c, "dev", config); err != nil {
				t.Errorf("%s=%s: %v", key, value, err)
			}
			want(t, c.inputs(t, typeProvider), "context", config["hello-timber:context"])
			want(t, c.inputs(t, typeImage), "imageName", config["hello-timber:registry"]+"/timber-tutorial:v1")
		}
	}
}

// TestPullSecret: a login reaches the pods as a Secret, and stands nowhere else.
func TestPullSecret(t *testing.T) {
	const login = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:pullSecret"]`)
	c, config := newCloud(), existingConfig(t)
	config["hello-timber:pullSecret"] = login
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	if _, err := deploy(t, c, "dev", config); err != nil {
		t.Fatal(err)
	}
	secret := c.inputs(t, "kubernetes:core/v1:Secret")
	want(t, secret, "type", "kubernetes.io/dockerconfigjson")
	if data := secret["stringData"]; !data.IsSecret() || data.SecretValue().Element.ObjectValue()[".dockerconfigjson"].StringValue() != login {
		t.Errorf("the Secret has %v", data)
	}
	want(t, c.inputs(t, typeDeployment), "spec.template.spec.imagePullSecrets[0].name", "pull-5d6e7f8")
}

func TestPullSecretRefused(t *testing.T) {
	const mend = `pullSecret has no login, must be a Docker config with one; to mend it: kubectl create secret docker-registry login --docker-server registry.example.com:5000 ` +
		`--docker-username USER --docker-password TOKEN --dry-run=client --output 'jsonpath={.data.\.dockerconfigjson}' | base64 --decode | pulumi config set --secret pullSecret --stack dev`
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:pullSecret"]`)
	for _, value := range []string{"hush", "{}", `{"auths": {"registry.example.com:5000": {}}}`, `{"auths": {"registry.example.com:5000": {"username": "hush"}}}`, `{"auths": "hush"}`} {
		config := existingConfig(t)
		config["hello-timber:pullSecret"] = value
		refused(t, config, mend)
	}
	t.Setenv(pulumi.EnvConfigSecretKeys, `[]`)
	config := existingConfig(t)
	config["hello-timber:pullSecret"] = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	refused(t, config, "pullSecret stands in clear text in the config; to mend it: pulumi config get pullSecret | pulumi config set --secret pullSecret --stack dev")
}
