package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// gcloud asks gcloud about the stack's project.
func (s *stack) gcloud(ctx context.Context, into any, args ...string) error {
	return gcloud(ctx, s.project(), into, args...)
}

// gcloud asks gcloud about a project and decodes the answer.
func gcloud(ctx context.Context, project string, into any, args ...string) error {
	return ask(ctx, into, "gcloud", append(args, "--project="+project, "--format=json")...)
}

// account looks for the account of gcloud itself, with which kubectl gets access.
func account(ctx context.Context, _ *stack) finding {
	var accounts []struct{ Account string }
	err := ask(ctx, &accounts, "gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=json")
	switch {
	case err != nil:
		return unknown("%v", err)
	case len(accounts) == 0:
		return missing("gcloud auth login", "gcloud is not logged in")
	}
	return ok("%s", accounts[0].Account)
}

// login looks for the Application Default Credentials, which Pulumi and the plugin use.
// They may be of another user than gcloud's account.
func login(ctx context.Context, s *stack) finding {
	out, err := run(ctx, "gcloud", "auth", "application-default", "print-access-token")
	if err != nil {
		return missing("gcloud auth application-default login", "%v", err)
	}
	s.token = strings.TrimSpace(string(out))
	return ok("Application Default Credentials")
}

func project(ctx context.Context, s *stack) finding {
	var project struct{ Name, ProjectID, LifecycleState string }
	err := ask(ctx, &project, "gcloud", "projects", "describe", s.project(), "--format=json")
	switch {
	case err != nil:
		return missing("pulumi config set gcp:project PROJECT_ID --stack "+s.name+" (gcloud projects list prints the IDs)", "%v", err)
	case project.LifecycleState != "ACTIVE":
		return missing("gcloud projects undelete "+s.project(), "project %s is in state %s", s.project(), project.LifecycleState)
	}
	return ok("%s", s.project())
}

func billing(ctx context.Context, s *stack) finding {
	var info struct{ BillingEnabled bool }
	err := ask(ctx, &info, "gcloud", "billing", "projects", "describe", s.project(), "--format=json")
	switch {
	case err != nil:
		return unknown("%v", err)
	case !info.BillingEnabled:
		return missing("gcloud billing projects link "+s.project()+" --billing-account ACCOUNT_ID (gcloud billing accounts list prints the IDs)", "project %s has no billing account", s.project())
	}
	return ok("enabled")
}

// bootstrapAPI is the API through which the program enables the others.
const bootstrapAPI = "cloudresourcemanager.googleapis.com"

