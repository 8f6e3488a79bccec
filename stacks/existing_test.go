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
)

// kubectlAnswers is a kubectl whose kubeconfig has two contexts, and a cluster with arm64 nodes.
var kubectlAnswers = kubectl(nodes("arm64"), "", "")

// kubectl returns a script that answers what the program asks a cluster.
func kubectl(nodes, runsOn, annotation string) string {
	deployments := "[]"
	if runsOn != "" {
		deployments = `[{"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/arch": "` + runsOn + `"}}}}}]`
	}
	return `case "$*" in
*get-contexts*) printf 'minikube\nteam@office\n' ;;
*--raw=/api/v1/nodes*) echo '{"items": [` + nodes + `]}' ;;
*--raw=/api/v1/namespaces/kube-system*) echo '{"metadata": {"uid": "` + testUID + `", "annotations": {"` + annotation + `": "x"}}}' ;;
*--raw=/apis/apps/v1/namespaces/hello-timber-dev/deployments*) echo '{"items": ` + deployments + `}' ;;
*) echo "what is $*?" >&2; exit 1 ;;
esac`
}

// nodes returns Linux nodes with these processors, and one with Windows.
func nodes(architectures ...string) string {
	text := `{"status": {"nodeInfo": {"operatingSystem": "windows", "architecture": "amd64"}}}`
	for _, architecture := range architectures {
		text += `, {"status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "` + architecture + `"}}}`
	}
	return text
}

// existingConfig is that of stack dev on an existing cluster and registry, and
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

// TestExisting: on an existing cluster, nothing of Google's is created, requested or needed.
func TestExisting(t *testing.T) {
	c, config := newCloud(), existingConfig(t)
	t.Setenv("GOOGLE_CREDENTIALS", "of no interest")
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	outputs, err := deploy(t, c, "dev", config)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "gcp:") {
			t.Errorf("%s is registered", r.TypeToken)
		}
	}
	if c.calls > 0 {
		t.Error("a token is requested")
	}
	if want := map[string]any{
		"url":     "http://192.0.2.80",
		"image":   testDigest,
		"cluster": "team@office",
		"kubectl": "kubectl config use-context team@office --kubeconfig ~/kubeconfig",
	}; !maps.Equal(outputs, want) {
		t.Errorf("outputs are\n%v, want\n%v", outputs, want)
	}
	// As it is in the configuration, for everyone's home.
	want(t, c.inputs(t, typeProvider), "kubeconfig", "~/kubeconfig")
}

// TestExistingClusterAndImage: a rollback and a promotion on an existing cluster need no Docker.
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
	want(t, c.container(t), "image", existingDigest)
}

// TestProcessors: the image is built for the nodes that the pods run on, and a new
// node does not change that.
func TestProcessors(t *testing.T) {
	for name, test := range map[string]struct{ nodes, runsOn, want string }{
		"all alike":                   {nodes("arm64"), "", "arm64"},
		"the most":                    {nodes("arm64", "amd64", "arm64"), "", "arm64"},
		"as many of both":             {nodes("arm64", "amd64"), "", "amd64"},
		"it runs already":             {nodes("arm64", "arm64", "amd64"), "amd64", "amd64"},
		"where it ran are none left":  {nodes("arm64"), "amd64", "arm64"},
		"it runs on no certain nodes": {nodes("s390x"), "", "s390x"},
	} {
		t.Run(name, func(t *testing.T) {
			c, config := newCloud(), existingConfig(t)
			onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectl(test.nodes, test.runsOn, "")})
			if _, err := deploy(t, c, "dev", config); err != nil {
				t.Fatal(err)
			}
			want(t, c.inputs(t, typeImage), "build.platform", "linux/"+test.want)
			want(t, c.inputs(t, typeDeployment), "spec.template.spec.nodeSelector", "map[kubernetes.io/arch:"+test.want+" kubernetes.io/os:linux]")
		})
	}
}

