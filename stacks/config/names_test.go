package config

import (
	"strings"
	"testing"
)

func TestStackName(t *testing.T) {
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
	} {
		if got := StackName(test.project, test.stack); !strings.HasPrefix(got, test.want) || !isProjectID(got) {
			t.Errorf("StackName(%q, %q) = %q, want %q, and a name that is allowed everywhere", test.project, test.stack, got, test.want)
		}
	}
}

func FuzzStackName(f *testing.F) {
	f.Add("hello-timber", "dev", "Dev")
	f.Add("hello-timber", "dev.1", "dev_1")
	f.Add("hello-timber", strings.Repeat("x", 90), strings.Repeat("x", 91))
	f.Add("", "", "\xff")
	f.Add("İ", "K", "k") // letters that change their length, or to ASCII, in lower case
	f.Fuzz(func(t *testing.T, project, a, b string) {
		nameA, nameB := StackName(project, a), StackName(project, b)
		if !isProjectID(nameA) {
			t.Errorf("StackName(%q, %q) = %q is not allowed everywhere", project, a, nameA)
		}
		if (a == b) != (nameA == nameB) {
			t.Errorf("stacks %q and %q of %q are named %q and %q", a, b, project, nameA, nameB)
		}
	})
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