func apis(ctx context.Context, s *stack) finding {
	var services []struct{ Config struct{ Name string } }
	if err := s.gcloud(ctx, &services, "services", "list", "--enabled", "--filter=config.name="+bootstrapAPI); err != nil {
		return unknown("%v", err)
	}
	for _, s := range services {
		if s.Config.Name == bootstrapAPI {
			return ok("%s is enabled, the program enables the others", bootstrapAPI)
		}
	}
	return missing("gcloud services enable "+bootstrapAPI+" --project "+s.project(), "%s is not enabled", bootstrapAPI)
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

// roles asks Google itself, because gcloud has no command for it: a project's policy
// does not have what a group, a folder, or the organization grants.
func roles(ctx context.Context, s *stack) finding {
	var all []string
	for _, some := range permissions {
		all = append(all, some...)
	}
	granted, err := s.testPermissions(ctx, all)
	if err != nil {
		return unknown("%v", err)
	}
	var lacking []string
	for role, some := range permissions {
		if slices.ContainsFunc(some, func(permission string) bool { return !slices.Contains(granted, permission) }) {
			lacking = append(lacking, role)
		}
	}
	if len(lacking) == 0 {
		return ok("all six")
	}
	slices.Sort(lacking)
	fix := fmt.Sprintf("ask a project administrator to run: for role in %s; do gcloud projects add-iam-policy-binding %s --member user:EMAIL --role $role --condition None; done",
		strings.Join(lacking, " "), s.project())
	return missing(fix, "you do not have %s", strings.Join(lacking, ", "))
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
func network(ctx context.Context, s *stack) finding {
	name, project := cmp.Or(s.config["network"], "default"), s.project()
	if shared := strings.Split(name, "/"); len(shared) == 5 { // projects/PROJECT/global/networks/NAME
		project, name = shared[1], shared[4]
	}
	var subnets []subnet
	if err := gcloud(ctx, project, &subnets, "compute", "networks", "subnets", "list", "--network="+name, "--regions="+s.region()); err != nil {
		return unknown("%v", err)
	}
	// In auto mode, each region has a subnet with the network's name.
	want := cmp.Or(s.config["subnetwork"], name)
	i := slices.IndexFunc(subnets, func(sub subnet) bool { return sub.Name == want })
	if i < 0 {
		return noSubnet(s, name, want, project, subnets)
	}
	if !subnets[i].PrivateIPGoogleAccess {
		return missing(fmt.Sprintf("gcloud compute networks subnets update %s --region %s --enable-private-ip-google-access --project %s", want, s.region(), project),
			"subnet %s of network %s in %s has no Private Google Access, and nodes cannot pull images without it", want, name, s.region())
	}
	for _, secondary := range strings.FieldsFunc(s.config["secondaryRanges"], func(r rune) bool { return r == ',' }) {
		if !slices.ContainsFunc(subnets[i].SecondaryIPRanges, func(r struct{ RangeName string }) bool { return r.RangeName == secondary }) {
			return missing(fmt.Sprintf("gcloud compute networks subnets update %s --region %s --add-secondary-ranges %s=RANGE --project %s", want, s.region(), secondary, project),
				"subnet %s of network %s in %s has no secondary range %s", want, name, s.region(), secondary)
		}
	}
	return ok("%s, with Private Google Access in %s", name, s.region())
}

// noSubnet finds the fix for a network whose subnet does not exist.
func noSubnet(s *stack, network, subnet, project string, others []subnet) finding {
	says := fmt.Sprintf("network %s has no subnet %s in %s", network, subnet, s.region())
	switch {
	case len(others) > 0:
		return missing("pulumi config set subnetwork "+others[0].Name+" --stack "+s.name, "%s", says)
	case network == "default":
		return missing("gcloud compute networks create default --subnet-mode auto --project "+project, "%s", says)
	}
	return missing(fmt.Sprintf("gcloud compute networks subnets create %s --network %s --region %s --range RANGE --enable-private-ip-google-access --project %s",
		subnet, network, s.region(), project), "%s", says)
}

// reserved is what gcloud lists of a reserved address.
type reserved struct {
	Name, Region, AddressType, NetworkTier, Status string
	Users                                          []string
}

// address looks for the load balancer's reserved address. The Service takes an external
// one of its region, in the Premium tier, that nothing else uses.
func address(ctx context.Context, s *stack) finding {
	want := s.config["address"]
	if want == "" {
		return ok("Google chooses one")
	}
	var all []reserved
	if err := s.gcloud(ctx, &all, "compute", "addresses", "list", "--filter=address="+want); err != nil {
		return unknown("%v", err)
	}
	another := fmt.Sprintf("gcloud compute addresses create NAME --region %s --project %s, then set what it lists: pulumi config set address ADDRESS --stack %s", s.region(), s.project(), s.name)
	// Another network of the project may have the same internal address.
	i := slices.IndexFunc(all, func(r reserved) bool { return r.AddressType != "INTERNAL" && path.Base(r.Region) == s.region() })
	if i < 0 {
		for _, r := range all {
			if r.AddressType == "INTERNAL" {
				return missing(another, "%s, reserved as %s, is an internal address", want, r.Name)
			}
		}
		return missing(another, "%s is not reserved in %s", want, s.region())
	}
	r := all[i]
	switch {
	case r.NetworkTier == "STANDARD":
		return missing(another, "%s, reserved as %s, is of the Standard network tier, and GKE's load balancers are Premium", want, r.Name)
	case r.Status == "IN_USE" && s.url != "http://"+want:
		user := "something else"
		if len(r.Users) > 0 {
			user = path.Base(r.Users[0])
		}
		return missing(another, "%s, reserved as %s, is in use by %s", want, r.Name, user)
	}
	return ok("%s, reserved as %s", want, r.Name)
}
