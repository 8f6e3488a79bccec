package config

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxStackName is the strictest limit of all that have this name: a service
// account's ID has 6 to 30 characters, a namespace or repository up to 63.
const maxStackName = 30

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// StackName returns PROJECT-STACK, the name of everything whose name people and
// policies must be able to guess: repository, namespace, node account. Pulumi names
// the rest, with a random suffix. A name that is too long, or has characters that are
// not allowed everywhere, is cleaned and cut. A hash of the original is added, so that
// two stacks of a project never have the same name.
func StackName(project, stack string) string {
	name := project + "-" + stack
	if isProjectID(name) { // the rule of a service account's ID is the same
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
