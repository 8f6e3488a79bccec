package stacks

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"hello-timber/stacks/config"
)

// wrongValues are values that each key refuses.
var wrongValues = []struct {
	key    string
	values []string
}{
	{"service", []string{"", "Timber", "1st", "timber-", "timber_tutorial", "team/timber", "a" + strings.Repeat("b", 40), "default-deny", "pull"}},
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
	{"domain", []string{"timber", "*.example.com", "203.0.113.9", "2001:db8::80", "timber.example.com.", "Timber.Example.com", "bücher.example", "https://timber.example.com",
		"timber_1.example.com", "timber.example.com:443", "-timber.example.com", "timber.example.1", strings.Repeat("timber.", 40) + "com"}},
	{"dnsZone", []string{"example.com", "example-com", "my-project/", "projects/my-project/managedZones/example-com", "a/b/c"}},
	{"image", []string{
		"timber-tutorial:v1", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1", digest, strings.Replace(testDigest, "@", ":v1@", 1),
		testDigest[:len(testDigest)-1], strings.ToUpper(testDigest), " " + testDigest,
		"europe-west1-docker.pkg.dev/my-project/timber-tutorial" + digest, "docker.io/library/timber-tutorial" + digest, "gcr.io/my-project/timber-tutorial" + digest,
	}},
	{"port", []string{"0", "65536", "http"}},
	{"livenessPath", []string{"", "livez"}},
	{"readinessPath", []string{"http://localhost/readyz", "/ready now"}},
	{"startupSeconds", []string{"0", "601", "5m"}},
	{"checkPath", []string{"index", "<{%x%}>"}},
	{"checkSeconds", []string{"0", "601"}},
	{"memory", []string{"64Mi", "0", "4097"}},
	{"egress", []string{"yes"}},
	{"owner", []string{"Timber", "team timber", "-timber", "timber_", "timber@example.com", strings.Repeat("a", 64)}},
}

// wrongOnExisting are values that keys refuse on an existing cluster.
var wrongOnExisting = []struct {
	key    string
	values []string
}{
	{"kubeconfig", []string{"config", "./config", "~", "~other/config", "$HOME/config", "/config\n", "/folder/"}},
	{"context", []string{"two\nlines"}},
	{"registry", []string{"team", "https://registry.example.com", "registry.example.com/", "registry.example.com/Team", "registry.example.com:port", "registry.example.com/team:v1"}},
	{"image", []string{"registry.example.com/team/timber-tutorial:v1", "timber-tutorial" + digest}},
	{"gatewayClass", []string{"Traefik", "traefik/class", "-traefik"}},
	{"tlsSecret", []string{"Timber", "ops/", "/timber", "a/b/c", "ops.team/timber"}},
	{"clusterIssuer", []string{"ops/letsencrypt", "letsencrypt_prod"}},
}

// shown are values of keys that the environments do not set.
var shown = []string{
	"gcp:project=another-project location=us-central1 nodes=6 machineType=n4-standard-2 authorizedNetworks=203.0.113.0/24,198.51.100.7/32 owner=team-timber immutableTags=true",
	"maxNodes=30",
	"network=mine subnetwork=s controlPlaneRange=10.9.0.0/28",
	"network=projects/host-project/global/networks/shared subnetwork=s secondaryRanges=pods,services location=us-central1",
	"image=" + promoted,
	`port=1024 livenessPath=/alive readinessPath=/ready startupSeconds=120 memory=512 environment={"GREETING":"hello","COLOUR":"oak"}`,
	"port=1023 egress=true allowedNetworks=203.0.113.0/24,198.51.100.0/24",
	"address=203.0.113.9",
	"replicas=100",
	"domain=timber.example.com dnsZone=dns-project/example-com",
}

// shownOnExisting are those on an existing cluster, each in addition to the ones before.
var shownOnExisting = []string{
	"domain=timber.example.com gatewayClass=traefik tlsSecret=ops/timber-tls",
	"gatewayClass=gke-l7-global-external-managed tlsSecret= clusterIssuer=letsencrypt",
}

// TestKeys shows what keys change that the environments do not set.
func TestKeys(t *testing.T) {
	text, dev := heading, devConfig(t)
	with := func(own map[string]string, set string) map[string]string {
		config := maps.Clone(own)
		for field := range strings.FieldsSeq(set) {
			key, value, _ := strings.Cut(field, "=")
			config[qualified(key)] = value
		}
		return config
	}
	show := func(own map[string]string, set string) {
		before, after := newCloud(), newCloud()
		for c, config := range map[*cloud]map[string]string{before: own, after: with(own, set)} {
			if _, err := deploy(t, c, "dev", config); err != nil {
				t.Fatal(err)
			}
		}
		text += "\n" + set + "\n" + differences(t, before, after)
	}
	for _, set := range shown {
		show(dev, set)
	}
	text += "\n# On an existing cluster, where they differ from those of existing.golden.txt, and then from those before.\n"
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	existing := existingConfig(t)
	for _, set := range shownOnExisting {
		show(existing, set)
		existing = with(existing, set)
	}
	golden(t, "keys.golden.txt", []byte(text))
}

// TestEveryKey: each key is in the tables above, or in what the other tests have.
func TestEveryKey(t *testing.T) {
	refused := "environment pullSecret"
	for _, wrong := range slices.Concat(wrongValues, wrongOnExisting) {
		refused += " " + wrong.key
	}
	changed := "budget= checkPath= checkSeconds= context= deletionProtection= imageVersion= kubeconfig= maxReplicas= pullSecret= registry= service= spot= " + strings.Join(slices.Concat(shown, shownOnExisting), " ")
	declared, _, err := config.Read(func(name string) ([]byte, error) { return os.ReadFile("../" + name) }, "none")
	if err != nil {
		t.Fatal(err)
	}
	for name := range declared {
		if !slices.Contains(strings.Fields(refused), name) {
			t.Errorf("%s: add values that it refuses to wrongValues", name)
		}
		if !strings.Contains(" "+changed, " "+name+"=") {
			t.Errorf("%s: add a value to shown, unless an environment sets it", name)
		}
	}
}