// TestExistingUnusable: whatever is wrong with the cluster, one line says what, and
// nothing is registered.
func TestExistingUnusable(t *testing.T) {
	asked := func(answer string) string {
		return `case "$*" in *get-contexts*) echo team@office ;; *) ` + answer + ` ;; esac`
	}
	for _, test := range []struct{ name, kubectl, key, value, what, fix string }{
		{"no kubeconfig", kubectlAnswers, "kubeconfig", "~/nowhere", "kubeconfig ~/nowhere cannot be read: no such file or directory", "pulumi config set kubeconfig '~/.kube/config' --stack dev"},
		{"not a kubeconfig", "echo error: yaml: line 1 >&2; exit 1", "", "", "error: yaml: line 1", "kubectl --kubeconfig ~/kubeconfig config view"},
		{"no such context", kubectlAnswers, "context", "kind-kind", "context: kind-kind is not in kubeconfig ~/kubeconfig, which has minikube, team@office", "pulumi config set context minikube --stack dev"},
		{"no context at all", "true", "", "", "context: team@office is not in kubeconfig ~/kubeconfig, which has none", "pulumi config set context CONTEXT --stack dev"},
		{"no answer", asked("echo E1 retrying >&2; echo The connection to the server was refused >&2; exit 1"), "", "",
			"The connection to the server was refused", "kubectl --kubeconfig ~/kubeconfig --context team@office get namespaces,nodes"},
		{"not Kubernetes", asked("echo hello"), "", "", "invalid character 'h'", "kubectl"},
		{"no identity", asked("echo {}"), "", "", "it has no kube-system namespace", "kubectl"},
		{"only Windows", kubectl(nodes(), "", ""), "", "", "it has no Linux nodes", "kubectl"},
		{"OpenShift", kubectl(nodes("amd64"), "", "openshift.io/sa.scc.uid-range"), "", "", "OpenShift", "pulumi config set context CONTEXT --stack dev"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := existingConfig(t)
			onlyTools(t, map[string]string{"docker": "true", "kubectl": test.kubectl})
			config["hello-timber:"+test.key] = test.value
			delete(config, "hello-timber:")
			refused(t, config, test.what, test.fix)
		})
	}
}

// TestExistingAsKubectlAndDockerHaveIt: whatever names those accept, and commands in
// the outputs that can be pasted.
func TestExistingAsKubectlAndDockerHaveIt(t *testing.T) {
	for key, values := range map[string][]string{
		"context": {"minikube", "kind-kind", "arn:aws:eks:eu-west-1:123456789012:cluster/timber", "default/api-office-example-com:6443/kube:admin",
			"Prod (EU West)", "Büro", "it's", "$(id)"},
		"registry":   {"ghcr.io/owner", "registry.example.com", "127.0.0.1:5000", "kind-registry:5000/team/a_b/c--d", "localhost/team", "localhost", "[2001:db8::1]:5000/team", "Registry.Example.com/team"},
		"kubeconfig": {"~/my files/kübeconfig", "~/a#b%c", "~/it's"},
	} {
		for _, value := range values {
			c, config := newCloud(), existingConfig(t)
			config["hello-timber:"+key] = value
			if key == "kubeconfig" {
				path := filepath.Join(os.Getenv("HOME"), strings.TrimPrefix(value, "~/"))
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			context := config["hello-timber:context"]
			quoted := strings.ReplaceAll(context, "'", `'\''`)
			onlyTools(t, map[string]string{"docker": "true", "kubectl": strings.Replace(kubectlAnswers, "printf 'minikube\\nteam@office\\n'", "echo minikube; echo '"+quoted+"'", 1)})
			outputs, err := deploy(t, c, "dev", config)
			if err != nil {
				t.Errorf("%s=%s: %v", key, value, err)
				continue
			}
			want(t, c.inputs(t, typeProvider), "context", context)
			want(t, c.inputs(t, typeProvider), "kubeconfig", config["hello-timber:kubeconfig"])
			want(t, c.inputs(t, typeImage), "imageName", config["hello-timber:registry"]+"/hello-timber-dev:v1")
			printed := map[string]string{
				"Prod (EU West)": "'Prod (EU West)'", "it's": `'it'\''s'`, "$(id)": "'$(id)'", "~/my files/kübeconfig": "~/'my files/kübeconfig'", "~/a#b%c": "~/'a#b%c'",
			}[value]
			if kubectl := outputs["kubectl"].(string); !strings.Contains(kubectl, printed) {
				t.Errorf("%s=%s: the output kubectl is %s", key, value, kubectl)
			}
		}
	}
}

// TestPullSecret: a login reaches the pods as a Secret, and is nowhere else.
func TestPullSecret(t *testing.T) {
	const login = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:pullSecret"]`)
	c, config := newCloud(), existingConfig(t)
	config["hello-timber:pullSecret"] = login
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	if _, err := deploy(t, c, "dev", config); err != nil {
		t.Fatal(err)
	}
	secret := c.inputs(t, typeSecret)
	want(t, secret, "type", "kubernetes.io/dockerconfigjson")
	if data := secret["stringData"]; !data.IsSecret() || data.SecretValue().Element.ObjectValue()[".dockerconfigjson"].StringValue() != login {
		t.Errorf("the Secret has %v", data)
	}
	want(t, c.inputs(t, typeDeployment), "spec.template.spec.imagePullSecrets[0].name", "pull-5d6e7f8")
}
