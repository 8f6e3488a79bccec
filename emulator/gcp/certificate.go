package gcp

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/records"
)

var certificateManager = api{"certificatemanager.googleapis.com", "Certificate Manager API"}

// managed is what all types of Certificate Manager have.
var managed = terraform.Union(terraform.Labels, fields{
	"description": {Kind: text},
	"name":        {Kind: text, Flags: required | forces},
	"project":     {Kind: text, Flags: computed | forces},
})

// A certificate that Google renews.
var _ = register(resourceType{
	Schema: schema{Token: "gcp:certificatemanager/certificate:Certificate", ID: "projects/{project}/locations/{location}/certificates/{name}", Named: true,
		Fields: terraform.Union(managed, fields{
			"location": {Kind: text, Flags: forces, Default: "global"},
			"managed": {Kind: block, Flags: forces, Fields: terraform.Union(
				terraform.Each("dnsAuthorizations domains", field{Kind: texts, Flags: forces}),
				terraform.Each("authorizationAttemptInfos provisioningIssues", field{Kind: blocks, Flags: output}),
				fields{"issuanceConfig": {Kind: text, Flags: forces | refused}, "state": {Kind: text, Flags: output}})},
			"scope": {Kind: text, Flags: forces, Default: "DEFAULT", Same: func(old, _ resource.PropertyValue) bool {
				return old.IsNull() || old.IsString() && old.StringValue() == ""
			}},
			"selfManaged": {Kind: block, Flags: forces | refused},
		})},
	api: certificateManager,
	apply: func(_ context.Context, _ *google, c *change) error {
		fill(c.new, map[string]any{"managed": map[string]any{"state": "PROVISIONING"}})
		return nil
	},
	// The proof always succeeds, because no one can look up the emulator's records.
	read: func(_ context.Context, _ *google, r records.Record) (bool, error) {
		object(r.Properties, "managed")["state"] = "ACTIVE"
		return true, nil
	},
})
