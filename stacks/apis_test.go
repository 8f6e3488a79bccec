package stacks

import (
	"maps"
	"testing"
)

// TestAPIsStayEnabled: others in the project may use them.
func TestAPIsStayEnabled(t *testing.T) {
	c, _ := deployDev(t, nil)
	for _, api := range []string{"container", "compute", "artifactregistry", "iam"} {
		inputs := c.inputs(t, typeAPI, api)
		want(t, inputs, "service", api+".googleapis.com")
		want(t, inputs, "disableOnDestroy", false)
	}
}

func TestEachWaitsForItsAPI(t *testing.T) {
	c, _ := deployDev(t, nil)
	for typ, apis := range map[string][]string{
		typeCluster:    {"container", "compute"},
		typeAccount:    {"iam"},
		typeRepository: {"artifactregistry"},
	} {
		want := map[string]bool{}
		for _, api := range apis {
			want[typeAPI+" "+api] = true
		}
		if got := c.dependencies(t, typ); !maps.Equal(got, want) {
			t.Errorf("%s depends on %v, want %v", typ, got, want)
		}
	}
}
