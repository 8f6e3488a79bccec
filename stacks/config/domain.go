package config

import (
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

var (
	isDomain = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$`).MatchString
	isZone   = regexp.MustCompile(`^(?:` + projectID + `/)?` + resourceName + `$`).MatchString
)

// checkDomain checks the domain, and what has no meaning with or without one.
func (l *loader) checkDomain(onExisting bool) {
	g, e, domain := l.Google, l.Existing, l.Service.Domain
	// DNS has names of other alphabets in another form.
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	switch {
	case domain == "":
	case err != nil || !isDomain(ascii) || len("_acme-challenge."+ascii) > 253:
		l.refuse("domain", Show(domain), "is not a domain name, such as timber.example.com: IP addresses and wildcards are none", "timber.example.com")
	case ascii != domain:
		l.refuse("domain", Show(domain), "is not in the form in which DNS has it", ascii)
	}
	zone, _ := l.get("dnsZone") // not loaded on an existing cluster
	byClass := onExisting && domain != ""
	const taken = "cannot be combined with domain, whose load balancer takes neither an address nor networks from this program"
	const unused = "has no meaning without domain on an existing cluster"
	for _, k := range []struct {
		key, value string
		wrong      bool
		rule       string
	}{
		{"address", l.Service.Address, domain != "", taken},
		{"allowedNetworks", strings.Join(l.Service.AllowedNetworks, ","), domain != "", taken},
		{"dnsZone", zone, onExisting || domain == "", "has no meaning without domain on Google Cloud"},
		{"gatewayClass", e.GatewayClass, !byClass, unused},
		{"tlsSecret", e.TLSSecret, !byClass, unused},
		{"clusterIssuer", e.ClusterIssuer, !byClass, unused},
		{"clusterIssuer", e.ClusterIssuer, e.TLSSecret != "", "cannot be combined with tlsSecret, which has a certificate already"},
	} {
		if k.value != "" && k.wrong {
			l.refuse(k.key, Show(k.value), k.rule, `""`)
		}
	}
	if byClass && e.GatewayClass == "" {
		l.refuse("gatewayClass", "", "is not set, but must be for domain on an existing cluster", "CLASS")
	}
	if byClass && e.TLSSecret+e.ClusterIssuer == "" {
		l.refuse("tlsSecret", "", "is not set, but it or clusterIssuer must be for domain on an existing cluster", "SECRET")
	}
	if project, zone, other := strings.Cut(g.Zone, "/"); other {
		g.ZoneProject, g.Zone = project, zone
	} else if g.Zone != "" {
		g.ZoneProject = g.Project
	}
}
