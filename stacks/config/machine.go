package config

import (
	"slices"
	"strings"
)

// Machine families of which something is special.
var (
	// By the cheapest type of boot disk that they take; every other family, and every new
	// one since 2024, takes Hyperdisk only:
	// https://cloud.google.com/compute/docs/disks/persistent-disks#machine_series_support
	standardDiskFamilies = []string{"a2", "c2", "c2d", "e2", "f1", "g1", "m1", "m2", "n1", "n2", "n2d", "t2d"}
	balancedDiskFamilies = []string{"a3", "c3", "c3d", "g2", "h3", "m3", "z3"}

	armFamilies = []string{"a4x", "c4a", "n4a", "t2a"}

	// Their processors count against one quota. All newer families have one of their own:
	// https://cloud.google.com/compute/resource-usage
	sharedQuotaFamilies = []string{"e2", "f1", "g1", "n1"}
)

// MachineFamily is the first part of a machine type, such as e2 of e2-medium.
func MachineFamily(machineType string) string {
	family, _, _ := strings.Cut(machineType, "-")
	return family
}

func ofFamily(machineType string, families []string) bool {
	return slices.Contains(families, MachineFamily(machineType))
}

// DiskGB is the size of a node's boot disk: the system, images and the pods' own files.
const DiskGB = 30

// DiskType returns the boot disk for nodes of a machine type. GKE's default, 100 GB of
// pd-balanced, costs eight times as much as 30 GB of pd-standard. It also counts against
// the small quota for SSDs of a new project.
func DiskType(machineType string) string {
	switch {
	case ofFamily(machineType, standardDiskFamilies):
		return "pd-standard"
	case ofFamily(machineType, balancedDiskFamilies):
		return "pd-balanced"
	}
	return "hyperdisk-balanced"
}

// ProcessorQuota is the quota of a region that limits a machine type's processors.
func ProcessorQuota(machineType string) string {
	if ofFamily(machineType, sharedQuotaFamilies) {
		return "CPUS"
	}
	return strings.ToUpper(MachineFamily(machineType)) + "_CPUS"
}
