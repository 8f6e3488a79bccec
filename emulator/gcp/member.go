package gcp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"hello-timber/emulator/gcp/terraform"
)

// memberRules are Terraform's for the members of all roles.
var memberRules = []terraform.Rule{terraform.Match(`(.+:.+|projectOwners|projectReaders|projectWriters|allUsers|allAuthenticatedUsers)`,
	"invalid value for member (IAM members must have one of the values outlined here: https://cloud.google.com/billing/docs/reference/rest/v1/Policy#Binding)")}

// A role of a member in a project.
var _ = register(resourceType{
	Schema: schema{Token: "gcp:projects/iAMMember:IAMMember", ID: "{project}/{role}/{member}", Fields: fields{ //nolint:gosec // a type's name, no credential
		"condition": {Kind: block, Flags: forces | refused},
		"etag":      {Kind: text, Flags: output},
		"member":    {Kind: text, Flags: required | forces, Same: terraform.SameExceptCase, Rules: memberRules},
		"project":   {Kind: text, Flags: required | forces, Same: terraform.SameReference},
		"role":      {Kind: text, Flags: required | forces},
	}},
	adopts: true,
	rules:  rules{"role": roleRule},
	apply:  func(_ context.Context, g *google, c *change) error { return g.grant(c) },
})

// grant gives a role to a member that exists.
func (g *google) grant(c *change) error {
	c.new["etag"] = etag()
	email, isAccount := strings.CutPrefix(str(c.new, "member"), "serviceAccount:")
	if !isAccount {
		return nil
	}
	return g.requireAccount(email)
}

// etag is of the form that Google's version numbers of policies have.
func etag() string { return fmt.Sprintf("Bw%010x=", rand.Uint64N(1<<40)) }
