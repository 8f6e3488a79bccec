package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	"hello-timber/stacks/config"
)

// resolver asks DNS.
var resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupCNAME(ctx context.Context, host string) (string, error)
} = net.DefaultResolver

// domain looks for the records of the output dnsRecords, and for the certificate, which
// Google issues when it finds the second one. An existing cluster needs one record.
func domain(ctx context.Context, s *stack) (string, error) {
	name := s.config["domain"]
	if name == "" {
		return "none", nil
	}
	wanted := 2
	if s.config["kubeconfig"] != "" {
		wanted = 1
	}
	if len(s.records) != wanted || !strings.HasPrefix(s.records[0], name+". ") {
		return name + ", whose records the next update lists", nil
	}
	if wanted == 1 {
		return name + ", with its record", s.resolves(ctx, s.records[0])
	}
	if err := s.resolves(ctx, s.records[1]); err != nil {
		return "", err
	}
	var certificates []struct {
		Name    string
		Managed struct {
			Domains                  []string
			State                    string
			AuthorizationAttemptInfo []struct{ FailureReason, Details string }
		}
	}
	if err := gcloud(ctx, s.project(), &certificates, "certificate-manager", "certificates", "list"); err != nil {
		return "", err
	}
	for _, c := range certificates {
		if m := c.Managed; slices.Contains(m.Domains, name) && m.State != "ACTIVE" {
			reason := ""
			for _, attempt := range m.AuthorizationAttemptInfo {
				reason += " " + cmp.Or(attempt.Details, attempt.FailureReason)
			}
			return "", missing("wait up to an hour after a change of DNS; then look at docs/https.md", "certificate %s of %s is %s%s", path.Base(c.Name), name, m.State, reason)
		}
	}
	return name + ", with its records and its certificate", s.resolves(ctx, s.records[0])
}

// resolves checks whether DNS has a record, which is a line of a zone's file.
func (s *stack) resolves(ctx context.Context, record string) error {
	field := strings.Fields(record) // name, TTL, class, type and data
	if len(field) != 5 {
		return fmt.Errorf("the output dnsRecords has %q", record)
	}
	var found []string
	var err error
	if field[3] != "CNAME" {
		found, err = resolver.LookupHost(ctx, field[0])
	} else if alias, failed := resolver.LookupCNAME(ctx, field[0]); failed == nil {
		found = []string{alias}
	} else {
		err = failed
	}
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		return err
	}
	if len(found) == 1 && found[0] == field[4] {
		return nil
	}
	fix := "create this record, and no other of that name: " + record
	if zone := s.config["dnsZone"]; zone != "" {
		project := s.project()
		if owner, name, other := strings.Cut(zone, "/"); other {
			project, zone = owner, name
		}
		fix = "have the domain's registrar name the zone's name servers, which this prints: gcloud dns managed-zones describe " + config.Quote(zone) + " --project " + config.Quote(project)
	}
	return missing(fix, "DNS has %s for %s, not %s", cmp.Or(strings.Join(found, ", "), "nothing"), field[0], field[4])
}
