package stacks

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// refused runs the program with a configuration of stack dev and expects an error
// that has each of these parts, and no resource. It returns the messages.
func refused(t *testing.T, config map[string]string, parts ...string) []string {
	t.Helper()
	c := newCloud()
	_, err := deploy(t, c, "dev", config)
	if err == nil {
		t.Errorf("accepted, want an error with %q", parts)
		return nil
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not have %q:\n%v", part, err)
		}
	}
	for _, r := range c.resources {
		if r.TypeToken != "pulumi:pulumi:Stack" {
			t.Errorf("%s is registered", r.TypeToken)
		}
	}
	_, list, ok := strings.Cut(err.Error(), ", nothing was changed:\n  - ")
	if !ok {
		t.Errorf("the error does not say that nothing was changed: %v", err)
	}
	return strings.Split(strings.TrimSpace(list), "\n  - ")
}

// wrongValues are values that each key refuses.
var wrongValues = []struct {
	key    string
	values []string
}{
	{"service", []string{"", "Timber", "1st", "timber-", "timber_tutorial", "team/timber", "a" + strings.Repeat("b", 40)}},
	{"replicas", []string{"", "0", "-1", "+1", "101", "three", "010", "1e3", "1.0", "0x3", "1_0", "٣", " 3", "3\n", "99999999999999999999"}},
	{"maxReplicas", []string{"", "-1", "00", "101", "ten"}},
	{"nodes", []string{"0", "31", "three"}},
	{"maxNodes", []string{"", "2", "31", "six"}},
	{"imageVersion", []string{"", "1.1", "2024-01-01 00:00:00 +0000 UTC", "latest", "v", "V1", "v1.", "v1-", "v1+build", "v1:v2", "v1-" + strings.Repeat("a", 61)}},
	{"gcp:project", []string{"", "123456789012", "My Project", "short", "ends-in-hyphen-", "example.com:my-project", "a" + strings.Repeat("b", 30)}},
	{"location", []string{"", "europe", "eu-west-1", "westeurope", "mars-north1-a", "europe-west1-", "europe-west1-z", "europe-west1-dd", "europe-west1d", "Europe-West1-d"}},
	{"machineType", []string{"", "medium", "n1-standard-", "t2a-standard-1", "c4a-standard-1"}},
	{"deletionProtection", []string{"", "yes", "True", "1"}},
	{"immutableTags", []string{"on"}},
	{"spot", []string{"no"}},
	{"budget", []string{"", "-1", "00", "99.50", "$100", "100001"}},
	// An empty list could be no one or everyone, so it is refused.
	{"authorizedNetworks", []string{"", "[]", `["0.0.0.0/0"]`, "203.0.113.7", "203.0.113.7/24", "203.0.113.0/33", "203.0.113.0/24,", "203.0.113.0/24, 198.51.100.0/24", "2001:db8::/32", "office"}},
	{"allowedNetworks", []string{"everyone", "203.0.113.7", "203.0.113.7/24", "203.0.113.0/24,", "fe80::%eth0/64", "2001:db8::/32", "2001:db8::/32,2001:db9::/32"}},
	{"network", []string{"My-Network", "-n", "projects/host-project/networks/n", "https://www.googleapis.com/compute/v1/projects/host-project/global/networks/n", "n/", strings.Repeat("n", 64)}},
	{"subnetwork", []string{"10.0.0.0/20", "regions/europe-west1/subnetworks/s", "S"}},
	{"secondaryRanges", []string{"pods", "pods,", ",services", "pods, services", "same,same", "pods,services,more", "10.4.0.0/14,10.8.0.0/20"}},
	{"controlPlaneRange", []string{"172.16.0.0", "172.16.0.0/24", "172.16.0.1/28", "172.17.9.0/28", "2001:db8::/28", "/28"}},
	{"address", []string{"my-address", "203.0.113.9/32", "203.0.113", "0.0.0.0", "fe80::1%eth0", "::ffff:203.0.113.9", "2001:DB8::80", "2001:db8::80"}},
	{"image", []string{
		"timber-tutorial:v1", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1", digest, strings.Replace(testDigest, "@", ":v1@", 1),
		testDigest[:len(testDigest)-1], strings.ToUpper(testDigest), " " + testDigest,
		"europe-west1-docker.pkg.dev/my-project/timber-tutorial" + digest, "docker.io/library/timber-tutorial" + digest, "gcr.io/my-project/timber-tutorial" + digest,
	}},
	{"port", []string{"0", "65536", "http"}},
	{"livenessPath", []string{"", "livez"}},
	{"readinessPath", []string{"http://localhost/readyz", "/ready now"}},
	{"startupSeconds", []string{"0", "601", "5m"}},
	{"memory", []string{"64Mi", "0", "4097"}},
	{"egress", []string{"yes"}},
	{"owner", []string{"Timber", "team timber", "-timber", "timber_", "timber@example.com", strings.Repeat("a", 64)}},
}

