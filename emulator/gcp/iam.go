package gcp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
)

const accountDomain = ".iam.gserviceaccount.com"

func (g *google) applyAccount(_ context.Context, c *change) error {
	email := text(c.new, "accountId") + "@" + text(c.new, "project") + accountDomain
	c.new["email"], c.new["member"], c.new["name"] = email, "serviceAccount:"+email, c.id
	if c.old == nil {
		c.new["uniqueId"] = fmt.Sprintf("1%020d", rand.Uint64())
	}
	return nil
}

// require refuses a reference to what nobody has made.
func (g *google) require(token, id string) error {
	_, exists, err := g.records.Get(token, id)
	if err != nil || exists {
		return err
	}
	return fmt.Errorf("googleapi: Error 404: Not found: %s., notFound", id)
}

// requireAccount refuses a service account that nobody has made. Google's own
// accounts are always there.
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

func (g *google) applyMember(_ context.Context, c *change) error {
	if email, ok := strings.CutPrefix(text(c.new, "member"), "serviceAccount:"); ok {
		return g.requireAccount(email)
	}
	return nil
}

func (g *google) applyRepositoryMember(ctx context.Context, c *change) error {
	repository := map[string]any{"project": c.new["project"], "location": c.new["location"], "repositoryId": path.Base(text(c.new, "repository"))}
	if err := g.require(repositoryType, kinds[repositoryType].identify(repository)); err != nil {
		return err
	}
	return g.applyMember(ctx, c)
}
