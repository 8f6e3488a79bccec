package stacks

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const domain = "timber.example.com"

// TestDomain: the outputs say where the service answers and what DNS needs. Without a zone,
// no record is created.
func TestDomain(t *testing.T) {
	c, outputs := deployDev(t, map[string]string{"hello-timber:domain": domain, "hello-timber:deletionProtection": "true"})
	if url := outputs["url"]; url != "https://"+domain {
		t.Errorf("url is %v", url)
	}
	records := "[timber.example.com. 300 IN A 203.0.113.80 _acme-challenge.timber.example.com. 300 IN CNAME 0123abcd-0000.1.authorize.certificatemanager.goog.]"
	if got := fmt.Sprint(outputs["dnsRecords"]); got != records {
		t.Errorf("dnsRecords is %s", got)
	}
	for _, r := range c.resources {
		if r.TypeToken == typeRecord {
			t.Errorf("%s is registered", r.Name)
		}
	}
	// An update of a protected stack replaces these: what they were before goes last.
	for typ, path := range map[string]string{typeService: "spec.type", typePolicy: "spec.ingress"} {
		rpc := c.find(t, typ, "timber-tutorial").RegisterRPC
		if rpc.GetProtect() || fmt.Sprint(rpc.ReplaceOnChanges) != "["+path+"]" {
			t.Errorf("%s: protect is %t, replaceOnChanges %v", typ, rpc.GetProtect(), rpc.ReplaceOnChanges)
		}
	}
	if _, outputs := deployDev(t, nil); outputs["dnsRecords"] != nil {
		t.Errorf("without a domain, dnsRecords is %v", outputs["dnsRecords"])
	}
}

// TestDomainOnExisting: DNS needs one record, whose type follows from the Gateway's address.
func TestDomainOnExisting(t *testing.T) {
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	for address, data := range map[string]string{"203.0.113.80": "A 203.0.113.80", "2001:db8::80": "AAAA 2001:db8::80", "lb.example.com": "CNAME lb.example.com."} {
		c := newCloud()
		c.outputs[typeGateway] = resource.NewPropertyMapFromMap(map[string]any{"status": map[string]any{"addresses": []any{map[string]any{"value": address}}}})
		outputs, err := deploy(t, c, "dev", changed(existingConfig(t), "domain", domain, "gatewayClass", "traefik", "tlsSecret", "timber-tls"))
		if want := "[timber.example.com. 300 IN " + data + "]"; err != nil || outputs["url"] != "https://"+domain || fmt.Sprint(outputs["dnsRecords"]) != want {
			t.Errorf("%s: %v (%v), want %s", address, outputs, err, want)
		}
	}
}
