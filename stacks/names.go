package stacks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// maxStackName is the strictest limit of what bears the name: a service
// account's ID has 6 to 30 characters, a namespace or repository up to 63.
const maxStackName = 30

var (
	fits  = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	unfit = regexp.MustCompile(`[^a-z0-9]+`)
)

// StackName returns PROJECT-STACK, the name of what people and policies must be
// able to guess: repository, namespace, node account. (All else is named by
// Pulumi, with a random suffix.) A name that is too long or has characters that
// are not allowed everywhere is cut and cleaned and ends in a hash of the
// original, so that two stacks of a project never share one.
func StackName(project, stack string) string {
	name := project + "-" + stack
	if fits.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	suffix := "-" + hex.EncodeToString(sum[:4])
	name = strings.Trim(unfit.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if name == "" || name[0] < 'a' { // all three must start with a letter
		name = "p" + name
	}
	name = name[:min(len(name), maxStackName-len(suffix))]
	return strings.TrimRight(name, "-") + suffix
}

// controlPlaneRange returns the private addresses of a stack's control plane: a
// block of 16 out of 172.16.0.0/16, which neither Google's automatic subnets
// nor the ranges that GKE chooses for pods and services use. Clusters in one
// network must not share a block, hence one of 4096 by the stack's name.
func controlPlaneRange(stackName string) string {
	sum := sha256.Sum256([]byte(stackName))
	return fmt.Sprintf("172.16.%d.%d/28", sum[0], sum[1]&0xf0)
}

// resourceLabels lets bills and searches in the cloud console be split by stack,
// and by owner if there is one.
func resourceLabels(project, stackName, owner string) pulumi.StringMap {
	labels := pulumi.StringMap{
		"managed-by": pulumi.String("pulumi"),
		"project":    pulumi.String(project),
		"stack":      pulumi.String(stackName),
	}
	if owner != "" {
		labels["owner"] = pulumi.String(owner)
	}
	return labels
}
