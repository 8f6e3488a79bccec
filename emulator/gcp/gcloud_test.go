package gcp

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"hello-timber/emulator/records"
)

// The clusters run the version that they say they run.
func TestVersion(t *testing.T) {
	text, err := os.ReadFile("../hyperkube/go.mod")
	if err != nil || !strings.Contains(string(text), "\tk8s.io/kubernetes v"+kubernetes+"\n") {
		t.Errorf("emulator/hyperkube/go.mod has another version of Kubernetes than %s, %v. Fix: write it into emulator/gcp/cluster.go", kubernetes, err)
	}
}

// gcloud returns what a command prints.
func gcloud(t *testing.T, b records.Book, command string) (string, error) {
	t.Setenv("CLOUDSDK_CORE_PROJECT", "")
	var out bytes.Buffer
	err := (&call{records: b, out: &out, errOut: &out}).run(strings.Fields(command))
	return out.String(), err
}

func book(t *testing.T) records.Book {
	b := records.Book{Dir: t.TempDir()}
	timber := props{"name": "timber", "location": "europe-west1-d", "project": "timber-project", "endpoint": "172.30.0.2", "masterAuth": props{"clusterCaCertificate": "Q0E="}}
	put := func(typ string, properties props) {
		if err := b.Put(typ, records.Record{ID: types[typ].Identify(properties), Properties: properties}); err != nil {
			t.Fatal(err)
		}
	}
	put(clusterType, timber)
	put(clusterType, with(timber, props{"project": "other-project"}))
	put(clusterType, with(timber, props{"name": "half", "masterAuth": nil, maker: 1}))
	return b
}

func TestGcloud(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "config")
	t.Setenv("KUBECONFIG", kubeconfig)
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\ncontexts: [{name: mine, context: {cluster: mine, user: mine}}]\ncurrent-context: mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const services = "services list --enabled --filter=config.name=x --project=timber-project --format=json"
	b := book(t)
	for _, test := range []struct{ command, want string }{ // in this order
		{"container clusters get-credentials timber --location europe-west1-d --project=timber-project", "kubeconfig entry generated for timber."},
		{"container clusters get-credentials --zone=europe-west1-d timber --project timber-project", "kubeconfig entry generated for timber."},
		{"container clusters get-credentials nothing", "!0 clusters match nothing"},
		{"container clusters get-credentials timber", "!2 clusters match timber"},
		{"container clusters get-credentials half", "!is still being created"},
		{"container clusters get-credentials", "!NAME is missing"},
		{"container clusters get-credentials timber more", "!unexpected argument more"},
		{"container clusters get-credentials timber --frobnicate", "!not defined: -frobnicate"},
		{services, `[{"config":{"name":"cloudresourcemanager.googleapis.com"}}]`},
		{"services disable cloudresourcemanager.googleapis.com --project=timber-project", ""},
		{"services enable --project timber-project iam.googleapis.com", ""},
		{"services enable compute.googleapis.com --project=other-project", ""},
		{services, `[{"config":{"name":"iam.googleapis.com"}}]`},
		{"services enable iam.googleapis.com", "!--project=PROJECT is missing"},
		{"services list --project=p --format=yaml", "!must be json"},
		{"projects describe timber-project --format=json", `{"lifecycleState":"ACTIVE","projectId":"timber-project"}`},
		{"auth configure-docker europe-west1-docker.pkg.dev --quiet", "Nothing to configure"},
		{"", "!the emulator's gcloud knows only\n  gcloud auth application-default login\n"},
		{"compute instances list", "!the emulator has no gcloud compute instances list"},
		{"services listing", "!the emulator has no gcloud services listing"},
	} {
		got, err := gcloud(t, b, test.command)
		want, fails := strings.CutPrefix(test.want, "!")
		if (err != nil) != fails || !fails && !strings.Contains(got, want) || fails && !strings.Contains(err.Error(), want) {
			t.Errorf("gcloud %s: got\n%s\n%v\nwant\n%s", test.command, got, err, test.want)
		}
	}
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	const name = "gke_timber-project_europe-west1-d_timber"
	if config.CurrentContext != name || config.Contexts["mine"] == nil || config.Clusters[name].Server != "https://172.30.0.2" ||
		string(config.Clusters[name].CertificateAuthorityData) != "CA" || config.AuthInfos[name].Exec.Command != "gke-gcloud-auth-plugin" {
		t.Errorf("kubeconfig: %+v", config)
	}
}

// An API that a user disables is missed by the program, with the fix.
func TestServicesDisabledManually(t *testing.T) {
	e := start(t)
	for command, there := range map[string]bool{"disable": false, "enable": true} {
		if _, err := gcloud(t, e.records, "services "+command+" container.googleapis.com --project timber-project"); err != nil || e.refresh(serviceType, "container") != there {
			t.Errorf("%s: %v", command, err)
		}
	}
	if _, err := gcloud(t, e.records, "services disable cloudresourcemanager.googleapis.com --project=timber-project"); err != nil {
		t.Fatal(err)
	}
	const fix = "gcloud services enable cloudresourcemanager.googleapis.com --project timber-project"
	if err := e.try(serviceType, "new", props{"service": "iam.googleapis.com"}); err == nil || !strings.Contains(err.Error(), fix) {
		t.Errorf("without the API to find projects, another is enabled with %v, want %q", err, fix)
	}
}

func TestAuthPlugin(t *testing.T) {
	var out bytes.Buffer
	if err := AuthPlugin([]string{"--use_application_default_credentials"}, &out); err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":false},"status":{"token":"ya29.`
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %s, want %s", &out, want)
	}
	if err := AuthPlugin([]string{"--impersonate"}, &out); err == nil {
		t.Error("an unknown flag was accepted")
	}
}
