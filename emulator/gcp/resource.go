package gcp

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/records"
)

// resourceType is a type of resource: how Terraform's provider knows it and what Google
// does with it. Each is declared in a file of its own and registers itself. A function
// that is nil has nothing to do.
type resourceType struct {
	terraform.Schema
	// api is the service that must be enabled in the project.
	api api
	// adopts: creating one that exists is no error.
	adopts bool
	// rules are Google's, besides those that apply checks.
	rules rules
	// apply creates or changes the real thing, and adds what Google fills in.
	apply func(context.Context, *google, *change) error
	// read brings a record up to date; false: the real thing is gone.
	read func(context.Context, *google, records.Record) (bool, error)
	// spare reports whether a deletion leaves the resource as it is, or why it is refused.
	spare func(properties map[string]any) (bool, error)
	// remove deletes the real thing; one that is gone already is no error.
	remove func(context.Context, *google, records.Record) error
	// commands are those of gcloud for this type.
	commands []command
	// functions are those of the SDK for this type, by token.
	functions map[string]func(arguments resource.PropertyMap) resource.PropertyMap
}

// types are all types of resource, by token.
var types = map[string]*resourceType{}

func register(t resourceType) *resourceType {
	types[t.Token] = &t
	return &t
}

// The words of the schemas.
type (
	schema = terraform.Schema
	fields = terraform.Fields
	field  = terraform.Field
)

const (
	text, number, truth     = terraform.Text, terraform.Number, terraform.Truth
	texts, textSet, mapping = terraform.Texts, terraform.TextSet, terraform.Mapping
	block, blocks, blockSet = terraform.Block, terraform.Blocks, terraform.BlockSet

	required, computed, output = terraform.Required, terraform.Computed, terraform.Output
	forces, secret, unread     = terraform.Forces, terraform.Secret, terraform.Unread
	refused                    = terraform.Refused
)

// change is a resource on its way from what it was to what it should be.
type change struct {
	id       string
	old, new map[string]any // old is nil during creation
	log      func(string)
}

// date sets the times of the change, and of the creation.
func (c *change) date() {
	c.new["updateTime"] = time.Now().UTC().Format(time.RFC3339Nano)
	fill(c.new, map[string]any{"createTime": c.new["updateTime"]})
}

// require returns the ID of a resource, and refuses one that does not exist.
func (t *resourceType) require(g *google, properties map[string]any) (id string, err error) {
	id = t.Identify(properties)
	_, exists, err := g.records.Get(t.Token, id)
	if err == nil && !exists {
		err = fmt.Errorf("googleapi: Error 404: Not found: %s., notFound", id)
	}
	return id, err
}

func str(properties map[string]any, name string) string {
	value, _ := properties[name].(string)
	return value
}

// object returns a nested object, which it makes if there is none.
func object(properties map[string]any, name string) map[string]any {
	value, ok := properties[name].(map[string]any)
	if !ok {
		value = map[string]any{}
		properties[name] = value
	}
	return value
}

// fill adds what is missing, in objects too.
func fill(properties, missing map[string]any) {
	for key, value := range missing {
		have := properties[key]
		nested, isObject := value.(map[string]any)
		switch _, hasObject := have.(map[string]any); {
		case isObject && (hasObject || have == nil):
			fill(object(properties, key), nested)
		case have == nil:
			properties[key] = value
		}
	}
}

// api is a service of Google that projects enable.
type api struct{ host, title string }

// require refuses what needs an API that the project has not enabled.
func (a api) require(g *google, project string) error {
	if a.host == "" {
		return nil
	}
	_, enabled, err := g.records.Get(serviceType, project+"/"+a.host)
	if err != nil || enabled {
		return err
	}
	return a.missing(project)
}

// missing is what Google answers, in full in polkadot-k8s/issues/4 of midl-dev; the fix is
// what works here too.
func (a api) missing(project string) error {
	return fmt.Errorf("googleapi: Error 403: %s has not been used in project %s before or it is disabled. Enable it by visiting "+
		"https://console.developers.google.com/apis/api/%s/overview?project=%[2]s then retry. If you enabled this API recently, "+
		"wait a few minutes for the action to propagate to our systems and retry., accessNotConfigured. "+
		"Fix: gcloud services enable %[3]s --project %[2]s", a.title, project, a.host)
}
