package gcp

import (
	"context"
	"path"

	"hello-timber/emulator/gcp/terraform"
)

// A role of a member in a repository.
var _ = register(resourceType{
	Schema: schema{ //nolint:gosec // a type's name, no credential
		Token: "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
		ID:    "projects/{project}/locations/{location}/repositories/{.../repository}/{role}/{member}",
		Fields: fields{
			"condition":  {Kind: block, Flags: forces | refused},
			"etag":       {Kind: text, Flags: output},
			"location":   {Kind: text, Flags: required | forces},
			"member":     {Kind: text, Flags: required | forces, Same: terraform.SameExceptCase, Rules: memberRules},
			"project":    {Kind: text, Flags: computed | forces},
			"repository": {Kind: text, Flags: required | forces, Same: terraform.SameReference},
			"role":       {Kind: text, Flags: required | forces},
		}},
	api:    artifactRegistry,
	adopts: true,
	rules:  rules{"role": roleRule},
	apply: func(_ context.Context, g *google, c *change) error {
		id, err := repositoryResource.require(g, map[string]any{
			"project": c.new["project"], "location": c.new["location"], "repositoryId": path.Base(str(c.new, "repository"))})
		if err != nil {
			return err
		}
		c.new["repository"] = id // Terraform stores the whole ID.
		return g.grant(c)
	},
})
