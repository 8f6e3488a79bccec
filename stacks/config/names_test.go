package config

import (
	"strings"
	"testing"
)

// Each stack has a name of its own, which is allowed everywhere.
func TestStackName(t *testing.T) {
	stacks := map[string]string{}
	for _, test := range []struct{ project, stack, want string }{
		{"hello-timber", "dev", "hello-timber-dev"},
		{"hello-timber", "pr-123", "hello-timber-pr-123"},
		{"hello-timber", "seventeen-letters", "hello-timber-seventeen-letters"}, // 30 in all
		{"hello-timber", "eighteen--letters-", "hello-timber-eighteen-73010748"},
		{"hello-timber", "a-very-long-name-of-a-stack", "hello-timber-a-very-l-febf5ee2"},
		{"hello-timber", "a-very-long-name-of-a-stock", "hello-timber-a-very-l-23a11eb8"},
		{"hello-timber", "Dev", "hello-timber-dev-4fb0dcb4"},
		{"hello-timber", "dev_1.x", "hello-timber-dev-1-x-"},
		{"2timber", "dev", "p2timber-dev-"},
		{"a", "b", "a-b-"}, // an account's ID has at least 6 characters
		{"_", "_", "p-"},
		{"hello-timber", "dev.1", "hello-timber-dev-1-"},
		{"hello-timber", "dev_1", "hello-timber-dev-1-"},
		{"hello-timber", strings.Repeat("x", 90), "hello-timber-xxxxxxxx"},
		{"hello-timber", strings.Repeat("x", 91), "hello-timber-xxxxxxxx"},
		{"", "", "p-"},
		{"", "\xff", "p-"},
		{"İ", "\u212a", "i-k-"}, // letters that change their length, or to ASCII, in lower case
		{"İ", "k", "i-k-"},
	} {
		got := StackName(test.project, test.stack)
		if other, taken := stacks[got]; taken || !strings.HasPrefix(got, test.want) || !isProjectID(got) {
			t.Errorf("StackName(%q, %q) = %q, want %q, and a name that is allowed everywhere; %q has it", test.project, test.stack, got, test.want, other)
		}
		stacks[got] = test.stack
	}
}

func TestRegion(t *testing.T) {
	for location, want := range map[string]string{
		"europe-west1-d": "europe-west1", "europe-west1": "europe-west1", "northamerica-northeast2-a": "northamerica-northeast2", "europe-west12": "europe-west12", "": "",
	} {
		if got := Region(location); got != want || IsZone(location) != (want != location) {
			t.Errorf("Region(%q) = %q, want %q", location, got, want)
		}
	}
}

func TestMachines(t *testing.T) {
	for machineType, want := range map[string][2]string{
		"e2-medium": {"pd-standard", "CPUS"}, "n1-standard-1": {"pd-standard", "CPUS"}, "n2d-standard-4": {"pd-standard", "N2D_CPUS"}, "e2-custom-2-4096": {"pd-standard", "CPUS"},
		"c3-standard-4": {"pd-balanced", "C3_CPUS"}, "g2-standard-4": {"pd-balanced", "G2_CPUS"},
		"n4-standard-2": {"hyperdisk-balanced", "N4_CPUS"}, "c4d-standard-2": {"hyperdisk-balanced", "C4D_CPUS"}, "n9-future-2": {"hyperdisk-balanced", "N9_CPUS"},
	} {
		if got := [2]string{DiskType(machineType), ProcessorQuota(machineType)}; got != want {
			t.Errorf("%s has disk and quota %s, want %s", machineType, got, want)
		}
	}
}
