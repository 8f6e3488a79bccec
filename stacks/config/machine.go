package config

import "strings"

// Machine families by the cheapest type of boot disk that they take:
// https://cloud.google.com/compute/docs/disks/persistent-disks#machine_series_support
// Every other family, and every new one since 2024, takes Hyperdisk only.
const (
	standardDiskFamilies = " a2 c2 c2d e2 f1 g1 m1 m2 n1 n2 n2d t2d "
	balancedDiskFamilies = " a3 c3 c3d g2 h3 m3 z3 "
)

// MachineFamily is the first part of a machine type, such as e2 of e2-medium.
func MachineFamily(machineType string) string {
	family, _, _ := strings.Cut(machineType, "-")
	return family
}

// DiskGB is the size of a node's boot disk: the system, images and the pods' own files.
const DiskGB = 30

// DiskType returns the boot disk for nodes of a machine type. GKE's default, 100 GB of
// pd-balanced, costs eight times as much as 30 GB of pd-standard. It also counts against
// the small quota for SSDs of a new project.
func DiskType(machineType string) string {
	switch family := " " + MachineFamily(machineType) + " "; {
	case strings.Contains(standardDiskFamilies, family):
		return "pd-standard"
	case strings.Contains(balancedDiskFamilies, family):
		return "pd-balanced"
	default:
		return "hyperdisk-balanced"
	}
}
