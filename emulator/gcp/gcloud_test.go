package gcp

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"hello-timber/emulator/records"
)

func book(t *testing.T, clusters ...props) records.Book {
	b := records.Book{Dir: t.TempDir()}
	for _, properties := range clusters {
		if err := b.Put(clusterType, records.Record{ID: types[clusterType].Identify(properties), Properties: properties}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func gcloud(b records.Book, out io.Writer, args ...string) error {
	return (&call{records: b, out: out, errOut: out}).run(args)
}

var timber = props{"name": "timber", "location": "europe-west1-d", "project": "timber-project", "endpoint": "172.30.0.2", "masterAuth": props{"clusterCaCertificate": "Q0E="}}

func TestGetCredentials(t *testing.T) {
	b := book(t, timber, with(timber, props{"project": "other-project"}), with(timber, props{"name": "half", "masterAuth": nil, maker: 1}))
	kubeconfig := filepath.Join(t.TempDir(), "config")
	t.Setenv("KUBECONFIG", kubeconfig)
	t.Setenv("CLOUDSDK_CORE_PROJECT", "")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\ncontexts: [{name: mine, context: {cluster: mine, user: mine}}]\ncurrent-context: mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	get := []string{"container", "clusters", "get-credentials"}
	for _, args := range [][]string{
		{"timber", "--location", "europe-west1-d", "--project=timber-project"},
		{"--zone=europe-west1-d", "timber", "--project", "timber-project"},
	} {
		if err := gcloud(b, &said, slices.Concat(get, args)...); err != nil {
			t.Fatal(err)
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
	if !strings.Contains(said.String(), "kubeconfig entry generated for timber.") {
		t.Errorf("said %q", said.String())
	}
	for want, args := range map[string][]string{
		"0 clusters match nothing": {"nothing"},
		"2 clusters match timber":  {"timber"},
		"is still being created":   {"half"},
		"NAME is missing":          {},
		"unexpected argument":      {"timber", "more"},
		"not defined: -frobnicate": {"timber", "--frobnicate"},
	} {
		if err := gcloud(b, &said, slices.Concat(get, args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
}

func TestListClusters(t *testing.T) {
	b := book(t, timber, with(timber, props{"name": "half", maker: 1}))
	nodes := with(pool, props{"name": "p", "cluster": "timber", "project": "timber-project", "nodeCount": 3.0})
	if err := b.Put(nodePoolType, records.Record{ID: types[nodePoolType].Identify(nodes), Properties: nodes}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := gcloud(b, &out, "container", "clusters", "list"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := "NAME LOCATION MASTER_VERSION MASTER_IP MACHINE_TYPE NODE_VERSION NUM_NODES STATUS\n" +
		"half europe-west1-d " + version + " 172.30.0.2 " + version + " 0 PROVISIONING\n" +
		"timber europe-west1-d " + version + " 172.30.0.2 e2-medium " + version + " 3 RUNNING"
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// An API that a user disables is missed by the program, with the fix.
func TestServicesDisabledManually(t *testing.T) {
	e := start(t, nil)
	e.up(serviceType, "container", props{"service": "container.googleapis.com"})
	command := func(on bool, args ...string) {
		t.Helper()
		if err := gcloud(e.records, nil, slices.Concat([]string{"services", map[bool]string{true: "enable", false: "disable"}[on]}, args)...); err != nil {
			t.Fatal(err)
		}
	}
	command(false, "container.googleapis.com", "--project", "timber-project")
	if e.refresh(serviceType, "container") {
		t.Error("a disabled API is still there")
	}
	command(true, "--project=timber-project", "container.googleapis.com")
	if !e.refresh(serviceType, "container") {
		t.Error("an enabled API is not there")
	}
	command(false, bootstrapAPI.host, "--project=timber-project")
	const fix = "gcloud services enable cloudresourcemanager.googleapis.com --project timber-project"
	if err := e.try(serviceType, "iam", props{"service": "iam.googleapis.com"}); err == nil || !strings.Contains(err.Error(), fix) {
		t.Errorf("without the API to find projects, another is enabled with %v, want %q", err, fix)
	}
	command(true, bootstrapAPI.host, "--project=timber-project")
	e.up(serviceType, "iam", props{"service": "iam.googleapis.com"})
	for _, args := range [][]string{nil, {"iam.googleapis.com"}, {"--project=timber-project"}, {"a", "b", "--project=timber-project"}} {
		t.Setenv("CLOUDSDK_CORE_PROJECT", "")
		if err := gcloud(e.records, nil, slices.Concat([]string{"services", "enable"}, args)...); err == nil {
			t.Errorf("%q is understood", args)
		}
	}
}

// What make doctor asks of Google is answered in Google's form.
func TestProjectsAndServicesInJSON(t *testing.T) {
	b := book(t)
	list := func() string {
		var out bytes.Buffer
		if err := gcloud(b, &out, "services", "list", "--enabled", "--filter=config.name=x", "--project=timber-project", "--format=json"); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := list(); got != `[{"config":{"name":"cloudresourcemanager.googleapis.com"}}]`+"\n" {
		t.Errorf("listed %s", got)
	}
	for api, on := range map[string]bool{bootstrapAPI.host: false, "iam.googleapis.com": true} {
		if err := gcloud(b, nil, "services", map[bool]string{true: "enable", false: "disable"}[on], api, "--project=timber-project"); err != nil {
			t.Fatal(err)
		}
	}
	if err := gcloud(b, nil, "services", "enable", "compute.googleapis.com", "--project=other-project"); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != `[{"config":{"name":"iam.googleapis.com"}}]`+"\n" {
		t.Errorf("listed %s", got)
	}
	var out bytes.Buffer
	if err := gcloud(b, &out, "projects", "describe", "timber-project", "--format=json"); err != nil || out.String() != `{"lifecycleState":"ACTIVE","projectId":"timber-project"}`+"\n" {
		t.Errorf("described %s, %v", &out, err)
	}
	if err := gcloud(b, &out, "projects", "describe"); err == nil {
		t.Error("no project was described")
	}
}

func TestGcloudRefuses(t *testing.T) {
	for _, command := range []string{"", "compute instances list", "container clusters create x", "container clusters listing"} {
		if err := Gcloud(strings.Fields(command), nil, nil); err == nil || !strings.Contains(err.Error(), "the emulator's gcloud knows only") {
			t.Errorf("gcloud %s: %v", command, err)
		}
	}
}

func TestAuthPlugin(t *testing.T) {
	var out bytes.Buffer
	if err := AuthPlugin([]string{"--use_application_default_credentials"}, &out); err != nil {
		t.Fatal(err)
	}
	var credential struct {
		APIVersion, Kind string
		Status           struct{ Token string }
	}
	if err := json.Unmarshal(out.Bytes(), &credential); err != nil {
		t.Fatal(err)
	}
	if credential.APIVersion != "client.authentication.k8s.io/v1beta1" || credential.Kind != "ExecCredential" || !strings.HasPrefix(credential.Status.Token, "ya29.") {
		t.Errorf("got %+v", credential)
	}
	if err := AuthPlugin([]string{"--version"}, &out); err != nil {
		t.Error(err)
	}
	if err := AuthPlugin([]string{"--impersonate"}, &out); err == nil {
		t.Error("an unknown flag was accepted")
	}
}
