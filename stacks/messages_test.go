package stacks

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

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
	if len(c.resources) > 1 { // the stack itself
		t.Errorf("refused with %d resources registered", len(c.resources))
	}
	_, list, ok := strings.Cut(err.Error(), ", nothing was changed:\n  - ")
	if !ok {
		t.Errorf("the error does not say that nothing was changed: %v", err)
	}
	return strings.Split(strings.TrimSpace(list), "\n  - ")
}

const digest = "@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"

// unset takes a key out of a configuration.
const unset = "\x00"

// changed changes keys of a configuration: KEY, VALUE, KEY, VALUE …
func changed(config map[string]string, pairs ...string) map[string]string {
	for i := 0; i < len(pairs); i += 2 {
		if config[qualified(pairs[i])] = pairs[i+1]; pairs[i+1] == unset {
			delete(config, qualified(pairs[i]))
		}
	}
	return config
}

// TestMessages: every refusal has the key, the value, the rule, and a complete command
// that fixes it. The golden file has all messages of the program.
func TestMessages(t *testing.T) {
	text := "All messages of the program. Written by: go test ./stacks -update\n"
	begin := func(title string) { text += "\n" + title + "\n" }
	write := func(config map[string]string, parts ...string) {
		t.Helper()
		for _, message := range refused(t, config, parts...) {
			_, fix, ok := strings.Cut(message, ". Fix: ")
			if !ok || strings.Contains(message, "hush") || strings.Contains(message, "<{%") {
				t.Errorf("no fix, or a secret, or a color of Pulumi's: %s", message)
			}
			for part := range strings.SplitSeq(strings.ReplaceAll(fix, "&&", "|"), "|") {
				if strings.HasPrefix(strings.TrimSpace(part), "pulumi ") && !strings.HasSuffix(strings.TrimSpace(part), " --stack dev") {
					t.Errorf("a command does not name the stack: %s", part)
				}
			}
			text += "  " + message + "\n"
		}
	}
	dev := func(pairs ...string) map[string]string { return changed(devConfig(t), pairs...) }
	onExisting := func(pairs ...string) map[string]string { return changed(existingConfig(t), pairs...) }

	for _, wrong := range wrongValues {
		begin(wrong.key)
		for _, value := range append(wrong.values, unset) {
			write(dev(wrong.key, value), wrong.key)
		}
	}
	begin("environment")
	for _, value := range []string{`hush`, `["hush"]`, `{"A": {"B": "hush"}}`, `{"1A": "hush", "B C": "hush"}`, `{"A": null, "B": [], "C": "x"}`, `{"A": "hu\u0000sh"}`, `{"PORT": "hush", "GOMEMLIMIT": "hush"}`, `{"it's \"x\"": "hush"}`} {
		write(dev("environment", value))
	}
	begin("a Shared VPC")
	write(dev("network", "projects/host-project/global/networks/n"))
	begin("several mistakes")
	write(dev("gcp:project", unset, "replicas", "three", "location", "europe-west1", "nodes", "4", "maxNodes", "7", "replica", "3", "Nodes", "3", "two words", "x", "<{%x%}>", "x", "other:replica", "not ours"))
	begin("zones")
	for _, zone := range []string{"missing", "private", "dns-project/other"} {
		write(dev("domain", domain, "dnsZone", zone))
	}
	begin("next to a domain")
	write(dev("domain", domain, "address", "203.0.113.9", "allowedNetworks", "203.0.113.0/24"), "address", "allowedNetworks")
	write(dev("domain", domain, "gatewayClass", "traefik", "tlsSecret", "timber-tls", "clusterIssuer", "letsencrypt"), "gatewayClass", "tlsSecret", "clusterIssuer")
	begin("a limit")
	write(dev("replicas", "4", "maxReplicas", "3"))

	begin("an existing cluster")
	login := `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	t.Run("existing", func(t *testing.T) {
		onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
		for _, wrong := range wrongOnExisting {
			for _, value := range wrong.values {
				write(onExisting(wrong.key, value), wrong.key)
			}
		}
		write(onExisting("domain", domain), "gatewayClass", "tlsSecret")
		write(onExisting("domain", domain, "gatewayClass", "traefik", "tlsSecret", "timber-tls", "clusterIssuer", "letsencrypt", "dnsZone", "example-com", "address", "203.0.113.9"), "clusterIssuer", "dnsZone", "address")
		write(onExisting("gatewayClass", "traefik", "tlsSecret", "timber-tls"), "gatewayClass", "tlsSecret")
		write(onExisting("kubeconfig", "", "registry", ""))
		for _, value := range []string{"hush", "{}", `{"auths": {"registry.example.com:5000": {}}}`, `{"auths": {"registry.example.com:5000": {"username": "hush"}}}`, `{"auths": "hush"}`} {
			write(onExisting("pullSecret", value))
		}
		write(onExisting("pullSecret", login))
	})
	begin("tools")
	t.Run("tools", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "")
		const plugin = "gke-gcloud-auth-plugin"
		for _, tools := range []map[string]string{
			nil, {"docker": "true"}, {plugin: "true"}, {plugin: "true", "docker": "echo Client: 28; echo Cannot connect to the Docker daemon >&2; exit 1"},
			// What answers in a context of the docker command's does not count.
			{plugin: "true", "docker": `[ "$1" != --host ] || { echo "nothing answers at $2" >&2; exit 1; }`},
		} {
			onlyTools(t, tools)
			write(dev())
		}
		onlyTools(t, map[string]string{"docker": "true", plugin: "true"})
		write(onExisting())
	})
	begin("files in app/")
	without, existing := dev(), dev("image", testDigest)
	t.Run("files", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := errors.Join(os.Mkdir("app", 0o755), os.Symlink("me@host.1:2", "app/.#main.go"), os.Symlink("nowhere", "app/link")); err != nil {
			t.Fatal(err)
		}
		write(without)
		if _, err := deploy(t, newCloud(), "dev", existing); err != nil { // needs no source
			t.Error(err)
		}
	})
	begin("credentials")
	t.Setenv("GOOGLE_CREDENTIALS", "hush")
	write(dev("gcp:credentials", "hush", "gcp:impersonateServiceAccount", "hush"))
	golden(t, "messages.golden.txt", []byte(text))
}

// TestRenamedProject: the environments that came with the template have its prefix. A fix
// of a value would set a key that is there already, under the other name.
func TestRenamedProject(t *testing.T) {
	text, err := json.Marshal(map[string]string{"hello-timber:replicas": "1", "hello-timber:nodes": "3", "shop:replicas": "one"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(pulumi.EnvConfig, string(text))
	err = pulumi.RunErr(Deploy, pulumi.WithMocks("shop", "dev", newCloud()))
	if err == nil || strings.Contains(err.Error(), "pulumi config set") || !strings.Contains(err.Error(), "Fix: perl -pi -e 's/^  hello-timber:/  shop:/' Pulumi.dev.yaml\n") {
		t.Errorf("error is %v", err)
	}
}

// TestCredentials: each of those that work for Google's part alone is refused; the same
// file under two names is not.
func TestCredentials(t *testing.T) {
	for _, variable := range []string{"GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "hush")
			refused(t, devConfig(t), variable+" is set", "unset "+variable)
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "hush")
			deployDev(t, nil)
		})
	}
	refused(t, changed(devConfig(t), "gcp:accessToken", "hush"), "pulumi config rm gcp:accessToken --stack dev")
}
