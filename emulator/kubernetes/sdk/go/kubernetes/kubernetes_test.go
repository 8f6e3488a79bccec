package kubernetes

import (
	"encoding/json"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// original is the folder of this package in the SDK, at the version that the program requires.
func original(t *testing.T) string {
	t.Helper()
	text, err := exec.Command("go", "-C", "../../../../..", "mod", "download", "-json", "github.com/pulumi/pulumi-kubernetes/sdk/v4").Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(text, &module) != nil || module.Dir == "" {
		t.Fatalf("the SDK: %v, %s", err, text)
	}
	return filepath.Join(module.Dir, "go", "kubernetes")
}

// The SDK registers each kind that it knows under the same type.
func TestTypeToken(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(original(t), "yaml", "v2", "kinds.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, function, _ := strings.Cut(string(source), "\nfunc RegisterResource(")
	cases := regexp.MustCompile(`case "(.+)/(\w+)":\s+var res \w+\.\w+\s+err := ctx\.RegisterResource\("(.+?)", name, props, &res, opts\.\.\.\)\n`).FindAllStringSubmatch(function, -1)
	if all := strings.Count(function, "case "); len(cases) != all || all < 150 {
		t.Fatalf("%d of the SDK's %d cases are understood", len(cases), all)
	}
	for _, c := range cases {
		if got := TypeToken(c[1], c[2]); got != c[3] {
			t.Errorf("%s %s is registered as %s, by the SDK as %s", c[1], c[2], got, c[3])
		}
	}
	if !strings.Contains(function, `ctx.RegisterResource(fmt.Sprintf("kubernetes:%s:%s", apiVersion, kind), name, props, &res, opts...)`) {
		t.Error("the SDK registers custom resources in another way")
	}
	if got := TypeToken("example.com/v1", "Timber"); got != "kubernetes:example.com/v1:Timber" {
		t.Errorf("a custom resource is registered as %s", got)
	}
}

// What the provider reads of a chart has the SDK's fields.
func TestChartInputs(t *testing.T) {
	want, got := structs(t, filepath.Join(original(t), "helm", "v4", "pulumiTypes.go")), structs(t, "helm/v4/helm.go")
	for _, name := range []string{"PostRenderer", "PostRendererArgs", "RepositoryOpts", "RepositoryOptsArgs"} {
		if got[name] == "" || got[name] != want[name] {
			t.Errorf("%s is %s, in the SDK %s", name, got[name], want[name])
		}
	}
}

// structs are the struct types of a file, without comments.
func structs(t *testing.T, path string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			var text strings.Builder
			if err := format.Node(&text, files, spec.Type); err != nil {
				t.Fatal(err)
			}
			found[spec.Name.Name] = strings.Join(strings.Fields(text.String()), " ")
		}
		return true
	})
	return found
}
