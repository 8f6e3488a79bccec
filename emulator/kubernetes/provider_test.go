package kubernetes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// properties reads YAML-like Go maps as the engine would send them.
func properties(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

var unknown = resource.MakeComputed(resource.NewProperty(""))

func kubeconfig(server string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"x",
		"clusters":[{"name":"c","cluster":{"server":%q}}],
		"contexts":[{"name":"x","context":{"cluster":"c","user":"u","namespace":"shop"}}],
		"users":[{"name":"u","user":{}}]}`, server)
}

func TestCheckConfig(t *testing.T) {
	for _, test := range []struct {
		name  string
		news  map[string]any
		fails string
	}{
		{"all that the program uses", map[string]any{"kubeconfig": "x", "clusterIdentifier": "y", "enableServerSideApply": true, "version": "4.25.0"}, ""},
		{"unknown", map[string]any{"kubeconfig": "x", "renderYamlToDirectory": "/tmp"}, "has no property renderYamlToDirectory"},
		{"client-side apply", map[string]any{"enableServerSideApply": false}, "no client-side apply"},
		{"client-side apply, as text", map[string]any{"enableServerSideApply": "false"}, "no client-side apply"},
	} {
		response, err := New(nil).CheckConfig(context.Background(), plugin.CheckConfigRequest{News: properties(test.news)})
		if err != nil {
			t.Fatal(err)
		}
		if failures := fmt.Sprint(response.Failures); (test.fails == "") != (len(response.Failures) == 0) || !strings.Contains(failures, test.fails) {
			t.Errorf("%s: failures %v; want %q", test.name, failures, test.fails)
		}
	}
}

func TestDiffConfig(t *testing.T) {
	here, there := kubeconfig("https://192.0.2.1"), kubeconfig("https://192.0.2.2")
	other := strings.Replace(here, `"user":{}`, `"user":{"token":"t"}`, 1)
	for _, test := range []struct {
		name       string
		olds, news map[string]any
		changed    bool
		replaces   []resource.PropertyKey
	}{
		{"nothing", map[string]any{"kubeconfig": here}, map[string]any{"kubeconfig": here}, false, nil},
		{"another user", map[string]any{"kubeconfig": here}, map[string]any{"kubeconfig": other}, true, nil},
		{"another server", map[string]any{"kubeconfig": here}, map[string]any{"kubeconfig": there}, true, []resource.PropertyKey{"kubeconfig"}},
		{"not known yet", map[string]any{"kubeconfig": here}, map[string]any{"kubeconfig": unknown}, true, []resource.PropertyKey{"kubeconfig"}},
		{"another server, same identity", map[string]any{"kubeconfig": here, "clusterIdentifier": "a"},
			map[string]any{"kubeconfig": there, "clusterIdentifier": "a"}, true, nil},
		{"not known yet, same identity", map[string]any{"kubeconfig": here, "clusterIdentifier": "a"},
			map[string]any{"kubeconfig": unknown, "clusterIdentifier": "a"}, true, nil},
		{"another identity", map[string]any{"clusterIdentifier": "a"}, map[string]any{"clusterIdentifier": "b"}, true,
			[]resource.PropertyKey{"clusterIdentifier"}},
		{"identity not known yet", map[string]any{"clusterIdentifier": "a"}, map[string]any{"clusterIdentifier": unknown}, true,
			[]resource.PropertyKey{"clusterIdentifier"}},
		{"identity added", map[string]any{"kubeconfig": here}, map[string]any{"kubeconfig": here, "clusterIdentifier": "b"}, true, nil},
		{"unreadable before", map[string]any{"kubeconfig": "{"}, map[string]any{"kubeconfig": here}, true, nil},
	} {
		diff, err := New(nil).DiffConfig(context.Background(), plugin.DiffConfigRequest{OldInputs: properties(test.olds), NewInputs: properties(test.news)})
		if err != nil {
			t.Fatal(err)
		}
		if (diff.Changes == plugin.DiffSome) != test.changed || !slices.Equal(diff.ReplaceKeys, test.replaces) {
			t.Errorf("%s: changes %v, replaces %v; want %v, %v", test.name, diff.Changes, diff.ReplaceKeys, test.changed, test.replaces)
		}
	}
}

// TestUnreachable checks the one line that people get when there is no cluster.
func TestUnreachable(t *testing.T) {
	plugins := strings.Replace(kubeconfig("https://192.0.2.1"), `"user":{}`,
		`"user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1beta1","command":"gke-gcloud-auth-plugin","interactiveMode":"Never","provideClusterInfo":true}}`, 1)
	t.Setenv("PATH", t.TempDir())
	home := t.TempDir()
	t.Setenv("HOME", home)
	file := filepath.Join(home, "two")
	two := strings.Replace(kubeconfig("http://127.0.0.1:2"), `"clusters":[`, `"clusters":[{"name":"d","cluster":{"server":"http://127.0.0.1:1"}},`, 1)
	if err := os.WriteFile(file, []byte(strings.Replace(two, `"contexts":[`, `"contexts":[{"name":"y","context":{"cluster":"d","user":"u"}},`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		config map[string]any
		want   string
	}{
		{"refused", map[string]any{"kubeconfig": kubeconfig("http://127.0.0.1:1")}, "http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"no credential plugin", map[string]any{"kubeconfig": plugins}, "gke-gcloud-auth-plugin, which is not on PATH; install it with: gcloud components install gke-gcloud-auth-plugin"},
		{"no such context", map[string]any{"kubeconfig": kubeconfig("http://127.0.0.1:1"), "context": "nowhere"}, `context "nowhere" does not exist`},
		{"no such file", map[string]any{"kubeconfig": "/nowhere/config"}, "open /nowhere/config: no such file or directory"},
		{"no such file at home", map[string]any{"kubeconfig": "~/config", "context": "x"}, "open " + home + "/config: no such file or directory"},
		{"a context of a file", map[string]any{"kubeconfig": file, "context": "y"}, "http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"rubbish", map[string]any{"kubeconfig": "{]"}, "kubeconfig: "},
	} {
		p := New(nil)
		if _, err := p.Configure(context.Background(), plugin.ConfigureRequest{Inputs: properties(test.config)}); err != nil {
			t.Fatal(err)
		}
		_, err := p.Create(context.Background(), plugin.CreateRequest{URN: urn("apps/v1:Deployment", "timber"), Properties: properties(deployment())})
		if err == nil || !strings.HasPrefix(err.Error(), "configured Kubernetes cluster is unreachable: ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", test.name, err, test.want)
		}
		created, err := p.Create(context.Background(), plugin.CreateRequest{URN: urn("apps/v1:Deployment", "timber"), Properties: properties(deployment()), Preview: true})
		if err != nil || !created.Properties.DeepEquals(properties(deployment())) {
			t.Errorf("%s: preview: %v, %v; want the inputs", test.name, created.Properties, err)
		}
		remove := plugin.DeleteRequest{URN: urn("apps/v1:Deployment", "timber"), Type: "kubernetes:apps/v1:Deployment", ID: "shop/timber"}
		if _, err := p.Delete(context.Background(), remove); err == nil || !strings.Contains(err.Error(), "PULUMI_K8S_DELETE_UNREACHABLE") {
			t.Errorf("%s: delete: %v; want the way out", test.name, err)
		}
	}
}

func TestForgetUnreachable(t *testing.T) {
	t.Setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
	p := New(nil)
	if _, err := p.Configure(context.Background(), plugin.ConfigureRequest{Inputs: properties(map[string]any{"kubeconfig": kubeconfig("http://127.0.0.1:1")})}); err != nil {
		t.Fatal(err)
	}
	typ := urn("apps/v1:Deployment", "timber")
	if _, err := p.Delete(context.Background(), plugin.DeleteRequest{URN: typ, Type: typ.Type(), ID: "shop/timber"}); err != nil {
		t.Error(err)
	}
	if read, err := p.Read(context.Background(), plugin.ReadRequest{URN: typ, Type: typ.Type(), ID: "shop/timber"}); err != nil || read.ID != "" {
		t.Errorf("read %q, %v; want nothing", read.ID, err)
	}
}
