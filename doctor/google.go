package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"hello-timber/stacks/config"
)

// gcloud asks gcloud about a project and decodes the answer.
func gcloud(ctx context.Context, project string, into any, args ...string) error {
	return ask(ctx, into, "gcloud", append(args, "--project="+project, "--format=json")...)
}

// account looks for the account of gcloud itself, with which kubectl gets access.
func account(ctx context.Context, _ *stack) (string, error) {
	var accounts []struct{ Account string }
	err := ask(ctx, &accounts, "gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=json")
	if err == nil && len(accounts) == 0 {
		err = missing("gcloud auth login", "gcloud is not logged in")
	}
	if err != nil {
		return "", err
	}
	return accounts[0].Account, nil
}

// login looks for the Application Default Credentials, which Pulumi and the plugin use.
// They may be of another user than gcloud's account.
func login(ctx context.Context, s *stack) (string, error) {
	var err error
	if s.token, err = run(ctx, "gcloud", "auth", "application-default", "print-access-token"); err != nil {
		return "", missing("gcloud auth application-default login", "%v", err)
	}
	return "Application Default Credentials", nil
}

func project(ctx context.Context, s *stack) (string, error) {
	var project struct{ LifecycleState string }
	if err := ask(ctx, &project, "gcloud", "projects", "describe", s.project(), "--format=json"); err != nil {
		return "", missing("pulumi config set gcp:project PROJECT_ID --stack "+s.name+" (gcloud projects list prints the IDs)", "%v", err)
	}
	if project.LifecycleState != "ACTIVE" {
		return "", missing("gcloud projects undelete "+config.Quote(s.project()), "project %s is in state %s", s.project(), project.LifecycleState)
	}
	return s.project(), nil
}

func billing(ctx context.Context, s *stack) (string, error) {
	var info struct{ BillingEnabled bool }
	err := ask(ctx, &info, "gcloud", "billing", "projects", "describe", s.project(), "--format=json")
	if err == nil && !info.BillingEnabled {
		err = missing("gcloud billing projects link "+config.Quote(s.project())+" --billing-account ACCOUNT_ID (gcloud billing accounts list prints the IDs)",
			"project %s has no billing account", s.project())
	}
	return "enabled", err
}

// bootstrapAPI is the API through which the program enables the others.
const bootstrapAPI = "cloudresourcemanager.googleapis.com"

func apis(ctx context.Context, s *stack) (string, error) {
	var services []any
	err := gcloud(ctx, s.project(), &services, "services", "list", "--enabled", "--filter=config.name="+bootstrapAPI)
	if err == nil && len(services) == 0 {
		err = missing("gcloud services enable "+bootstrapAPI+" --project "+config.Quote(s.project()), "%s is not enabled", bootstrapAPI)
	}
	return bootstrapAPI + " is enabled, the program enables the others", err
}

// permissions are some of those that the program needs, by the role in docs/google-cloud.md
// that grants them.
var permissions = map[string][]string{
	"roles/artifactregistry.admin":          {"artifactregistry.repositories.create", "artifactregistry.repositories.setIamPolicy", "artifactregistry.repositories.uploadArtifacts"},
	"roles/container.admin":                 {"container.clusters.create", "container.deployments.create"},
	"roles/iam.serviceAccountAdmin":         {"iam.serviceAccounts.create"},
	"roles/iam.serviceAccountUser":          {"iam.serviceAccounts.actAs"},
	"roles/resourcemanager.projectIamAdmin": {"resourcemanager.projects.setIamPolicy"},
	"roles/serviceusage.serviceUsageAdmin":  {"serviceusage.services.enable"},
}

// domainPermissions are those that a domain needs besides, dns.admin in its zone's project.
var domainPermissions = map[string][]string{
	"roles/certificatemanager.owner": {"certificatemanager.certs.create", "certificatemanager.certs.delete"},
	"roles/dns.admin":                {"dns.changes.create"},
}

// roles asks Google itself, because gcloud has no command for it: a project's policy
// does not have what a group, a folder, or the organization grants.
func roles(ctx context.Context, s *stack) (string, error) {
	needed := maps.Clone(permissions)
	if s.config["domain"] != "" {
		maps.Copy(needed, domainPermissions)
	}
	if zone := s.config["dnsZone"]; zone == "" || strings.Contains(zone, "/") {
		delete(needed, "roles/dns.admin")
	}
	granted, err := s.testPermissions(ctx, slices.Concat(slices.Collect(maps.Values(needed))...))
	if err != nil {
		return "", err
	}
	var lacking []string
	for _, role := range slices.Sorted(maps.Keys(needed)) {
		if slices.ContainsFunc(needed[role], func(permission string) bool { return !slices.Contains(granted, permission) }) {
			lacking = append(lacking, role)
		}
	}
	if len(lacking) == 0 {
		return fmt.Sprintf("all %d", len(needed)), nil
	}
	fix := fmt.Sprintf("ask a project administrator to run: for role in %s; do gcloud projects add-iam-policy-binding %s --member user:EMAIL --role $role --condition None; done",
		strings.Join(lacking, " "), config.Quote(s.project()))
	return "", missing(fix, "you do not have %s", strings.Join(lacking, ", "))
}

