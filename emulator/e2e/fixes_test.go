package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFixes sets every key to a wrong value of the right type (the CLI checks types),
// and then runs every command that the program prints. The selected stack is another
// one all the time: each command must name the stack that it acts on.
func TestFixes(t *testing.T) {
	t.Parallel()
	s := newStack(t, "e2e-fixes")
	s.pulumi(t, "config", "set", "--path", "environment.PORT", "80")
	s.pulumi(t, "config", "set", "--path", `environment["two words"]`, "x")
	s.pulumi(t, "config", "rm", "gcp:project")
	for _, wrong := range [][2]string{
		{"location", "europe"}, {"nodes", "0"}, {"machineType", "t2a-standard-1"}, {"authorizedNetworks", "office"},
		{"network", "My-Network"}, {"subnetwork", "10.0.0.0/20"}, {"secondaryRanges", "pods"}, {"controlPlaneRange", "172.17.0.0/28"},
		{"replicas", "101"}, {"imageVersion", "latest"}, {"image", "timber-tutorial:v1"}, {"port", "0"}, {"livenessPath", "livez"}, {"readinessPath", "readyz"},
		{"startupSeconds", "0"}, {"memory", "5000"}, {"allowedNetworks", "everyone"}, {"address", "my-address"}, {"owner", "Team Timber"},
		{"kubeconfig", "config"}, {"hello-timber:nosuchkey", "x"},
	} {
		s.pulumi(t, "config", "set", wrong[0], wrong[1])
	}
	// Every preview runs the program; each round runs all fixes that it printed.
	round := func(want ...string) {
		t.Helper()
		selected := s.env
		s.env = append(slices.Clone(selected), "PULUMI_STACK=e2e-another-stack")
		defer func() { s.env = selected }()
		_, err := s.try("pulumi", "preview", "--stack", s.name)
		if err == nil {
			t.Fatalf("wrong values of %q are accepted", want)
		}
		fixed := map[string]bool{}
		for _, printed := range regexp.MustCompile(`(?m)^ +- "?([\w.:]+).*\. Fix: (pulumi .*)$`).FindAllStringSubmatch(said(err), -1) {
			fixed[strings.TrimSuffix(printed[1], ":")] = true
			placeholders := strings.NewReplacer("PROJECT_ID", "hello-timber-"+s.name, "CONTEXT", "office")
			s.run(t, "sh", "-c", placeholders.Replace(printed[2]))
		}
		for _, key := range want {
			if !fixed[key] {
				t.Errorf("no fix is printed for %s:\n%v", key, err)
			}
		}
	}
	round("kubeconfig", "context", "registry", "replicas", "imageVersion", "image", "port", "livenessPath", "readinessPath", "startupSeconds", "memory",
		"allowedNetworks", "address", "owner", "environment.PORT", "environment.two", "nosuchkey")
	for _, key := range []string{"kubeconfig", "context", "registry"} { // with these, Google's keys have no meaning
		s.pulumi(t, "config", "set", key, "")
	}
	round("gcp:project", "location", "nodes", "machineType", "authorizedNetworks", "network", "subnetwork", "secondaryRanges", "controlPlaneRange")
	s.pulumi(t, "preview")
}
