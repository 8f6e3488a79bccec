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
func (l *loader) checkDomain() {
	g := l.Google
	// DNS has names of other alphabets in another form.
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(g.Domain, "."))
	switch {
	case g.Domain == "":
	case err != nil || !isDomain(ascii) || len("_acme-challenge."+ascii) > 253:
		l.refuse("domain", Show(g.Domain), "is not a domain name, such as timber.example.com: IP addresses and wildcards are none", "timber.example.com")
	case ascii != g.Domain:
		l.refuse("domain", Show(g.Domain), "is not in the form in which DNS has it", ascii)
	}
	if g.Zone != "" && g.Domain == "" {
		l.refuse("dnsZone", Show(g.Zone), "has no meaning without domain", `""`)
	}
	for _, k := range [][2]string{{"address", l.Service.Address}, {"allowedNetworks", strings.Join(l.Service.AllowedNetworks, ",")}} {
		if k[1] != "" && g.Domain != "" {
			l.refuse(k[0], Show(k[1]), "cannot be combined with domain, whose load balancer takes neither an address nor networks from this program", `""`)
		}
	}
	if project, zone, other := strings.Cut(g.Zone, "/"); other {
		g.ZoneProject, g.Zone = project, zone
	} else if g.Zone != "" {
		g.ZoneProject = g.Project
	}
}
