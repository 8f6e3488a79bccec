package stacks

import (
	"errors"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
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
*"config view"*--context=minikube*|*"config view"*--context=team@office*) echo '{"users": [{"user": {"client-key": "/me.key", "exec": {"command": "aws"}}}]}' ;;
*"config view"*) echo "error: cannot locate context" >&2; exit 1 ;;
*"config get-contexts --output=name") printf 'minikube\nteam@office\n' ;;
*--raw=/version*) echo '{"major": "1", "minor": "31+", "gitVersion": "v1.31.4-gke.1"}' ;;
*--raw=/api/v1/nodes*) echo '{"items": [` + nodes + `]}' ;;
*--raw=/api/v1/namespaces/kube-system*) echo '{"metadata": {"uid": "` + testUID + `", "annotations": {"` + annotation + `": "x"}}}' ;;
*--raw=/apis/apps/v1/namespaces/hello-timber-dev/deployments*) echo '{"items": ` + deployments + `}' ;;
*--raw=/apis/gateway.networking.k8s.io/v1/gatewayclasses*) echo '{"items": [{"metadata": {"name": "traefik"}}, {"metadata": {"name": "gke-l7-global-external-managed"}}]}' ;;
*--raw=/apis/metrics.k8s.io/v1beta1*) echo '{"kind": "APIResourceList"}' ;;
*) echo "what is $*?" >&2; exit 1 ;;
esac`
}

// answering is a kubectl that answers one question in another way. An answer that
// starts with ! is an error.
func answering(question, answer string) string {
	complaint, fails := strings.CutPrefix(answer, "!")
	script := "echo " + config.Quote(answer)
	if fails {
		script = "echo " + config.Quote(complaint) + " >&2; exit 1"
	}
	return strings.Replace(kubectlAnswers, "in\n", "in\n*'"+question+"'*) "+script+" ;;\n", 1)
}

// nodes returns Linux nodes with these processors, each with the taints that follow it
// in brackets, and one with Windows.
func nodes(described ...string) string {
	text := `{"status": {"nodeInfo": {"operatingSystem": "windows", "architecture": "amd64"}}}`
	for _, node := range described {
		architecture, rest, _ := strings.Cut(strings.TrimSuffix(node, "]"), "[")
		var taints []string
		for taint := range strings.FieldsSeq(rest) {
			key, effect, _ := strings.Cut(taint, ":")
			taints = append(taints, `{"key": "`+key+`", "effect": "`+effect+`"}`)
		}
		text += `, {"spec": {"taints": [` + strings.Join(taints, ", ") + `]}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "` + architecture + `"}}}`
	}
	return text
}

// existingConfig is that of stack dev on an existing cluster and registry, and
// without what only Google Cloud needs.
func existingConfig(t *testing.T) map[string]string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "kubeconfig"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := devConfig(t)
	delete(config, "gcp:project")
	delete(config, "hello-timber:authorizedNetworks")
	config["hello-timber:kubeconfig"] = fromHome(t, folder) + "/kubeconfig"
	config["hello-timber:context"] = "team@office"
	config["hello-timber:registry"] = "registry.example.com:5000/team"
	return config
}

// fromHome returns a path as the account's home leads to it, where nothing is written.
func fromHome(t *testing.T, path string) string {
	t.Helper()
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", account.HomeDir)
	relative, err := filepath.Rel(account.HomeDir, path)
	if err != nil {
		t.Fatal(err)
	}
	return "~/" + relative
}

// deployExisting runs the program on an existing cluster, of which kubectl is a script,
// with changes to existingConfig, and expects success. An existing image needs no Docker.
func deployExisting(t *testing.T, kubectl string, changes map[string]string) (*cloud, map[string]any) {
	t.Helper()
	c, config := newCloud(), existingConfig(t)
	for key, value := range changes {
		config[qualified(key)] = value
	}
	tools := map[string]string{"docker": "true", "kubectl": kubectl}
	if config[qualified("image")] != "" {
		delete(tools, "docker")
	}
	onlyTools(t, tools)
	outputs, err := deploy(t, c, "dev", config)
	if err != nil {
		t.Fatal(err)
	}
	return c, outputs
}

// TestExisting: on an existing cluster, nothing of Google's is requested or needed.
func TestExisting(t *testing.T) {
	t.Setenv("GOOGLE_CREDENTIALS", "of no interest")
	for image, running := range map[string]string{"": testDigest, existingDigest: existingDigest} {
		c, outputs := deployExisting(t, kubectlAnswers, map[string]string{"image": image})
		if want := map[string]any{
			"url":       "http://192.0.2.80",
			"image":     running,
			"cluster":   "team@office",
			"namespace": "hello-timber-dev",
			"kubectl":   "kubectl config use-context team@office --kubeconfig " + c.get(t, typeProvider, "kubeconfig").StringValue(),
		}; c.calls > 0 || !maps.Equal(outputs, want) {
			t.Errorf("%d tokens are requested, outputs are\n%v, want\n%v", c.calls, outputs, want)
		}
		c.want(t, typeDeployment, "spec.template.spec.containers[0].image", running)
	}
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
		"tainted control planes":      {nodes("amd64[node-role.kubernetes.io/control-plane:NoSchedule]", "amd64[dedicated:NoExecute]", "arm64"), "", "arm64"},
		"it waits for tainted nodes":  {nodes("amd64[node-role.kubernetes.io/control-plane:NoSchedule]", "arm64"), "amd64", "arm64"},
		"an upgrade of its nodes":     {nodes("amd64[node.kubernetes.io/unschedulable:NoSchedule node.kubernetes.io/not-ready:NoExecute]", "arm64", "arm64"), "amd64", "amd64"},
		"GKE's arm64 nodes":           {nodes("arm64[kubernetes.io/arch:NoSchedule]", "arm64[kubernetes.io/arch:NoSchedule]", "amd64"), "", "arm64"},
		"a taint that only asks":      {nodes("amd64[spot:PreferNoSchedule]"), "", "amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := deployExisting(t, kubectl(test.nodes, test.runsOn, ""), nil)
			c.want(t, typeImage, "build.platform", "linux/"+test.want)
			c.want(t, typeDeployment, "spec.template.spec.nodeSelector", "map[kubernetes.io/arch:"+test.want+" kubernetes.io/os:linux]")
		})
	}
}

// TestExistingUnusable: whatever is wrong with the cluster, one line says what, and
// nothing is registered.
func TestExistingUnusable(t *testing.T) {
	asked := func(answer string) string {
		return strings.Replace(kubectlAnswers, "*--raw=/version*)", "*--raw=*) "+answer+" ;; *)", 1)
	}
	view := func(content string) string { return answering("config view", content) }
	forbidden := func(resource string) string {
		return `!Error from server (Forbidden): ` + resource + ` is forbidden: User "me" cannot list resource "` + resource + `"`
	}
	const rights = "ask its administrator for the rights that docs/your-service.md lists under Rights on an existing cluster"
	const notFound = "!Error from server (NotFound): the server could not find the requested resource"
	const byClass = "domain timber.example.com tlsSecret timber-tls gatewayClass "
	for _, test := range []struct{ name, kubectl, set, what, fix string }{
		{"no kubeconfig", kubectlAnswers, "kubeconfig /nowhere", "kubeconfig /nowhere cannot be read: open /nowhere: no such file or directory", "pulumi config set kubeconfig '~/.kube/config' --stack dev"},
		{"not a kubeconfig", "echo error: yaml: line 1 >&2; exit 1", "", "is refused by kubectl: yaml: line 1", "kubectl --kubeconfig KUBECONFIG --context team@office config view --minify"},
		{"no such context", kubectlAnswers, "context kind-kind", "context: kind-kind is not in kubeconfig KUBECONFIG, which has minikube, team@office", "pulumi config set context minikube --stack dev"},
		{"no context at all", `case "$*" in *"config view"*) exit 1 ;; esac`, "", "context: team@office is not in kubeconfig KUBECONFIG, which has none", "pulumi config set context CONTEXT --stack dev"},
		{"relative files", view(`{"clusters": [{"name": "c", "cluster": {"certificate-authority": "ca.crt"}}],
			"users": [{"name": "u", "user": {"client-certificate": "pki/me.crt", "client-key": "/absolute/me.key", "tokenFile": "token", "exec": {"command": "./bin/login"}}}]}`), "",
			"kubeconfig KUBECONFIG names ca.crt, pki/me.crt, token, ./bin/login relative to its own folder, where Pulumi does not look", "write absolute paths into it"},
		{"no answer", asked("echo E1 retrying >&2; echo The connection to the server was refused >&2; exit 1"), "",
			"The connection to the server was refused", "kubectl --kubeconfig KUBECONFIG --context team@office get namespaces,nodes"},
		{"not Kubernetes", asked("echo hello"), "", "invalid character 'h'", "kubectl"},
		{"no identity", answering("namespaces/kube-system", "{}"), "", "has no kube-system namespace", "pulumi config set context CONTEXT --stack dev"},
		{"only Windows", kubectl(nodes(), "", ""), "", "has no Linux nodes. Fix: ", "pulumi config set context CONTEXT --stack dev"},
		{"only control planes", kubectl(nodes("amd64[node-role.kubernetes.io/control-plane:NoSchedule]", "arm64[dedicated:NoSchedule]"), "", ""), "",
			"has no Linux nodes that pods may use: they have the taints dedicated, node-role.kubernetes.io/control-plane", "add a node, or choose another cluster: pulumi config set context CONTEXT --stack dev"},
		{"OpenShift", kubectl(nodes("amd64"), "", "openshift.io/sa.scc.uid-range"), "", "OpenShift", "pulumi config set context CONTEXT --stack dev"},
		{"an old cluster", answering("/version", `{"major": "1", "minor": "28+", "gitVersion": "v1.28.3-gke.1"}`), "",
			"The cluster of context team@office has Kubernetes v1.28.3-gke.1, and pods of this program need 1.31 or newer", "pulumi config set context CONTEXT --stack dev"},
		{"no right to nodes", answering("/api/v1/nodes", forbidden("nodes")), "", `does not let you read /api/v1/nodes: Error from server (Forbidden): nodes is forbidden: User "me" cannot list resource "nodes"`, rights},
		{"no right to kube-system", answering("namespaces/kube-system", forbidden("namespaces")), "", "does not let you read /api/v1/namespaces/kube-system: ", rights},
		{"no metrics server", answering("metrics.k8s.io", notFound), "maxReplicas 3",
			"maxReplicas needs a metrics server, and the cluster of context team@office has none", "pulumi config set maxReplicas 0 --stack dev"},
		{"no such class", kubectlAnswers, byClass + "nginx", "gatewayClass: nginx is not a class of the cluster of context team@office, which has traefik, gke-l7-global-external-managed. ",
			"(kubectl --kubeconfig KUBECONFIG --context team@office get gatewayclasses): pulumi config set gatewayClass CLASS --stack dev"},
		{"no Gateway API", answering("gatewayclasses", notFound), byClass + "traefik", "gatewayClass: traefik is not a class of the cluster of context team@office, which has none", "get gatewayclasses): pulumi"},
		{"no right to classes", answering("gatewayclasses", forbidden("gatewayclasses")), byClass + "traefik", "does not let you read /apis/gateway.networking.k8s.io/v1/gatewayclasses: ", rights},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := existingConfig(t)
			path := config["hello-timber:kubeconfig"]
			onlyTools(t, map[string]string{"docker": "true", "kubectl": test.kubectl})
			messages := refused(t, changed(config, strings.Fields(test.set)...), strings.ReplaceAll(test.what, "KUBECONFIG", path), strings.ReplaceAll(test.fix, "KUBECONFIG", path))
			if len(messages) != 1 {
				t.Errorf("%d messages: %q", len(messages), messages)
			}
		})
	}
}

// TestExistingSeveral: what the cluster lacks is reported together.
func TestExistingSeveral(t *testing.T) {
	config := existingConfig(t)
	onlyTools(t, map[string]string{"docker": "true", "kubectl": strings.NewReplacer("31+", "28", `"architecture": "arm64"`, "").Replace(kubectl(nodes(), "", ""))})
	if messages := refused(t, config, "need 1.31 or newer", "has no Linux nodes"); len(messages) != 2 {
		t.Errorf("the messages are %q", messages)
	}
}

// TestMetricsServerDown: an update goes on, because it may be what repairs the cluster.
func TestMetricsServerDown(t *testing.T) {
	deployExisting(t, answering("metrics.k8s.io", "!Error from server (ServiceUnavailable): the server is currently unable to handle the request"), map[string]string{"maxReplicas": "3"})
}

// TestHome: ~ is the account's home for the Kubernetes provider, whatever HOME is.
func TestHome(t *testing.T) {
	config := existingConfig(t)
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	t.Setenv("HOME", "/elsewhere")
	if _, err := deploy(t, newCloud(), "dev", config); err != nil {
		t.Error(err)
	}
}

// TestExistingAsKubectlAndDockerHaveIt: whatever names those accept reach the providers as
// they are, and commands in the outputs can be pasted (TestQuote in stacks/config).
func TestExistingAsKubectlAndDockerHaveIt(t *testing.T) {
	for _, context := range []string{"kind-kind", "arn:aws:eks:eu-west-1:123456789012:cluster/timber", "default/api-office-example-com:6443/kube:admin", "Prod (EU West)", "Büro", "it's", "$(id)"} {
		c, outputs := deployExisting(t, answering("config view", "{}"), map[string]string{"context": context})
		c.want(t, typeProvider, "context", context)
		if kubectl := outputs["kubectl"].(string); !strings.Contains(kubectl, " use-context "+config.Quote(context)+" --kubeconfig ") {
			t.Errorf("%s: the output kubectl is %s", context, kubectl)
		}
	}
	for _, registry := range []string{"ghcr.io/owner", "127.0.0.1:5000", "kind-registry:5000/team/a_b/c--d", "localhost", "[2001:db8::1]:5000/team", "Registry.Example.com/team"} {
		c, _ := deployExisting(t, kubectlAnswers, map[string]string{"registry": registry})
		c.want(t, typeImage, "imageName", registry+"/hello-timber-dev:v1")
	}
	for _, name := range []string{"my files/kübeconfig", "a#b%c", "it's"} {
		path := fromHome(t, filepath.Join(t.TempDir(), name))
		file := filepath.Join(os.Getenv("HOME"), strings.TrimPrefix(path, "~/"))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		c, outputs := deployExisting(t, kubectlAnswers, map[string]string{"kubeconfig": path})
		c.want(t, typeProvider, "kubeconfig", path) // as it is in the configuration, for everyone's home
		if kubectl := outputs["kubectl"].(string); !strings.HasSuffix(kubectl, " --kubeconfig "+config.Quote(path)) {
			t.Errorf("%s: the output kubectl is %s", path, kubectl)
		}
	}
}

// TestPullSecret: a login reaches the pods as a Secret, and is nowhere else.
func TestPullSecret(t *testing.T) {
	const login = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:pullSecret"]`)
	c, _ := deployExisting(t, kubectlAnswers, map[string]string{"pullSecret": login})
	c.want(t, typeSecret, "type", "kubernetes.io/dockerconfigjson")
	if data := c.get(t, typeSecret, "stringData"); !data.IsSecret() || data.SecretValue().Element.ObjectValue()[".dockerconfigjson"].StringValue() != login {
		t.Errorf("the Secret has %v", data)
	}
	c.want(t, typeDeployment, "spec.template.spec.imagePullSecrets[0].name", "pull-5d6e7f8")
}
