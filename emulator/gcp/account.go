package gcp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"hello-timber/emulator/gcp/terraform"
)

const accountType = "gcp:serviceaccount/account:Account"

// A service account.
var _ = register(resourceType{
	Schema: schema{Token: accountType, ID: "projects/{project}/serviceAccounts/{accountId}@{project}" + accountDomain, Fields: fields{
		"accountId": {Kind: text, Flags: required | forces, Rules: []terraform.Rule{
			terraform.Match(`^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$`, `"account_id" ("VALUE") doesn't match regexp "^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$"`)}},
		"createIgnoreAlreadyExists": {Kind: truth, Flags: refused | unread},
		"description":               {Kind: text},
		"disabled":                  {Kind: truth, Default: false},
		"displayName":               {Kind: text},
		"email":                     {Kind: text, Flags: output},
		"member":                    {Kind: text, Flags: output},
		"name":                      {Kind: text, Flags: output},
		"project":                   {Kind: text, Flags: computed | forces},
		"uniqueId":                  {Kind: text, Flags: output},
	}},
	api: api{"iam.googleapis.com", "Identity and Access Management (IAM) API"},
	apply: func(_ context.Context, _ *google, c *change) error {
		email := str(c.new, "accountId") + "@" + str(c.new, "project") + accountDomain
		c.new["email"], c.new["member"], c.new["name"] = email, "serviceAccount:"+email, c.id
		if c.old == nil {
			c.new["uniqueId"] = fmt.Sprintf("1%020d", rand.Uint64())
		}
		return nil
	},
})

const accountDomain = ".iam.gserviceaccount.com"

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
