package gcp

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/emulator/records"
)

const repositoryType = "gcp:artifactregistry/repository:Repository"

// repositorySchema requires a location: the emulator has no default one.
var repositorySchema = schema{
	token: repositoryType, id: "projects/{project}/locations/{location}/repositories/{repositoryId}",
	api: "artifactregistry.googleapis.com",
	derive: func(outputs resource.PropertyMap) {
		// The provider adds no labels of its own to the program's.
		outputs["effectiveLabels"], outputs["pulumiLabels"] = outputs["labels"], outputs["labels"]
	},
	fields: fields{
		"cleanupPolicies": {kind: blockSet, fields: fields{
			"action": {kind: text},
			"condition": {kind: block, fields: fields{
				"newerThan":           {kind: text},
				"olderThan":           {kind: text},
				"packageNamePrefixes": {kind: texts},
				"tagPrefixes":         {kind: texts},
				"tagState":            {kind: text, preset: "ANY"},
				"versionNamePrefixes": {kind: texts},
			}},
			"id": {kind: text, flags: required},
			"mostRecentVersions": {kind: block, fields: fields{
				"keepCount":           {kind: number},
				"packageNamePrefixes": {kind: texts},
			}},
		}},
		"cleanupPolicyDryRun": {kind: truth},
		"createTime":          {kind: text, flags: output},
		"description":         {kind: text},
		"dockerConfig": {kind: block, fields: fields{
			"immutableTags": {kind: truth},
		}},
		"effectiveLabels":         {kind: mapping, flags: output},
		"format":                  {kind: text, flags: required | forces, same: sameExceptCase},
		"kmsKeyName":              {kind: text, flags: forces | refused},
		"labels":                  {kind: mapping},
		"location":                {kind: text, flags: required | computed | forces},
		"mavenConfig":             {kind: block, flags: refused},
		"mode":                    {kind: text, flags: forces, preset: "STANDARD_REPOSITORY"},
		"name":                    {kind: text, flags: output},
		"project":                 {kind: text, flags: computed | forces},
		"pulumiLabels":            {kind: mapping, flags: output},
		"remoteRepositoryConfig":  {kind: block, flags: forces | refused},
		"repositoryId":            {kind: text, flags: required | forces},
		"updateTime":              {kind: text, flags: output},
		"virtualRepositoryConfig": {kind: block, flags: refused},
	},
}

// repositoryResource is a Docker repository of Artifact Registry.
type repositoryResource struct{ recorded }

func (repositoryResource) schema() *schema { return &repositorySchema }

func (repositoryResource) apply(ctx context.Context, g *google, c *change) error {
	if err := refuseRepository(c.new); err != nil {
		return err
	}
	if c.old == nil && !on(c.new["dockerConfig"]) {
		// Terraform's provider does not send a false when it creates a repository, so
		// that Google answers without the block, and the next preview adds it again.
		delete(c.new, "dockerConfig")
	}
	g.registry.Lock()
	defer g.registry.Unlock()
	if err := g.backend.EnsureRegistry(ctx); err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	if c.old == nil {
		c.new["createTime"] = now
	}
	c.new["updateTime"], c.new["name"] = now, c.new["repositoryId"]
	return nil
}

// on reports whether anything in a block is true.
func on(block any) bool {
	properties, _ := block.(map[string]any)
	for value := range maps.Values(properties) {
		if value == true {
			return true
		}
	}
	return false
}

func refuseRepository(properties map[string]any) error {
	location, id := str(properties, "location"), str(properties, "repositoryId")
	if err := refuseLocation(location); err != nil {
		return err
	}
	if strings.Count(location, "-") != 1 {
		return fmt.Errorf("googleapi: Error 400: location %q is no region: repositories are in a region such as europe-west1, badRequest", location)
	}
	if !repositoryID.MatchString(id) {
		return fmt.Errorf("googleapi: Error 400: invalid repository id %q: at most 63 lowercase letters, digits and hyphens, from a letter to a letter or digit, badRequest", id)
	}
	return refuseRepositoryLabels(object(properties, "labels"))
}

func (repositoryResource) remove(ctx context.Context, g *google, r records.Record) error {
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
