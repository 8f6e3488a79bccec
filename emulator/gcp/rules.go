package gcp

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"hello-timber/emulator/gcp/terraform"
)

// rules are what Google takes of some properties. It refuses others when something is
// created or changed, never in a preview: only then is it asked.
type rules map[string]terraform.Rule

func (r rules) check(properties map[string]any) error {
	for _, property := range slices.Sorted(maps.Keys(r)) {
		if answer := r[property](properties[property]); answer != "" {
			return errors.New("googleapi: Error " + answer)
		}
	}
	return nil
}

// What several types have in common. The comments name public reports of Google's words.
var (
	// https://cloud.google.com/apis/design/errors, CONSUMER_INVALID
	projectRule = terraform.Match(`^([-a-z0-9.]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$`, "403: Permission denied on resource project VALUE., forbidden")
	// google/kctf/issues/139
	locationRule = terraform.Match(`^[a-z]+-[a-z]+[0-9]+(-[a-z])?$`, "403: Permission denied on 'locations/VALUE' (or it may not exist)., forbidden")
	// hashicorp/terraform-provider-google/issues/5107
	roleRule = terraform.Match(`^((projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+$`, "400: Role VALUE is not supported for this resource., badRequest")
)

// Lowercase letters of any alphabet, digits, underscores and dashes.
var (
	labelKey   = regexp.MustCompile(`^\p{Ll}[\p{Ll}\p{Lo}\p{Nd}_-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{Nd}_-]{0,63}$`)
)

const maxLabels = 64

// labelRule is about labels: kyma-project/kyma/issues/4307 and
// simple-container-com/api/issues/164.
func labelRule(value any) string {
	labels, _ := value.(map[string]any)
	if len(labels) > maxLabels {
		return fmt.Sprintf("400: Invalid labels: %d are more than %d., badRequest", len(labels), maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !labelKey.MatchString(key) || !labelValue.MatchString(str(labels, key)) {
			return fmt.Sprintf("400: Invalid label %q: %q. Both must only contain at most 63 lowercase letters, digits, underscores and dashes, "+
				"and a key must begin with a letter. International characters are allowed., badRequest", key, str(labels, key))
		}
	}
	return ""
}
