package lifecycle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	settings "hello-timber/stacks/config"
)

const (
	promoted = "europe-west4-docker.pkg.dev/staging-project/hello-timber-staging/timber-tutorial@sha256:1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef01"
	earlier  = "europe-west1-docker.pkg.dev/my-project/hello-timber-prod/timber-tutorial@sha256:1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef01"
	login    = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
)

// key is a key of the config, and two values that differ from the default and from each other.
type key struct {
	name, first, second string
	// secret has the values stored encrypted.
	secret bool
}

// Next to each other are those that add or remove a resource.
var (
	everywhere = []key{
		{name: "environment", first: `{"A": "b"}`, second: `{"A": "c", "D": "e"}`, secret: true},
		{name: "environment", first: `{"A": "b"}`, second: `{"A": "c", "D": "e"}`},
		{name: "replicas", first: "2", second: "4"},
		{name: "imageVersion", first: "v2", second: "v3"},
		{name: "port", first: "80", second: "3000"},
		{name: "livenessPath", first: "/alive", second: "/"},
		{name: "readinessPath", first: "/ready", second: "/"},
		{name: "startupSeconds", first: "60", second: "600"},
		{name: "checkPath", first: "/index", second: "/"},
		{name: "checkSeconds", first: "60", second: "600"},
		{name: "memory", first: "256", second: "512"},
		{name: "egress", first: "true", second: "false"},
		{name: "allowedNetworks", first: "198.51.100.0/24", second: "198.51.100.0/24,203.0.113.0/24"},
		{name: "address", first: "203.0.113.9", second: "203.0.113.10"},
		{name: "owner", first: "team-timber", second: "team-tutorial"},
	}
	onGoogleCloud = append([]key{
		{name: "nodes", first: "6", second: "9"},
		{name: "maxNodes", first: "12", second: "15"},
		{name: "machineType", first: "n4-standard-2", second: "n1-standard-1"},
		{name: "spot", first: "true", second: "false"},
		{name: "authorizedNetworks", first: "198.51.100.0/24", second: "0.0.0.0/0"},
		{name: "immutableTags", first: "false", second: "true"},
		{name: "budget", first: "100", second: "200"},
		{name: "image", first: promoted, second: earlier},
		{name: "maxReplicas", first: "10", second: "12"},
	}, everywhere...)
	onExistingCluster = []key{
		{name: "kubeconfig", first: home + "/another", second: home + "/third"},
		{name: "registry", first: "registry.example.com:5000", second: "localhost:5000/team"},
		{name: "image", first: promoted, second: earlier},
		{name: "pullSecret", first: login, second: strings.Replace(login, "5000", "5001", 1), secret: true},
		{name: "maxReplicas", first: "10", second: "12"},
		{name: "environment", first: `{"A": "b"}`, second: `{"A": "c", "D": "e"}`, secret: true},
	}
	// A change of these replaces the cluster, or what is on it.
	movesOnGoogleCloud = []key{
		{name: "location", first: "europe-west4", second: "us-central1"},
		{name: "network", first: "mine", second: "projects/my-project/global/networks/another"},
		{name: "subnetwork", first: "mine", second: "another"},
		{name: "secondaryRanges", first: "pods,services", second: "p,s"},
		{name: "controlPlaneRange", first: "10.9.0.0/28", second: "10.9.0.16/28"},
	}
	movesOnExistingCluster = []key{{name: "context", first: "office", second: "home"}}
	// A service of another name is created before the old one is deleted. The engine refuses
	// that in a preview, but in an update only then: so this is for stacks without protection.
	renames = []key{{name: "service", first: "shop", second: "store"}}
	// TestDomain has these: they need or exclude others.
	domains = []key{{name: "domain"}, {name: "dnsZone"}, {name: "gatewayClass"}, {name: "tlsSecret"}, {name: "clusterIssuer"}}
)

// TestEveryKey: the tests below have all keys.
func TestEveryKey(t *testing.T) {
	declared, _, err := settings.Read(os.ReadFile, "none")
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{"deletionProtection": true}
	for _, k := range slices.Concat(onGoogleCloud, onExistingCluster, movesOnGoogleCloud, movesOnExistingCluster, renames, domains) {
		tested[k.name] = true
	}
	for name := range declared {
		if !tested[name] {
			t.Errorf("%s: add values to change it to", name)
		}
	}
}

