package gcp

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"hello-timber/emulator/gke"
)

// network is a VPC network. In the emulator every network exists, with all subnets,
// and no more than its name is used: all clusters share Docker's network.
type network struct{ project, name, region string }

// networkOf returns the network of a cluster, which has its name or its path.
func networkOf(cluster map[string]any) network {
	reference := cmp.Or(str(cluster, "network"), "default")
	return network{
		project: cmp.Or(projectOf(reference), str(cluster, "project")), name: path.Base(reference), region: gke.Region(str(cluster, "location")),
	}
}

// projectOf returns the project in the path of a resource; none if it is only a name.
func projectOf(reference string) string {
	_, rest, _ := strings.Cut("/"+reference, "/projects/")
	project, _, _ := strings.Cut(rest, "/")
	return project
}

func (n network) path() string { return "projects/" + n.project + "/global/networks/" + n.name }

// subnetOf returns the path of a cluster's subnet. A name alone is of the cluster's
// project; without one it is the subnet that a network in auto mode has in each region.
func subnetOf(cluster map[string]any) string {
	n, reference := networkOf(cluster), str(cluster, "subnetwork")
	if _, path, whole := strings.Cut("/"+reference, "/projects/"); whole {
		return "projects/" + path
	}
	project := str(cluster, "project")
	if reference == "" {
		project, reference = n.project, n.name
	}
	return "projects/" + project + "/regions/" + n.region + "/subnetworks/" + path.Base(reference)
}

// checkNetwork refuses what Google refuses, in the words of
// hashicorp/terraform-provider-google/issues/7895 and 7956.
func checkNetwork(cluster map[string]any) error {
	n, subnet := networkOf(cluster), subnetOf(cluster)
	if !strings.HasPrefix(subnet, "projects/"+n.project+"/regions/"+n.region+"/subnetworks/") {
		return fmt.Errorf("googleapi: Error 400: Subnetwork %q is not valid for Network %q., badRequest", subnet, n.name)
	}
	ranges, _ := cluster["ipAllocationPolicy"].(map[string]any)
	if pods := str(ranges, "clusterSecondaryRangeName"); pods != "" && pods == str(ranges, "servicesSecondaryRangeName") {
		return fmt.Errorf("googleapi: Error 400: Pod secondary range name (%s) should not be the same as service secondary range name., badRequest", pods)
	}
	return nil
}
