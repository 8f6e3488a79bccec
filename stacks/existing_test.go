package stacks

import (
	"encoding/json"
	"maps"
	"os"
	"os/user"
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

// twoContexts is what kubectl prints of a kubeconfig.
const twoContexts = `{"contexts": [{"name": "minikube", "context": {"cluster": "c", "user": "u"}}, {"name": "team@office", "context": {"cluster": "office", "user": "me"}}]}`

// kubectl returns a script that answers what the program asks a cluster.
func kubectl(nodes, runsOn, annotation string) string {
	deployments := "[]"
	if runsOn != "" {
		deployments = `[{"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/arch": "` + runsOn + `"}}}}}]`
	}
	return `case "$*" in
*"config view --output=json") echo '` + twoContexts + `' ;;
*--raw=/version*) echo '{"major": "1", "minor": "31+", "gitVersion": "v1.31.4-gke.1"}' ;;
*--raw=/api/v1/nodes*) echo '{"items": [` + nodes + `]}' ;;
*--raw=/api/v1/namespaces/kube-system*) echo '{"metadata": {"uid": "` + testUID + `", "annotations": {"` + annotation + `": "x"}}}' ;;
*--raw=/apis/apps/v1/namespaces/hello-timber-dev/deployments*) echo '{"items": ` + deployments + `}' ;;
*--raw=/apis/metrics.k8s.io/v1beta1*) echo '{"kind": "APIResourceList"}' ;;
*) echo "what is $*?" >&2; exit 1 ;;
esac`
}

// answering is a kubectl that answers one question in another way. An answer that
// starts with ! is an error.
func answering(question, answer string) string {
	complaint, fails := strings.CutPrefix(answer, "!")
	script := "echo " + quoted(answer)
	if fails {
		script = "echo " + quoted(complaint) + " >&2; exit 1"
	}
	return strings.Replace(kubectlAnswers, "in\n", "in\n*'"+question+"'*) "+script+" ;;\n", 1)
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

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
	config := stackConfig(t, "dev")
	delete(config, "gcp:project")
	delete(config, "hello-timber:authorizedNetworks")
	config["hello-timber:kubeconfig"] = fromHome(t, folder) + "/kubeconfig"
	config["hello-timber:context"] = "team@office"
	config["hello-timber:registry"] = "registry.example.com:5000/team"
	return config
}

// fromHere is a path that starts with ~/.
func fromHere(t *testing.T, path string) string {
	t.Helper()
	return filepath.Join(os.Getenv("HOME"), strings.TrimPrefix(path, "~/"))
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
		"url":       "http://192.0.2.80",
		"image":     testDigest,
		"cluster":   "team@office",
		"namespace": "hello-timber-dev",
		"kubectl":   "kubectl config use-context team@office --kubeconfig " + config["hello-timber:kubeconfig"],
	}; !maps.Equal(outputs, want) {
		t.Errorf("outputs are\n%v, want\n%v", outputs, want)
	}
	// As it is in the configuration, for everyone's home.
	want(t, c.inputs(t, typeProvider), "kubeconfig", config["hello-timber:kubeconfig"])
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
		"tainted control planes":      {nodes("amd64[node-role.kubernetes.io/control-plane:NoSchedule]", "amd64[dedicated:NoExecute]", "arm64"), "", "arm64"},
		"it waits for tainted nodes":  {nodes("amd64[node-role.kubernetes.io/control-plane:NoSchedule]", "arm64"), "amd64", "arm64"},
		"an upgrade of its nodes":     {nodes("amd64[node.kubernetes.io/unschedulable:NoSchedule node.kubernetes.io/not-ready:NoExecute]", "arm64", "arm64"), "amd64", "amd64"},
		"GKE's arm64 nodes":           {nodes("arm64[kubernetes.io/arch:NoSchedule]", "arm64[kubernetes.io/arch:NoSchedule]", "amd64"), "", "arm64"},
		"a taint that only asks":      {nodes("amd64[spot:PreferNoSchedule]"), "", "amd64"},
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
		return strings.Replace(kubectlAnswers, "*--raw=/version*)", "*--raw=*) "+answer+" ;; *)", 1)
	}
	view := func(content string) string { return answering("config view", content) }
	forbidden := func(resource string) string {
		return `!Error from server (Forbidden): ` + resource + ` is forbidden: User "me" cannot list resource "` + resource + `"`
	}
	const rights = "ask its administrator for the rights that docs/your-service.md lists under Rights on an existing cluster"
	for _, test := range []struct{ name, kubectl, key, value, what, fix string }{
		{"no kubeconfig", kubectlAnswers, "kubeconfig", "~/nowhere", "kubeconfig ~/nowhere cannot be read: no such file or directory", "pulumi config set kubeconfig '~/.kube/config' --stack dev"},
		{"not a kubeconfig", "echo error: yaml: line 1 >&2; exit 1", "", "", "error: yaml: line 1", "kubectl --kubeconfig KUBECONFIG config view"},
		{"no such context", kubectlAnswers, "context", "kind-kind", "context: kind-kind is not in kubeconfig KUBECONFIG, which has minikube, team@office", "pulumi config set context minikube --stack dev"},
		{"no context at all", view(`{"contexts": null}`), "", "", "context: team@office is not in kubeconfig KUBECONFIG, which has none", "pulumi config set context CONTEXT --stack dev"},
		{"relative certificates", view(`{"contexts": [{"name": "team@office", "context": {"cluster": "c", "user": "u"}}, {"name": "other", "context": {"cluster": "d", "user": "v"}}],
			"clusters": [{"name": "c", "cluster": {"certificate-authority": "ca.crt"}}, {"name": "d", "cluster": {"certificate-authority": "other.crt"}}],
			"users": [{"name": "u", "user": {"client-certificate": "pki/me.crt", "client-key": "../me.key"}}, {"name": "v", "user": {"tokenFile": "token"}}]}`), "", "",
			"kubeconfig KUBECONFIG names ca.crt, pki/me.crt, ../me.key relative to its own folder, where Pulumi does not look. Fix: ",
			"(umask 077; kubectl --kubeconfig KUBECONFIG --context team@office config view --flatten --minify > KUBECONFIG-flat) && pulumi config set kubeconfig 'KUBECONFIG-flat' --stack dev"},
		{"a relative token", view(`{"contexts": [{"name": "team@office", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {"client-key": "me.key", "tokenFile": "token"}}]}`), "", "",
			"names me.key, token relative to its own folder", "write absolute paths into it"},
		{"a relative command", view(`{"contexts": [{"name": "team@office", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {"exec": {"command": "./bin/login"}}}]}`), "", "",
			"names ./bin/login relative to its own folder", "write absolute paths into it"},
		{"no answer", asked("echo E1 retrying >&2; echo The connection to the server was refused >&2; exit 1"), "", "",
			"The connection to the server was refused", "kubectl --kubeconfig KUBECONFIG --context team@office get namespaces,nodes"},
		{"not Kubernetes", asked("echo hello"), "", "", "invalid character 'h'", "kubectl"},
		{"no identity", answering("namespaces/kube-system", "{}"), "", "", "has no kube-system namespace", "pulumi config set context CONTEXT --stack dev"},
		{"only Windows", kubectl(nodes(), "", ""), "", "", "has no Linux nodes. Fix: ", "pulumi config set context CONTEXT --stack dev"},
		{"only control planes", kubectl(nodes("amd64[node-role.kubernetes.io/control-plane:NoSchedule]", "arm64[dedicated:NoSchedule]"), "", ""), "", "",
			"has no Linux nodes that pods may use: they have the taints dedicated, node-role.kubernetes.io/control-plane", "add a node, or choose another cluster: pulumi config set context CONTEXT --stack dev"},
		{"OpenShift", kubectl(nodes("amd64"), "", "openshift.io/sa.scc.uid-range"), "", "", "OpenShift", "pulumi config set context CONTEXT --stack dev"},
		{"an old cluster", answering("/version", `{"major": "1", "minor": "28+", "gitVersion": "v1.28.3-gke.1"}`), "", "",
			"The cluster of context team@office has Kubernetes v1.28.3-gke.1, and pods of this program need 1.31 or newer", "pulumi config set context CONTEXT --stack dev"},
		{"no right to nodes", answering("/api/v1/nodes", forbidden("nodes")), "", "", `does not let you read /api/v1/nodes: Error from server (Forbidden): nodes is forbidden: User "me" cannot list resource "nodes"`, rights},
		{"no right to kube-system", answering("namespaces/kube-system", forbidden("namespaces")), "", "", "does not let you read /api/v1/namespaces/kube-system: ", rights},
		{"no metrics server", answering("metrics.k8s.io", "!Error from server (NotFound): the server could not find the requested resource"), "maxReplicas", "3",
			"maxReplicas needs a metrics server, and the cluster of context team@office has none", "pulumi config set maxReplicas 0 --stack dev"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := existingConfig(t)
			path := config["hello-timber:kubeconfig"]
			onlyTools(t, map[string]string{"docker": "true", "kubectl": test.kubectl})
			config["hello-timber:"+test.key] = test.value
			delete(config, "hello-timber:")
			messages := refused(t, config, strings.ReplaceAll(test.what, "KUBECONFIG", path), strings.ReplaceAll(test.fix, "KUBECONFIG", path))
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
	c, config := newCloud(), existingConfig(t)
	config["hello-timber:maxReplicas"] = "3"
	onlyTools(t, map[string]string{"docker": "true", "kubectl": answering("metrics.k8s.io", "!Error from server (ServiceUnavailable): the server is currently unable to handle the request")})
	if _, err := deploy(t, c, "dev", config); err != nil {
		t.Error(err)
	}
}

// TestHome: ~ is the account's home for the Kubernetes provider, and HOME for kubectl in
// a shell. Where those differ, the program does not choose.
func TestHome(t *testing.T) {
	config := existingConfig(t)
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	home := t.TempDir()
	t.Setenv("HOME", home)
	refused(t, config, "kubeconfig "+config["hello-timber:kubeconfig"]+" is "+home[:1], " for a shell, and ", " for Pulumi: HOME is not your account's home. Fix: pulumi config set kubeconfig /", " --stack dev")

	t.Setenv("HOME", "")
	if _, err := deploy(t, newCloud(), "dev", config); err != nil {
		t.Errorf("without HOME: %v", err)
	}
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "home")
	if err := os.Symlink(account.HomeDir, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", link)
	config["hello-timber:kubeconfig"] = "~/." // the only path that leads to one place from both, whatever is in the home
	if _, err := deploy(t, newCloud(), "dev", config); err != nil {
		t.Errorf("HOME is a link to the account's home: %v", err)
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
			folder := strings.TrimSuffix(config["hello-timber:kubeconfig"], "/kubeconfig")
			config["hello-timber:"+key] = strings.Replace(value, "~", folder, 1)
			if path := fromHere(t, config["hello-timber:kubeconfig"]); key == "kubeconfig" {
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			context := config["hello-timber:context"]
			name, err := json.Marshal(context)
			if err != nil {
				t.Fatal(err)
			}
			onlyTools(t, map[string]string{"docker": "true", "kubectl": answering("config view", `{"contexts": [{"name": "minikube"}, {"name": `+string(name)+`}]}`)})
			outputs, err := deploy(t, c, "dev", config)
			if err != nil {
				t.Errorf("%s=%s: %v", key, value, err)
				continue
			}
			want(t, c.inputs(t, typeProvider), "context", context)
			want(t, c.inputs(t, typeProvider), "kubeconfig", config["hello-timber:kubeconfig"])
			want(t, c.inputs(t, typeImage), "imageName", config["hello-timber:registry"]+"/hello-timber-dev:v1")
			printed := map[string]string{
				"Prod (EU West)": "'Prod (EU West)'", "it's": `'it'\''s'`, "$(id)": "'$(id)'", "~/my files/kübeconfig": "/my files/kübeconfig'", "~/a#b%c": "/a#b%c'", "~/it's": `/it'\''s'`,
			}[value]
			if kubectl := outputs["kubectl"].(string); !strings.Contains(kubectl, printed) || key == "kubeconfig" && !strings.Contains(kubectl, " ~/'") {
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
