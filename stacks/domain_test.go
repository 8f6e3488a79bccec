package stacks

import (
	"fmt"
	"testing"
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
