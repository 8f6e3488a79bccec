package gcp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
)

const (
	accountType       = "gcp:serviceaccount/account:Account"
	iamMemberType     = "gcp:projects/iAMMember:IAMMember"
	repositoryIAMType = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
)

var accountSchema = schema{
	token: accountType, id: "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
	api: "iam.googleapis.com",
	fields: fields{
		"accountId":                 {kind: text, flags: required | forces},
		"createIgnoreAlreadyExists": {kind: truth, flags: refused | unread},
		"description":               {kind: text},
		"disabled":                  {kind: truth, preset: false},
		"displayName":               {kind: text},
		"email":                     {kind: text, flags: output},
		"member":                    {kind: text, flags: output},
		"name":                      {kind: text, flags: output},
		"project":                   {kind: text, flags: computed | forces},
		"uniqueId":                  {kind: text, flags: output},
	},
}

var iamMemberSchema = schema{
	token: iamMemberType, id: "{project}/{role}/{member}", adopts: true,
	fields: fields{
		"condition": {kind: block, flags: forces | refused},
		"etag":      {kind: text, flags: output},
		"member":    {kind: text, flags: required | forces, same: sameExceptCase},
		"project":   {kind: text, flags: required | forces, same: sameReference},
		"role":      {kind: text, flags: required | forces},
	},
}

var repositoryIAMSchema = schema{
	token: repositoryIAMType, id: "projects/{project}/locations/{location}/repositories/{repository}/{role}/{member}",
	api: "artifactregistry.googleapis.com", adopts: true,
	fields: fields{
		"condition":  {kind: block, flags: forces | refused},
		"etag":       {kind: text, flags: output},
		"location":   {kind: text, flags: required | forces},
		"member":     {kind: text, flags: required | forces, same: sameExceptCase},
		"project":    {kind: text, flags: computed | forces},
		"repository": {kind: text, flags: required | forces, same: sameReference},
		"role":       {kind: text, flags: required | forces},
	},
}

// accountResource is a service account.
type accountResource struct{ recorded }

func (accountResource) schema() *schema { return &accountSchema }

const accountDomain = ".iam.gserviceaccount.com"

func (accountResource) apply(_ context.Context, _ *google, c *change) error {
	email := str(c.new, "accountId") + "@" + str(c.new, "project") + accountDomain
	c.new["email"], c.new["member"], c.new["name"] = email, "serviceAccount:"+email, c.id
	if c.old == nil {
		c.new["uniqueId"] = fmt.Sprintf("1%020d", rand.Uint64())
	}
	return nil
}

// iamMemberResource is a role of a member in a project.
type iamMemberResource struct{ recorded }

func (iamMemberResource) schema() *schema { return &iamMemberSchema }

func (iamMemberResource) apply(_ context.Context, g *google, c *change) error {
	c.new["etag"] = etag()
	return g.grant(c)
}

// repositoryMemberResource is a role of a member in a repository.
type repositoryMemberResource struct{ recorded }

func (repositoryMemberResource) schema() *schema { return &repositoryIAMSchema }

func (repositoryMemberResource) apply(_ context.Context, g *google, c *change) error {
	id := repositorySchema.identify(map[string]any{
		"project": c.new["project"], "location": c.new["location"], "repositoryId": path.Base(str(c.new, "repository"))})
	if err := g.require(repositoryType, id); err != nil {
		return err
	}
	// Terraform stores the whole ID.
	c.new["repository"], c.new["etag"] = id, etag()
	return g.grant(c)
}

// etag is of the form that Google's version numbers of policies have.
func etag() string { return fmt.Sprintf("Bw%010x=", rand.Uint64N(1<<40)) }

var role = regexp.MustCompile(`^((projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+$`)

// grant refuses roles and members that do not exist. Google's words:
// terraform-provider-google/issues/5107.
func (g *google) grant(c *change) error {
	if name := str(c.new, "role"); !role.MatchString(name) {
		return fmt.Errorf("googleapi: Error 400: Role %s is not supported for this resource., badRequest", name)
	}
	if email, ok := strings.CutPrefix(str(c.new, "member"), "serviceAccount:"); ok {
		return g.requireAccount(email)
	}
	return nil
}

// require refuses a reference to what does not exist.
func (g *google) require(token, id string) error {
	_, exists, err := g.records.Get(token, id)
	if err != nil || exists {
		return err
	}
	return fmt.Errorf("googleapi: Error 404: Not found: %s., notFound", id)
}

// requireAccount refuses a service account that does not exist. Google's own
// accounts always do.
func (g *google) requireAccount(email string) error {
	_, domain, _ := strings.Cut(email, "@")
	project, users := strings.CutSuffix(domain, accountDomain)
	if !users {
		return nil
	}
	_, exists, err := g.records.Get(accountType, "projects/"+project+"/serviceAccounts/"+email)
	if err != nil || exists {
		return err
	}
	return fmt.Errorf("googleapi: Error 400: Service account %s does not exist., badRequest", email)
}
