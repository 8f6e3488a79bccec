package lifecycle

import (
	"slices"
	"strings"
	"testing"
)

// TestDomain: a domain, another one, and none again, of a protected stack, too. What served
// before is deleted when all else is done.
func TestDomain(t *testing.T) {
	const one, other = "timber.example.com", "wood.example.com"
	of := map[string][][]string{
		"prod": {{"domain", one}, {"domain", one, "dnsZone", "example-com"}, {"domain", other, "dnsZone", "dns-project/example-com"}, {"domain", other}},
		"existing": {{"domain", one, "gatewayClass", "traefik", "tlsSecret", "timber"}, {"domain", one, "gatewayClass", "gke-l7-global-external-managed", "tlsSecret", "ops/timber"},
			{"domain", other, "gatewayClass", "traefik", "clusterIssuer", "letsencrypt"}},
	}
	for i, protected := range []string{"true", "false", "true", "false"} {
		stack := []string{"prod", "existing"}[i/2]
		t.Run(stack+", protected: "+protected, func(t *testing.T) {
			t.Parallel()
			l, keys := begin(t, stack), of[stack]
			l.own[prefix+"deletionProtection"] = protected
			l.choose()
			l.up("the first update")
			had := l.has()
			domain := func(pairs []string) {
				var settings []setting
				for pair := range slices.Chunk(pairs, 2) {
					settings = append(settings, set(pair[0], pair[1]))
				}
				l.choose(settings...)
				l.up(strings.Join(pairs, " "))
			}
			for i, pairs := range keys {
				l.cloud.did = nil
				domain(pairs)
				route, service := slices.Index(l.cloud.did, "create "+typeRoute), slices.Index(l.cloud.did, "delete "+typeService)
				if i == 0 && service < route || i > 0 && service >= 0 {
					t.Errorf("the load balancer is not deleted when the domain is served: %q", l.cloud.did)
				}
				if protected == "true" {
					l.destroyRefused(strings.Join(pairs, " "))
				}
			}
			if url := l.output("url"); url != "https://"+other {
				t.Errorf("url is %v", url)
			}
			l.choose()
			l.up("no domain")
			l.hasAgain("no domain", had)
			if protected == "true" {
				return
			}
			domain(keys[0])
			if err := l.destroy(); err != nil || len(l.cloud.exists) > 0 {
				t.Errorf("this is left (%v):\n%q", err, sorted(l.cloud.exists))
			}
		})
	}
}
