package gcp

import (
	"context"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/records"
)

const repositoryType = "gcp:artifactregistry/repository:Repository"

var artifactRegistry = api{"artifactregistry.googleapis.com", "Artifact Registry API"}

// repositoryResource is a Docker repository of Artifact Registry. It requires a location,
// because the emulator has no default one.
var repositoryResource = register(resourceType{
	Schema: schema{
		Token: repositoryType, ID: "projects/{project}/locations/{location}/repositories/{repositoryId}",
		Fields: terraform.Union(terraform.Labels, fields{
			"cleanupPolicies": {Kind: blockSet, Fields: fields{
				"action": {Kind: text},
				"condition": {Kind: block, Fields: fields{
					"newerThan":           {Kind: text},
					"olderThan":           {Kind: text},
					"packageNamePrefixes": {Kind: texts},
					"tagPrefixes":         {Kind: texts},
					"tagState":            {Kind: text, Default: "ANY"},
					"versionNamePrefixes": {Kind: texts},
				}},
				"id": {Kind: text, Flags: required},
				"mostRecentVersions": {Kind: block, Fields: fields{
					"keepCount":           {Kind: number},
					"packageNamePrefixes": {Kind: texts},
				}},
			}},
			"cleanupPolicyDryRun": {Kind: truth},
			"createTime":          {Kind: text, Flags: output},
			"description":         {Kind: text},
			"dockerConfig":        {Kind: block, Fields: fields{"immutableTags": {Kind: truth}}},
			"format": {Kind: text, Flags: required | forces, Same: terraform.SameExceptCase, Rules: []terraform.Rule{
				terraform.Match(`(?i)^docker$`, "the emulator's repositories are DOCKER, not VALUE")}},
			"kmsKeyName":              {Kind: text, Flags: forces | refused},
			"location":                {Kind: text, Flags: required | computed | forces},
			"mavenConfig":             {Kind: block, Flags: refused},
			"mode":                    {Kind: text, Flags: forces, Default: "STANDARD_REPOSITORY"},
			"name":                    {Kind: text, Flags: output},
			"project":                 {Kind: text, Flags: computed | forces},
			"remoteRepositoryConfig":  {Kind: block, Flags: forces | refused},
			"repositoryId":            {Kind: text, Flags: required | forces},
			"updateTime":              {Kind: text, Flags: output},
			"virtualRepositoryConfig": {Kind: block, Flags: refused},
		})},
	api: artifactRegistry,
	rules: rules{
		"labels":   labelRule,
		"location": terraform.Match(`^[a-z]+-[a-z]+[0-9]+$`, `400: location "VALUE" is no region: repositories are in a region such as europe-west1, badRequest`),
		"repositoryId": terraform.Match(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`,
			`400: invalid repository id "VALUE": at most 63 lowercase letters, digits and hyphens, from a letter to a letter or digit, badRequest`),
	},
	apply:  applyRepository,
	remove: removeRepository,
})

func applyRepository(ctx context.Context, g *google, c *change) error {
	if docker, _ := c.new["dockerConfig"].(map[string]any); c.old == nil && docker["immutableTags"] != true {
		// Terraform's provider does not send a false when it creates a repository, so
		// that Google answers without the block, and the next preview adds it again.
		delete(c.new, "dockerConfig")
	}
	g.registry.Lock()
	defer g.registry.Unlock()
	if err := g.backend.EnsureRegistry(ctx); err != nil {
		return err
	}
	c.date()
	c.new["name"] = c.new["repositoryId"]
	return nil
}

// removeRepository also removes the registry if no repository is left.
func removeRepository(ctx context.Context, g *google, r records.Record) error {
	g.registry.Lock()
	defer g.registry.Unlock()
	if err := g.backend.DeleteRepositoryContents(ctx, str(r.Properties, "project"), str(r.Properties, "repositoryId")); err != nil {
		return err
	}
	if err := g.records.Delete(repositoryType, r.ID); err != nil {
		return err
	}
	rest, err := g.records.List(repositoryType)
	if err != nil || len(rest) > 0 {
		return err
	}
	return g.backend.RemoveRegistry(ctx)
}