const digest = "@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"

// TestMessages: every refusal has the key, the value, the rule, and a complete command
// that fixes it. The golden file has all messages of the program.
func TestMessages(t *testing.T) {
	var all strings.Builder
	write := func(title string, messages []string) {
		all.WriteString("\n" + title + "\n")
		for _, message := range messages {
			if !strings.Contains(message, ". Fix: ") {
				t.Errorf("%s has no fix", message)
			}
			for part := range strings.SplitSeq(strings.ReplaceAll(message[strings.LastIndex(message, ". Fix: ")+7:], "&&", "|"), "|") {
				if strings.HasPrefix(strings.TrimSpace(part), "pulumi ") && !strings.HasSuffix(strings.TrimSpace(part), " --stack dev") {
					t.Errorf("a command does not name the stack: %s", part)
				}
			}
			all.WriteString("  " + message + "\n")
		}
	}
	configured := func(key, value string) map[string]string {
		config := stackConfig(t, "dev")
		config[qualified(key)] = value
		return config
	}
	for _, wrong := range wrongValues {
		var messages []string
		for _, value := range wrong.values {
			shown := value
			if len(shown) > 20 {
				shown = shown[:20]
			}
			shown = strings.ReplaceAll(strings.TrimSpace(shown), `"`, `\"`)
			messages = append(messages, refused(t, configured(wrong.key, value), wrong.key+": ", shown, " --stack dev")...)
		}
		config := configured(wrong.key, "")
		delete(config, qualified(wrong.key))
		messages = append(messages, refused(t, config, wrong.key+" is not set")...)
		write(wrong.key, messages)
	}

	var messages []string
	for _, value := range []string{`hush`, `["hush"]`, `{"A": {"B": "hush"}}`, `{"1A": "hush", "B C": "hush"}`, `{"A": null, "B": [], "C": "x"}`, `{"A": "hu\u0000sh"}`, `{"PORT": "hush", "GOMEMLIMIT": "hush"}`, `{"it's \"x\"": "hush"}`} {
		messages = append(messages, refused(t, configured("environment", value), "environment")...)
	}
	write("environment", messages)

	together := stackConfig(t, "dev")
	delete(together, "gcp:project")
	for key, value := range map[string]string{"replicas": "three", "location": "europe-west1", "nodes": "4", "maxNodes": "7", "replica": "3", "Nodes": "3", "two words": "x"} {
		together[qualified(key)] = value
	}
	together["other:replica"] = "not ours"
	shared := configured("network", "projects/host-project/global/networks/n")
	write("a Shared VPC", refused(t, shared, "subnetwork is not set", "pulumi config set subnetwork SUBNET --stack dev", "secondaryRanges is not set", "pulumi config set secondaryRanges PODS,SERVICES --stack dev"))
	write("several mistakes", refused(t, together, "gcp:project is not set", "nodes: 4", "replicas: three", "Nodes is", "replica is"))

	limits := configured("replicas", "4")
	limits["hello-timber:maxReplicas"] = "3"
	write("a limit", refused(t, limits, "maxReplicas: 3 is less than replicas, which is 4"))

	write("an existing cluster", existingMessages(t))
	write("tools", toolMessages(t))
	write("files in app/", fileMessages(t))
	t.Setenv("GOOGLE_CREDENTIALS", "hush")
	config := configured("gcp:credentials", "hush")
	config["gcp:impersonateServiceAccount"] = "hush"
	write("credentials", refused(t, config, "GOOGLE_CREDENTIALS", "gcp:credentials", "gcp:impersonateServiceAccount"))

	if strings.Contains(all.String(), "hush") {
		t.Error("a message has a secret")
	}
	golden(t, "messages.golden.txt", []byte("All messages of the program. Written by: go test ./stacks -update\n"+all.String()))
}

