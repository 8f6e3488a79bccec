package gcp

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"hello-timber/emulator/gke"
)

// networksOf returns the paths of a cluster's VPC network and subnet, and of the subnets
// that it could be in. In the emulator every network exists, with all subnets, and no more
// than its name is used: all clusters share Docker's network.
func networksOf(cluster map[string]any) (network, subnet, subnets string) {
	project, region := str(cluster, "project"), "/regions/"+gke.Region(str(cluster, "location"))+"/subnetworks/"
	network = pathOf("projects/"+project+"/global/networks/", cmp.Or(str(cluster, "network"), "default"))
	host, _, _ := strings.Cut(network, "/global/")
	subnets = host + region
	if subnet = str(cluster, "subnetwork"); subnet == "" {
		// A network in auto mode has a subnet of its name in each region.
		return network, subnets + path.Base(network), subnets
	}
	return network, pathOf("projects/"+project+region, subnet), subnets
}

// pathOf returns the path of what is known by its path or its address, or by its name in a folder.
func pathOf(folder, reference string) string {
	if _, path, whole := strings.Cut("/"+reference, "/projects/"); whole {
		return "projects/" + path
	}
	return folder + path.Base(reference)
}

// checkNetwork refuses what Google refuses, in the words of
// hashicorp/terraform-provider-google/issues/7895 and 7956.
func checkNetwork(cluster map[string]any) error {
	network, subnet, subnets := networksOf(cluster)
	if !strings.HasPrefix(subnet, subnets) {
		return fmt.Errorf("googleapi: Error 400: Subnetwork %q is not valid for Network %q., badRequest", subnet, path.Base(network))
	}
	ranges, _ := cluster["ipAllocationPolicy"].(map[string]any)
	if pods := str(ranges, "clusterSecondaryRangeName"); pods != "" && pods == str(ranges, "servicesSecondaryRangeName") {
		return fmt.Errorf("googleapi: Error 400: Pod secondary range name (%s) should not be the same as service secondary range name., badRequest", pods)
	}
	return nil
}
