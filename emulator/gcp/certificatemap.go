package gcp

import (
	"context"

	"hello-timber/emulator/gcp/terraform"
)

// mapped is what a map and its entries have.
var mapped = terraform.Union(managed, terraform.Each("createTime updateTime", field{Kind: text, Flags: output}))

// The certificates of a load balancer.
var _ = register(resourceType{
	Schema: schema{Token: "gcp:certificatemanager/certificateMap:CertificateMap", ID: "projects/{project}/locations/global/certificateMaps/{name}", Named: true,
		Fields: terraform.Union(mapped, fields{"gclbTargets": {Kind: blocks, Flags: output}})},
	api: certificateManager,
	apply: func(_ context.Context, _ *google, c *change) error {
		c.date()
		return nil
	},
})
