package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// gcloud asks gcloud about the stack's project and decodes the answer.
func (p *patient) gcloud(ctx context.Context, into any, args ...string) error {
	out, err := run(ctx, "gcloud", append(args, "--project="+p.project(), "--format=json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("gcloud %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// account looks for the account of gcloud itself, which gives kubectl access.
func account(ctx context.Context, _ *patient) finding {
	var accounts []struct{ Account string }
	out, err := run(ctx, "gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=json")
	if err == nil {
		err = json.Unmarshal(out, &accounts)
	}
	switch {
	case err != nil:
		return unknown("%v", err)
	case len(accounts) == 0:
		return finding{says: "gcloud is not logged in", mend: "gcloud auth login"}
	}
	return ok("%s", accounts[0].Account)
}

// login looks for the Application Default Credentials, which Pulumi and the plugin
// use; they may be somebody else's than gcloud's account.
func login(ctx context.Context, p *patient) finding {
	out, err := run(ctx, "gcloud", "auth", "application-default", "print-access-token")
	if err != nil {
		return finding{says: err.Error(), mend: "gcloud auth application-default login"}
	}
	p.token = strings.TrimSpace(string(out))
	return ok("Application Default Credentials")
}

func project(ctx context.Context, p *patient) finding {
	var project struct{ Name, ProjectID, LifecycleState string }
	out, err := run(ctx, "gcloud", "projects", "describe", p.project(), "--format=json")
	if err == nil {
		err = json.Unmarshal(out, &project)
	}
	switch {
	case err != nil:
		return finding{says: err.Error(), mend: "gcloud projects list, then pulumi config set gcp:project PROJECT_ID --stack " + p.stack}
	case project.LifecycleState != "ACTIVE":
		return finding{says: p.project() + " is " + project.LifecycleState, mend: "gcloud projects undelete " + p.project()}
	}
	return ok("%s", p.project())
}

func billing(ctx context.Context, p *patient) finding {
	var info struct{ BillingEnabled bool }
	out, err := run(ctx, "gcloud", "billing", "projects", "describe", p.project(), "--format=json")
	if err == nil {
		err = json.Unmarshal(out, &info)
	}
	switch {
	case err != nil:
		return unknown("%v", err)
	case !info.BillingEnabled:
		return finding{says: "the project has no billing account", mend: "gcloud billing accounts list, then gcloud billing projects link " + p.project() + " --billing-account ACCOUNT_ID"}
	}
	return ok("enabled")
}

// bootstrapAPI is the one through which the program enables the others.
const bootstrapAPI = "cloudresourcemanager.googleapis.com"

func apis(ctx context.Context, p *patient) finding {
	var services []struct{ Config struct{ Name string } }
	if err := p.gcloud(ctx, &services, "services", "list", "--enabled", "--filter=config.name="+bootstrapAPI); err != nil {
		return unknown("%v", err)
	}
	for _, s := range services {
		if s.Config.Name == bootstrapAPI {
			return ok("%s is enabled, the program enables the others", bootstrapAPI)
		}
	}
	return finding{says: bootstrapAPI + " is not enabled", mend: "gcloud services enable " + bootstrapAPI + " --project " + p.project()}
}

// permissions are, for each role that the README asks for, some that it gives and
// the program needs.
var permissions = map[string][]string{
	"roles/artifactregistry.admin":          {"artifactregistry.repositories.create", "artifactregistry.repositories.setIamPolicy", "artifactregistry.repositories.uploadArtifacts"},
	"roles/container.admin":                 {"container.clusters.create", "container.deployments.create"},
	"roles/iam.serviceAccountAdmin":         {"iam.serviceAccounts.create"},
	"roles/iam.serviceAccountUser":          {"iam.serviceAccounts.actAs"},
	"roles/resourcemanager.projectIamAdmin": {"resourcemanager.projects.setIamPolicy"},
	"roles/serviceusage.serviceUsageAdmin":  {"serviceusage.services.enable"},
}

// roles asks Google, because gcloud has no command for it: a project's policy does
// not tell what comes from a group, a folder, or the organization.
func roles(ctx context.Context, p *patient) finding {
	var all []string
	for _, some := range permissions {
		all = append(all, some...)
	}
	granted, err := p.testPermissions(ctx, all)
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
		return ok("all of the six that it takes")
	}
	slices.Sort(lacking)
	mend := fmt.Sprintf("somebody who may: for role in %s; do gcloud projects add-iam-policy-binding %s --member user:EMAIL --role $role --condition None; done",
		strings.Join(lacking, " "), p.project())
	return finding{says: "not granted to you: " + strings.Join(lacking, ", "), mend: mend}
}

// testPermissions returns those of the permissions that the Application Default
// Credentials have in the project.
func (p *patient) testPermissions(ctx context.Context, permissions []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// gcloud's own setting for another endpoint.
	endpoint := cmp.Or(os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"), "https://"+bootstrapAPI+"/")
	question, err := json.Marshal(map[string][]string{"permissions": permissions})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/v1/projects/"+p.project()+":testIamPermissions", bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	request.Header.Set("Content-Type", "application/json")
	// Whose quota the question counts against; a user's credentials have no project of their own.
	request.Header.Set("X-Goog-User-Project", p.project())
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

func network(ctx context.Context, p *patient) finding {
	var subnets []struct{ PrivateIPGoogleAccess bool }
	err := p.gcloud(ctx, &subnets, "compute", "networks", "subnets", "list", "--network=default", "--regions="+p.region())
	switch {
	case err != nil:
		return unknown("%v", err)
	case len(subnets) == 0:
		return finding{says: "network default has no subnet in " + p.region(), mend: "gcloud compute networks create default --subnet-mode auto --project " + p.project()}
	case !subnets[0].PrivateIPGoogleAccess:
		return finding{says: "network default in " + p.region() + " has no Private Google Access, without which nodes pull nothing",
			mend: fmt.Sprintf("gcloud compute networks subnets update default --region %s --enable-private-ip-google-access --project %s", p.region(), p.project())}
	}
	return ok("default, with Private Google Access in %s", p.region())
}