// qualified returns the name of a key as the CLI passes it.
func qualified(key string) string {
	if strings.Contains(key, ":") {
		return key
	}
	return "hello-timber:" + key
}

func existingMessages(t *testing.T) []string {
	t.Helper()
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:pullSecret"]`)
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	var messages []string
	for _, wrong := range []struct {
		key    string
		values []string
	}{
		{"kubeconfig", []string{"config", "./config", "~", "~other/config", "$HOME/config", "/config\n", "/folder/"}},
		{"context", []string{"two\nlines"}},
		{"registry", []string{"team", "https://registry.example.com", "registry.example.com/", "registry.example.com/Team", "registry.example.com:port", "registry.example.com/team:v1"}},
		{"image", []string{"registry.example.com/team/timber-tutorial:v1", "timber-tutorial" + digest}},
	} {
		for _, value := range wrong.values {
			config := existingConfig(t)
			config["hello-timber:"+wrong.key] = value
			messages = append(messages, refused(t, config, wrong.key+": ")...)
		}
	}
	config := existingConfig(t)
	config["hello-timber:kubeconfig"], config["hello-timber:registry"] = "", ""
	messages = append(messages, refused(t, config, "kubeconfig is not set", "registry is not set")...)
	for _, value := range []string{"hush", "{}", `{"auths": {"registry.example.com:5000": {}}}`, `{"auths": {"registry.example.com:5000": {"username": "hush"}}}`, `{"auths": "hush"}`} {
		config := existingConfig(t)
		config["hello-timber:pullSecret"] = value
		messages = append(messages[:len(messages):len(messages)], refused(t, config, "pullSecret is not a Docker config")...)
	}
	t.Setenv(pulumi.EnvConfigSecretKeys, `[]`)
	config = existingConfig(t)
	config["hello-timber:pullSecret"] = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	return append(messages, refused(t, config, "pullSecret is not encrypted",
		"pulumi config get pullSecret --stack dev | pulumi config set --secret pullSecret --stack dev")...)
}

// toolMessages removes tools from the machine. All that are missing are reported
// together, before anything is registered.
func toolMessages(t *testing.T) []string {
	t.Helper()
	t.Setenv("DOCKER_HOST", "")
	const plugin, engine = "gke-gcloud-auth-plugin is not in PATH", "The Docker engine does not answer"
	var messages []string
	for _, test := range []struct {
		tools  map[string]string // scripts
		misses []string
	}{
		{nil, []string{plugin, engine}},
		{map[string]string{"docker": "true"}, []string{plugin}},
		{map[string]string{"gke-gcloud-auth-plugin": "true"}, []string{engine, "executable file not found"}},
		{map[string]string{"gke-gcloud-auth-plugin": "true", "docker": "echo Client: 28; echo Cannot connect to the Docker daemon >&2; exit 1"},
			[]string{engine + " at unix:///var/run/docker.sock, where the provider builds the image: Cannot connect to the Docker daemon"}},
		// What answers in a context of the docker command's does not count.
		{map[string]string{"gke-gcloud-auth-plugin": "true", "docker": `[ "$1" != --host ] || { echo "nothing answers at $2" >&2; exit 1; }`}, []string{"nothing answers at unix:///var/run/docker.sock"}},
	} {
		onlyTools(t, test.tools)
		found := refused(t, stackConfig(t, "dev"), test.misses...)
		if misses := strings.Count(strings.Join(found, " "), plugin) + strings.Count(strings.Join(found, " "), engine); misses != len(found) {
			t.Errorf("tools %v: the error is %q", test.tools, found)
		}
		messages = append(messages, found...)
	}
	onlyTools(t, map[string]string{"docker": "true", "gke-gcloud-auth-plugin": "true"})
	messages = append(messages, refused(t, existingConfig(t), "kubectl is not in PATH")...)
	onlyTools(t, map[string]string{"docker": "true", "gke-gcloud-auth-plugin": "true"})
	return messages
}

