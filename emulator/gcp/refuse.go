package gcp

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"hello-timber/emulator/gke"
)

// Google refuses what follows when something is created or changed, never in a
// preview: only then is it asked. The comments name public reports of its words.

var (
	location     = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+(-[a-z])?$`)
	projectID    = regexp.MustCompile(`^([-a-z0-9.]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$`)
	repositoryID = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// refuseProject: https://cloud.google.com/apis/design/errors, CONSUMER_INVALID.
func refuseProject(project string) error {
	if projectID.MatchString(project) {
		return nil
	}
	return fmt.Errorf("googleapi: Error 403: Permission denied on resource project %s., forbidden", project)
}

// refuseLocation: google/kctf/issues/139.
func refuseLocation(name string) error {
	if location.MatchString(name) {
		return nil
	}
	return fmt.Errorf("googleapi: Error 403: Permission denied on 'locations/%s' (or it may not exist)., forbidden", name)
}

// The most that Google takes: labels of a resource, characters of a key or a value.
const (
	maxLabels    = 64
	maxLabelSize = 63
)

// isLabelRune reports whether a label may have a character: "lowercase letters",
// whatever their alphabet, digits, underscores and dashes.
func isLabelRune(r rune) bool {
	return r == '_' || r == '-' || unicode.IsDigit(r) || unicode.IsLetter(r) && !unicode.IsUpper(r)
}

// refuseClusterLabels: kyma-project/kyma/issues/4307 has the words for a value.
func refuseClusterLabels(labels map[string]any) error {
	refuse := func(field, value, rule string) error {
		return fmt.Errorf(`googleapi: Error 400: Invalid field 'cluster.resource_labels%s': %q. It must %s, badRequest`, field, value, rule)
	}
	if len(labels) > maxLabels {
		return refuse("", strconv.Itoa(len(labels)), fmt.Sprintf("have at most %d entries.", maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value := str(labels, key)
		if first := strings.IndexFunc(key, unicode.IsLower); first != 0 {
			return refuse(".key", key, "begin with a lowercase letter.")
		}
		for field, text := range map[string]string{".key": key, ".value": value} {
			if strings.ContainsFunc(text, func(r rune) bool { return !isLabelRune(r) }) {
				return refuse(field, text, "only contain lowercase letters ([a-z]), numeric characters ([0-9]), underscores (_) and dashes (-). International characters are allowed.")
			}
			if len([]rune(text)) > maxLabelSize {
				return refuse(field, text, fmt.Sprintf("be at most %d characters long.", maxLabelSize))
			}
		}
	}
	return nil
}

// refuseRepositoryLabels: simple-container-com/api/issues/164.
func refuseRepositoryLabels(labels map[string]any) error {
	refuse := func(rule string) error {
		return fmt.Errorf("Error creating Repository: googleapi: Error 400: invalid repository labels (&%v): %s", labels, rule) //nolint:staticcheck // Terraform's words
	}
	if len(labels) > maxLabels {
		return refuse(fmt.Sprintf("%d labels are more than %d", len(labels), maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if strings.IndexFunc(key, unicode.IsLower) != 0 {
			return refuse(fmt.Sprintf("key %q must begin with a lowercase letter", key))
		}
		for _, part := range []struct{ name, text string }{{"key", key}, {"value", str(labels, key)}} {
			if i := strings.IndexFunc(part.text, func(r rune) bool { return !isLabelRune(r) }); i >= 0 {
				return refuse(fmt.Sprintf("%s %q contains invalid character '%c' at index %d", part.name, part.text, []rune(part.text[i:])[0], i))
			}
			if len([]rune(part.text)) > maxLabelSize {
				return refuse(fmt.Sprintf("%s %q is longer than %d characters", part.name, part.text, maxLabelSize))
			}
		}
	}
	return nil
}

// family is a family of machines: the disks that its machines boot from, and the
// quota that their processors count against.
type family struct {
	disks []string
	quota string
}

var (
	persistent = []string{"pd-standard", "pd-balanced", "pd-ssd"}
	flash      = []string{"pd-balanced", "pd-ssd"}
	hyper      = []string{"hyperdisk-balanced"}
)

// families are those that GKE has, with the boot disks of
// https://cloud.google.com/compute/docs/disks#machine_series_support and the quotas
// of https://cloud.google.com/compute/resource-usage#cpu_quota.
var families = map[string]family{
	"e2": {persistent, "CPUS"}, "n1": {persistent, "CPUS"}, "g1": {persistent, "CPUS"},
	"n2": {persistent, "N2_CPUS"}, "n2d": {persistent, "N2D_CPUS"},
	"t2d": {persistent, "T2D_CPUS"}, "t2a": {persistent, "T2A_CPUS"},
	"c2": {persistent, "C2_CPUS"}, "c2d": {persistent, "C2D_CPUS"},
	"c3": {slices.Concat(flash, hyper), "C3_CPUS"}, "c3d": {slices.Concat(flash, hyper), "C3D_CPUS"},
	"c4": {hyper, "C4_CPUS"}, "c4a": {hyper, "C4A_CPUS"}, "c4d": {hyper, "C4D_CPUS"},
	"n4": {hyper, "N4_CPUS"}, "n4a": {hyper, "N4A_CPUS"}, "n4d": {hyper, "N4D_CPUS"},
	"m1": {persistent, "M1_CPUS"}, "m2": {persistent, "M2_CPUS"}, "m3": {slices.Concat(flash, hyper), "M3_CPUS"}, "m4": {hyper, "M4_CPUS"},
	"h3": {slices.Concat([]string{"pd-balanced"}, hyper), "H3_CPUS"}, "z3": {slices.Concat(flash, hyper), "Z3_CPUS"},
	"a2": {persistent, "A2_CPUS"}, "a3": {slices.Concat(flash, hyper), "A3_CPUS"}, "g2": {slices.Concat(flash, hyper), "G2_CPUS"},
}

// refuseMachine refuses machines that do not exist and boot disks that they cannot
// use: nkoson/gke-tutorial/issues/7, keras-team/kinetic/issues/305,
// rancher/harvester-cloud/issues/249.
func refuseMachine(machine, disk, zone string) error {
	if machine == "f1-micro" {
		return refusePool("400: Node pools of f1-micro machines are not supported due to insufficient memory., badRequest")
	}
	family, known := families[seriesOf(machine)]
	if !known || processors(machine) == 0 {
		return refusePool("400: Invalid machine type %q in zone %q: GCE_NOT_FOUND., badRequest", machine, zone)
	}
	if disk != "" && !slices.Contains(family.disks, disk) {
		return refusePool("400: %s disk type cannot be used by %s machine type., badRequest", disk, machine)
	}
	return nil
}

func seriesOf(machine string) string {
	series, _, _ := strings.Cut(machine, "-")
	return series
}

func refusePool(format string, args ...any) error {
	return fmt.Errorf("error creating NodePool: googleapi: Error "+format, args...)
}

var machineType = regexp.MustCompile(`^[a-z][0-9][a-z]?-(?:(micro|small|medium)|(?:custom|[a-z]+)-([0-9]+)[a-z]?(?:-.+)?)$`)

// processors returns how many virtual processors a machine counts for, or 0 if
// there is no such machine.
func processors(machine string) int {
	parts := machineType.FindStringSubmatch(machine)
	switch {
	case parts == nil:
		return 0
	case machine == "g1-small":
		return 1
	case parts[1] != "":
		return 2 // e2's shared ones
	}
	count, _ := strconv.Atoi(parts[2])
	return count
}

// quotaType is the type of the records that limit a project's processors in a
// region, with the ID PROJECT/REGION/METRIC and the property limit. Without one
// there is no limit.
const quotaType = "emulator:quota"

// refuseQuota refuses a pool that exceeds the project's quota:
// GoogleCloudPlatform/cloud-ops-sandbox/issues/44.
func (g *google) refuseQuota(c *change, pool gke.Pool) error {
	metric, region := quotaOf(pool)
	limit, limited, err := g.records.Get(quotaType, pool.Cluster.Project+"/"+region+"/"+metric)
	if err != nil || !limited {
		return err
	}
	most, ok := limit.Properties["limit"].(float64)
	if !ok {
		return fmt.Errorf("the quota %s has no number limit. Fix: edit its record in %s", limit.ID, g.records.Dir)
	}
	others, err := g.records.List(nodePoolType)
	if err != nil {
		return err
	}
	counts := func(other gke.Pool) float64 {
		if m, where := quotaOf(other); m != metric || where != region || other.Cluster.Project != pool.Cluster.Project {
			return 0
		}
		return processorsOf(other)
	}
	used, had := 0.0, 0.0
	for _, r := range others {
		if r.ID != c.id {
			used += counts(poolOf(r.Properties))
		}
	}
	if c.old != nil {
		had = counts(poolOf(c.old))
	}
	available, requires := most-used-had, processorsOf(pool)-had
	if short := requires - available; short > 0 {
		return refusePool("403: Insufficient regional quota to satisfy request: resource %q: request requires '%.1f' and is short '%.1f'. "+
			"project has a quota of '%.1f' with '%.1f' available. View and manage quotas at https://console.cloud.google.com/iam-admin/quotas?usage=USED&project=%s., forbidden",
			metric, requires, short, most, math.Max(available, 0), pool.Cluster.Project)
	}
	return nil
}

func quotaOf(pool gke.Pool) (metric, region string) {
	return families[seriesOf(pool.MachineType)].quota, gke.Region(pool.Cluster.Location)
}

func processorsOf(pool gke.Pool) float64 {
	return float64(pool.NodesPerZone * len(pool.Zones) * processors(pool.MachineType))
}