// TestKeysComeAndGo sets, changes and takes back every key. What a key adds, the same key
// removes, of a protected stack, too. Only what replaces the cluster is refused there, and
// then nothing has changed.
func TestKeysComeAndGo(t *testing.T) {
	for name, test := range map[string]struct{ keys, moves []key }{
		"prod": {onGoogleCloud, movesOnGoogleCloud}, "existing": {onExistingCluster, movesOnExistingCluster},
	} {
		t.Run(name+", protected", func(t *testing.T) {
			t.Parallel()
			l := begin(t, name)
			l.up("the first update")
			l.comeAndGo(test.keys)
			for _, k := range test.moves {
				l.choose(setting{k, k.first})
				if _, err := l.update(); err == nil || !strings.Contains(err.Error(), "protect") {
					t.Errorf("%s: the update is not refused: %v", k.name, err)
				}
				l.choose()
				l.up(k.name + ", after the refusal")
			}
		})
		t.Run(name+", not protected", func(t *testing.T) {
			t.Parallel()
			l := begin(t, name)
			l.own[prefix+"deletionProtection"] = "false"
			l.choose()
			l.up("the first update")
			l.comeAndGo(slices.Concat(renames, test.moves))
		})
	}
}

// comeAndGo sets each key, changes it, and takes it back, in three updates. Each update
// does one of these with three keys, and is followed by an empty preview. In the end,
// there is what was there before.
func (l *life) comeAndGo(keys []key) {
	l.t.Helper()
	had := l.has()
	for i := range len(keys) + 2 {
		var now []setting
		what := "all taken back"
		if i > 0 && i <= len(keys) {
			what = keys[i-1].name + " changed, the one before taken back"
			now = append(now, setting{keys[i-1], keys[i-1].second})
		}
		if i < len(keys) {
			what = keys[i].name + " set, " + what
			now = append(now, setting{keys[i], keys[i].first})
		}
		l.choose(now...)
		l.up(what)
	}
	l.hasAgain("all taken back", had)
}

// TestAllKeysAtOnce: from the defaults to other values, and back. A destroy of the
// protected stack deletes nothing. Without protection it deletes everything.
func TestAllKeysAtOnce(t *testing.T) {
	for name, keys := range map[string][]key{"prod": onGoogleCloud, "existing": onExistingCluster} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begin(t, name)
			l.up("the first update")
			had := l.has()
			l.destroyRefused("with the defaults")
			var all []setting
			for _, k := range keys {
				all = append(all, setting{k, k.first})
			}
			l.choose(all...)
			l.up("all keys set")
			l.destroyRefused("with all keys")
			l.choose()
			l.up("all keys taken back")
			l.hasAgain("all keys taken back", had)
			l.choose(append(all, set("deletionProtection", "false"))...)
			l.up("not protected any more")
			if err := l.destroy(); err != nil {
				t.Fatal(err)
			}
			if len(l.cloud.exists) > 0 || len(l.snapshot.Resources) > 0 {
				t.Errorf("this is left:\n%q\nand in the state %q", sorted(l.cloud.exists), l.has())
			}
		})
	}
}

func (l *life) destroyRefused(what string) {
	l.t.Helper()
	had := l.has()
	if err := l.destroy(); err == nil || !strings.Contains(err.Error(), "protected") {
		l.t.Errorf("%s: the destroy is not refused: %v", what, err)
	}
	l.hasAgain(what+", after a refused destroy (protect what is lost, or let what is protected depend on it)", had)
	l.sane(what)
}

// begin returns the life of a stack with its own config. That of "existing" is prod's, on
// an existing cluster that kubectl knows.
func begin(t *testing.T, stack string) *life {
	t.Helper()
	if stack != "existing" {
		return newLife(t, stack)
	}
	l := newLife(t, "prod")
	delete(l.own, "gcp:project")
	l.own[prefix+"kubeconfig"], l.own[prefix+"context"], l.own[prefix+"registry"] = home+"/kubeconfig", "team@office", "registry.example.com:5000/team"
	l.choose()
	return l
}

// home is a folder with a kubectl and the kubeconfigs that it is given.
var home, _ = filepath.Abs("testdata/home") // fails without a working folder