// fileMessages spoils the source of the image. An existing image needs none.
func fileMessages(t *testing.T) (messages []string) {
	t.Helper()
	config := stackConfig(t, "dev")
	t.Run("files", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := errors.Join(os.Mkdir("app", 0o755), os.Symlink("me@host.1:2", "app/.#main.go"), os.Symlink("nowhere", "app/link")); err != nil {
			t.Fatal(err)
		}
		messages = refused(t, config, "app/.#main.go", "app/link is a link that leads nowhere")
		config["hello-timber:image"] = testDigest
		if _, err := deploy(t, newCloud(), "dev", config); err != nil {
			t.Error(err)
		}
	})
	return messages
}

// TestImageWithoutDigest: what has no digest is not deployed.
func TestImageWithoutDigest(t *testing.T) {
	for _, repoDigest := range []string{"", "<none>@<none>", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1"} {
		c := newCloud()
		c.outputs[typeImage] = resource.PropertyMap{"repoDigest": resource.NewProperty(repoDigest)}
		_, err := deploy(t, c, "dev", stackConfig(t, "dev"))
		if err == nil || !strings.Contains(err.Error(), "The digest of the pushed image: ") || !strings.Contains(err.Error(), ". Fix: ") {
			t.Errorf("repoDigest %q: error is %v", repoDigest, err)
		}
		for _, r := range c.resources {
			if r.TypeToken == typeDeployment {
				t.Errorf("repoDigest %q is deployed", repoDigest)
			}
		}
	}
}

// TestRenamedProject: the environments that came with the template have its prefix.
func TestRenamedProject(t *testing.T) {
	text, err := json.Marshal(map[string]string{"hello-timber:replicas": "1", "hello-timber:nodes": "3", "shop:replicas": "one"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(pulumi.EnvConfig, string(text))
	err = pulumi.RunErr(Deploy, pulumi.WithMocks("shop", "dev", newCloud()))
	if err == nil || !strings.Contains(err.Error(), "replicas: one") || !strings.Contains(err.Error(), "Fix: perl -pi -e 's/^  hello-timber:/  shop:/' Pulumi.dev.yaml\n") {
		t.Errorf("error is %v", err)
	}
}

// FuzzConfig: whatever a value is, the program either accepts it or refuses it with
// the list of messages, and registers nothing.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"", "3", "010", "three", "v2", "europe-west1", "true", "\x00", "${x}", strings.Repeat("9", 400)} {
		for _, key := range []string{"hello-timber:replicas", "hello-timber:imageVersion", "hello-timber:location", "hello-timber:authorizedNetworks",
			"hello-timber:image", "hello-timber:kubeconfig", "hello-timber:environment", "gcp:project", "hello-timber:" + seed} {
			f.Add(key, seed)
		}
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		config := stackConfig(t, "dev")
		config[key] = value
		c := newCloud()
		_, err := deploy(t, c, "dev", config)
		if err != nil && !strings.Contains(err.Error(), "nothing was changed:\n  - ") {
			t.Errorf("%q=%q: error is %v", key, value, err)
		}
		if err != nil && len(c.resources) > 1 { // the stack itself
			t.Errorf("%q=%q: refused with %d resources registered", key, value, len(c.resources))
		}
	})
}
