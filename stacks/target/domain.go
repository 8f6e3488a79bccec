package target

import (
	"cmp"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/certificatemanager"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// Domain is who serves the stack's domain, and with which certificate.
type Domain struct {
	Class       string             // of the Gateway
	Annotations pulumi.StringMap   // of the Gateway
	Secret      string             // with the certificate, NAME or NAMESPACE/NAME; empty if an annotation leads to it
	Records     pulumi.StringArray // that DNS needs besides the address, as lines of a zone file

	// Publish creates the record with the load balancer's address; nil without a zone.
	Publish func(address pulumi.StringOutput) (pulumi.Resource, error)
}

// domain is a domain on Google Cloud: a certificate that Google renews.
type domain struct{ pulumi.ResourceState }

// newDomain registers the domain; nil if there is none. Google issues the certificate when
// it finds the record, which may be long after the update, and renews it while it does.
func (g *google) newDomain() (*Domain, error) {
	if g.domain == "" {
		return nil, nil
	}
	component, d := &domain{}, &Domain{Class: "gke-l7-global-external-managed"}
	if err := g.ctx.RegisterComponentResource("hello-timber:google:Domain", g.name, component); err != nil {
		return nil, err
	}
	child, project := pulumi.Parent(component), pulumi.String(g.Project)
	enabled := pulumi.DependsOn([]pulumi.Resource{g.apis.certificateManager})
	authorization, err := certificatemanager.NewDnsAuthorization(g.ctx, g.name, &certificatemanager.DnsAuthorizationArgs{
		Project: project, Labels: g.labels, Domain: pulumi.String(g.domain),
	}, child, enabled)
	if err != nil {
		return nil, err
	}
	proof := authorization.DnsResourceRecords.Index(pulumi.Int(0))
	d.Records = pulumi.StringArray{pulumi.Sprintf("%s 300 IN %s %s", proof.Name().Elem(), proof.Type().Elem(), proof.Data().Elem())}
	certificate := []pulumi.ResourceOption{child}
	if g.Zone != "" {
		record, err := g.newRecord("authorization", proof.Name().Elem(), proof.Type().Elem(), proof.Data().Elem(), child)
		if err != nil {
			return nil, err
		}
		certificate = append(certificate, pulumi.DependsOn([]pulumi.Resource{record})) // Google looks for it at once
		d.Publish = func(address pulumi.StringOutput) (pulumi.Resource, error) {
			return g.newRecord("address", pulumi.String(g.domain+"."), pulumi.String("A"), address, child)
		}
	}
	issued, err := certificatemanager.NewCertificate(g.ctx, g.name, &certificatemanager.CertificateArgs{
		Project: project, Labels: g.labels, Managed: &certificatemanager.CertificateManagedArgs{
			Domains: pulumi.ToStringArray([]string{g.domain}), DnsAuthorizations: pulumi.StringArray{authorization.ID()},
		},
	}, certificate...)
	if err != nil {
		return nil, err
	}
	certificates, err := certificatemanager.NewCertificateMapResource(g.ctx, g.name, &certificatemanager.CertificateMapResourceArgs{
		Project: project, Labels: g.labels,
	}, child, enabled)
	if err != nil {
		return nil, err
	}
	entry, err := certificatemanager.NewCertificateMapEntry(g.ctx, g.name, &certificatemanager.CertificateMapEntryArgs{
		Project: project, Labels: g.labels, Map: certificates.Name, Hostname: pulumi.String(g.domain), Certificates: pulumi.StringArray{issued.ID()},
	}, child)
	if err != nil {
		return nil, err
	}
	d.Annotations = pulumi.StringMap{"networking.gke.io/certmap": entry.Map} // known when the map is complete
	return d, g.ctx.RegisterResourceOutputs(component, pulumi.Map{})
}

// domain is who serves the domain on an existing cluster; nil if there is none.
func (e *existing) domain(service config.Service) *Domain {
	if service.Domain == "" {
		return nil
	}
	d := &Domain{Class: e.GatewayClass, Secret: e.TLSSecret}
	if e.ClusterIssuer != "" { // cert-manager writes the Secret
		d.Secret = service.Name + "-tls"
		d.Annotations = pulumi.StringMap{"cert-manager.io/cluster-issuer": pulumi.String(e.ClusterIssuer)}
	}
	return d
}

// newRecord registers a record in the domain's zone.
func (g *google) newRecord(logical string, name, kind, data pulumi.StringInput, opts ...pulumi.ResourceOption) (*dns.RecordSet, error) {
	return dns.NewRecordSet(g.ctx, logical, &dns.RecordSetArgs{
		Project: pulumi.String(g.ZoneProject), ManagedZone: pulumi.String(g.Zone),
		Name: name, Type: kind, Rrdatas: pulumi.StringArray{data}, Ttl: pulumi.Int(300),
	}, opts...)
}

// checkZone refuses a zone that cannot have the domain's records.
func (g *google) checkZone() error {
	if g.Zone == "" {
		return nil
	}
	zone, err := dns.LookupManagedZone(g.ctx, &dns.LookupManagedZoneArgs{Name: g.Zone, Project: &g.ZoneProject})
	rule := ""
	switch {
	case err != nil:
		rule = "cannot be read: " + err.Error()
	case zone.Visibility == "private":
		rule = "is private, so that Google cannot see in it whose the domain is"
	case !strings.HasSuffix("."+g.domain+".", "."+zone.DnsName):
		rule = "is the zone of " + cmp.Or(zone.DnsName, "no domain") + ", which does not contain " + g.domain
	default:
		return nil
	}
	return config.Problems("stack "+g.ctx.Stack()+" has no zone", config.Problem{What: "dnsZone", Value: config.Show(g.Zone), Rule: rule,
		Fix: "choose another (gcloud dns managed-zones list --project " + g.ZoneProject + "): pulumi config set dnsZone ZONE --stack " + g.ctx.Stack()})
}
