//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"testing"
)

// exempt are the checks of kube-score that the service's objects do not pass, each
// as KIND CHECK with its reason. The list is exact: it neither grows unseen nor
// outlives its reasons.
var exempt = map[string]string{
	"Deployment container-image-pull-policy": "the image is given by its digest: to pull it again would fetch the same bytes, and a restart would need the registry",
}

// scored are the kinds of the service's objects that kube-score knows.
const scored = "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets"

// scoreObjects checks objects, in YAML as kubectl gets them, with kube-score. Every
// check that is on by default must pass but the exempt ones, and these must not.
func scoreObjects(t *testing.T, objects []byte) {
	t.Helper()
	failed, err := kubeScore(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range slices.Sorted(maps.Keys(failed)) {
		if exempt[check] == "" {
			t.Errorf("kube-score: %s: %s", check, failed[check])
		}
	}
	for _, check := range slices.Sorted(maps.Keys(exempt)) {
		if failed[check] == "" {
			t.Errorf("kube-score: %s passes, and needs no exemption", check)
		}
	}
}

// kubeScore returns what is wrong with objects, by KIND CHECK.
func kubeScore(objects []byte) (map[string]string, error) {
	// Annotations could turn checks off; exemptions stand above.
	command := exec.Command("go", "tool", "kube-score", "score", "--output-format=json", "--kubernetes-version=v1.34",
		"--disable-ignore-checks-annotations", "-")
	command.Dir = "../../tools/kubescore"
	command.Stdin = bytes.NewReader(objects)
	var complaint bytes.Buffer
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
		return nil, fmt.Errorf("kube-score: %w, %w\n%s%s", err, parseErr, out, complaint.Bytes())
	}
	const warning = 5 // critical is 1
	checks, failed := 0, map[string]string{}
	for _, card := range cards {
		for _, check := range card.Checks {
			if checks++; !check.Skipped && check.Grade <= warning {
				failed[card.TypeMeta.Kind+" "+check.Check.ID] = fmt.Sprintf("%s %v", check.Check.Name, check.Comments)
			}
		}
	}
	if checks == 0 {
		return nil, fmt.Errorf("kube-score: nothing to check in\n%s", objects)
	}
	return failed, nil
}

// kubeScoreFinds: it is kube-score that answers, and it finds what is wrong.
func kubeScoreFinds(t *testing.T, _ *stack) {
	failed, err := kubeScore([]byte(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad, annotations: {kube-score/ignore: container-security-context-privileged}}
spec:
  replicas: 1
  selector: {matchLabels: {app: bad}}
  template:
    metadata: {labels: {app: bad}}
    spec: {containers: [{name: bad, image: "bad:latest", securityContext: {privileged: true}}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []string{"container-image-tag", "container-security-context-privileged", "pod-networkpolicy", "container-resources"} {
		if failed["Deployment "+check] == "" {
			t.Errorf("%s is not found to fail, only %v", check, failed)
		}
	}
	if _, err := kubeScore([]byte("kind: List\napiVersion: v1\nitems: []\n")); err == nil {
		t.Error("an empty list is well scored")
	}
}
