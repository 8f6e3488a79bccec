package gcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/util/cert"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/records"
)

// The certificates of a host in a map.
var _ = register(resourceType{
	Schema: schema{Token: "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry",
		ID: "projects/{project}/locations/global/certificateMaps/{.../map}/certificateMapEntries/{name}", Named: true,
		Fields: terraform.Union(mapped, fields{
			"certificates": {Kind: texts, Flags: required},
			"hostname":     {Kind: text, Flags: forces},
			"map":          {Kind: text, Flags: required | forces, Same: terraform.SameReference},
			"matcher":      {Kind: text, Flags: forces | refused},
			"state":        {Kind: text, Flags: output},
		})},
	api: certificateManager,
	apply: func(_ context.Context, g *google, c *change) error {
		c.date()
		c.new["state"] = "ACTIVE"
		return issue(servedFrom(g.records, c.new), str(c.new, "hostname"))
	},
	remove: func(_ context.Context, g *google, r records.Record) error {
		return os.RemoveAll(servedFrom(g.records, r.Properties))
	},
})

// servedFrom is the file in which the emulated load balancer finds an entry's certificate.
// Clients trust it too: curl --cacert FILE.
func servedFrom(book records.Book, entry map[string]any) string {
	return filepath.Join(book.Dir, "certificates", fmt.Sprintf("projects~%s~%s~%s.pem", str(entry, "project"), filepath.Base(str(entry, "map")), str(entry, "hostname")))
}

// issue writes a certificate for a host into a file, with its authority's certificate and its key.
func issue(path, host string) error {
	certificates, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, append(certificates, key...), 0o600))
}
