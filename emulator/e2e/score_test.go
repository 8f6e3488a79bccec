//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// exempt are the checks of kube-score that the service's objects do not pass, each
// as KIND CHECK with its reason. The list is exact: it neither grows unseen nor
// outlives its reasons.
var exempt = map[string]string{
	"Deployment container-image-pull-policy": "the image is given by its digest: to pull it again would fetch the same bytes, and a restart would need the registry",
}

// score checks with kube-score what is on the cluster. Every check that is on by default
// must pass but the exempt ones, and these must not, so that it is known to find something.
func (s *stack) score(t *testing.T) {
	t.Helper()
	failed := kubeScore(t, s.kubectl(t, s.namespace(), "get", "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets", "--output=yaml"))
	for check, why := range failed {
		if exempt[check] == "" {
			t.Errorf("kube-score: %s: %s", check, why)
		}
	}
	for check := range exempt {
		if failed[check] == "" {
			t.Errorf("kube-score: %s passes, and needs no exemption", check)
		}
	}
}

// kubeScore returns what is wrong with objects, by KIND CHECK.
func kubeScore(t *testing.T, objects string) map[string]string {
	t.Helper()
	// Annotations could turn checks off; exemptions are above.
	command := exec.Command("go", "tool", "kube-score", "score", "--output-format=json", "--kubernetes-version=v1.34",
		"--disable-ignore-checks-annotations", "-")
	command.Dir, command.Stdin = "../../tools/kubescore", strings.NewReader(objects)
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output() // fails, too, when a check does
	var cards []struct {
		TypeMeta struct{ Kind string } `json:"type_meta"`
		Checks   []struct {
			Check    struct{ ID, Name string }
			Grade    int
			Skipped  bool
			Comments []struct{ Path, Summary string }
		}
	}
	if parseErr := json.Unmarshal(out, &cards); parseErr != nil {
		t.Fatalf("kube-score: %v, %v\n%s%s", err, parseErr, out, &complaint)
	}
	const warning = 5 // critical is 1
	failed := map[string]string{}
	for _, card := range cards {
		for _, check := range card.Checks {
			if !check.Skipped && check.Grade <= warning {
				failed[card.TypeMeta.Kind+" "+check.Check.ID] = fmt.Sprintf("%s %v", check.Check.Name, check.Comments)
			}
		}
	}
	return failed
}
