package config

import "testing"

func TestDiskType(t *testing.T) {
	for machineType, want := range map[string]string{
		"e2-medium": "pd-standard", "n1-standard-1": "pd-standard", "n2d-standard-4": "pd-standard", "t2d-standard-1": "pd-standard", "e2-custom-2-4096": "pd-standard",
		"c3-standard-4": "pd-balanced", "c3d-standard-8": "pd-balanced", "g2-standard-4": "pd-balanced",
		"n4-standard-2": "hyperdisk-balanced", "c4-standard-2": "hyperdisk-balanced", "c4d-standard-2": "hyperdisk-balanced", "n9-future-2": "hyperdisk-balanced",
	} {
		if got := DiskType(machineType); got != want {
			t.Errorf("DiskType(%q) = %s, want %s", machineType, got, want)
		}
	}
}