// testPermissions returns those of the permissions that the Application Default
// Credentials have in the project.
func (s *stack) testPermissions(ctx context.Context, permissions []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// gcloud's own setting for another endpoint.
	endpoint := cmp.Or(os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"), "https://"+bootstrapAPI+"/")
	question, err := json.Marshal(map[string][]string{"permissions": permissions})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/v1/projects/"+s.project()+":testIamPermissions", bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Content-Type", "application/json")
	// Whose quota the question counts against; a user's credentials have no project of their own.
	request.Header.Set("X-Goog-User-Project", s.project())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Permissions []string
		Error       struct{ Message string }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s: %w", response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, answer.Error.Message)
	}
	return answer.Permissions, nil
}

// subnet is what gcloud lists of a subnet.
type subnet struct {
	Name                  string
	PrivateIPGoogleAccess bool
	SecondaryIPRanges     []struct{ RangeName string }
}

// network looks at the subnet that the nodes get. It may be of another project, in
// which this user need not be allowed to look.
func network(ctx context.Context, s *stack) (string, error) {
	name, project := cmp.Or(s.config["network"], "default"), s.project()
	if shared := strings.Split(name, "/"); len(shared) == 5 { // projects/PROJECT/global/networks/NAME
		project, name = shared[1], shared[4]
	}
	var subnets []subnet
	if err := gcloud(ctx, project, &subnets, "compute", "networks", "subnets", "list", "--network="+name, "--regions="+s.region()); err != nil {
		return "", err
	}
	// In auto mode, each region has a subnet with the network's name.
	want := cmp.Or(s.config["subnetwork"], name)
	at := fmt.Sprintf(" --region %s --project %s", config.Quote(s.region()), config.Quote(project))
	i := slices.IndexFunc(subnets, func(sub subnet) bool { return sub.Name == want })
	if i < 0 {
		fix := "gcloud compute networks subnets create " + config.Quote(want) + " --network " + config.Quote(name) + " --range RANGE --enable-private-ip-google-access" + at
		if len(subnets) > 0 {
			fix = "pulumi config set subnetwork " + config.Quote(subnets[0].Name) + " --stack " + s.name
		} else if name == "default" {
			fix = "gcloud compute networks create default --subnet-mode auto --project " + config.Quote(project)
		}
		return "", missing(fix, "network %s has no subnet %s in %s", name, want, s.region())
	}
	update := "gcloud compute networks subnets update " + config.Quote(want) + at
	if !subnets[i].PrivateIPGoogleAccess {
		return "", missing(update+" --enable-private-ip-google-access",
			"subnet %s of network %s in %s has no Private Google Access, and nodes cannot pull images without it", want, name, s.region())
	}
	for _, secondary := range strings.FieldsFunc(s.config["secondaryRanges"], func(r rune) bool { return r == ',' }) {
		if !slices.ContainsFunc(subnets[i].SecondaryIPRanges, func(r struct{ RangeName string }) bool { return r.RangeName == secondary }) {
			return "", missing(update+" --add-secondary-ranges "+config.Quote(secondary)+"=RANGE", "subnet %s of network %s in %s has no secondary range %s", want, name, s.region(), secondary)
		}
	}
	return fmt.Sprintf("%s, with Private Google Access in %s", name, s.region()), nil
}

// address looks for the load balancer's reserved address. The Service takes an external
// one of its region, in the Premium tier, that nothing else uses. Another network of the
// project may have the same internal address.
func address(ctx context.Context, s *stack) (string, error) {
	want := s.config["address"]
	if want == "" {
		return "Google chooses one", nil
	}
	var all []struct{ Name, Region, AddressType, NetworkTier, Status string }
	if err := gcloud(ctx, s.project(), &all, "compute", "addresses", "list", "--filter=address="+want); err != nil {
		return "", err
	}
	for _, r := range all {
		own := r.Status != "IN_USE" || s.url == "http://"+want
		if path.Base(r.Region) == s.region() && r.AddressType != "INTERNAL" && r.NetworkTier != "STANDARD" && own {
			return want + ", reserved as " + r.Name, nil
		}
	}
	return "", missing(fmt.Sprintf("gcloud compute addresses create NAME --region %s --project %s, then set what it lists: pulumi config set address ADDRESS --stack %s",
		config.Quote(s.region()), config.Quote(s.project()), s.name),
		"%s is not an external address of the Premium tier in %s that is reserved and free", want, s.region())
}
