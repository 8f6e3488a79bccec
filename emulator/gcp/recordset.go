package gcp

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/emulator/gcp/terraform"
)

// A record of Cloud DNS. In the emulator, no one can look it up.
var _ = register(resourceType{
	Schema: schema{Token: "gcp:dns/recordSet:RecordSet", ID: "projects/{project}/managedZones/{.../managedZone}/rrsets/{name}/{type}", Fields: fields{ //nolint:gosec // a type's name, no credential
		"managedZone":   {Kind: text, Flags: required | forces, Same: terraform.SameReference},
		"name":          {Kind: text, Flags: required | forces},
		"project":       {Kind: text, Flags: computed | forces},
		"routingPolicy": {Kind: block, Flags: refused},
		"rrdatas":       {Kind: texts},
		"ttl":           {Kind: number},
		"type":          {Kind: text, Flags: required},
	}},
	functions: map[string]func(resource.PropertyMap) resource.PropertyMap{"gcp:dns/getManagedZone:getManagedZone": zone},
})

// zone returns a zone of Cloud DNS. In the emulator every zone exists, and its name is that
// of its domain: example-com has example.com.
func zone(args resource.PropertyMap) resource.PropertyMap {
	return resource.PropertyMap{"dnsName": resource.NewProperty(strings.ReplaceAll(args["name"].StringValue(), "-", ".") + ".")}
}
