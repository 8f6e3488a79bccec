package gcp

import (
	"context"
	"fmt"
	"math/rand/v2"

	"hello-timber/emulator/gcp/terraform"
)

// What proves that a domain belongs to a project: a record of DNS.
var _ = register(resourceType{
	Schema: schema{Token: "gcp:certificatemanager/dnsAuthorization:DnsAuthorization", ID: "projects/{project}/locations/{location}/dnsAuthorizations/{name}", Named: true,
		Fields: terraform.Union(managed, fields{
			"dnsResourceRecords": {Kind: blocks, Flags: output},
			"domain":             {Kind: text, Flags: required | forces},
			"location":           {Kind: text, Flags: forces, Default: "global"},
			"type":               {Kind: text, Flags: computed | forces},
		})},
	api: certificateManager,
	apply: func(_ context.Context, _ *google, c *change) error {
		fill(c.new, map[string]any{"type": "FIXED_RECORD", "dnsResourceRecords": []any{map[string]any{
			"name": "_acme-challenge." + str(c.new, "domain") + ".", "type": "CNAME",
			"data": fmt.Sprintf("%08x-0000.1.authorize.certificatemanager.goog.", rand.Uint32()),
		}}})
		return nil
	},
})
