package gcp

import (
	"context"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/records"
)

const (
	serviceType  = "gcp:projects/service:Service"
	disabledType = "emulator:disabledAPI"
)

// bootstrapAPI looks up projects, so it cannot be enabled through itself. It is enabled
// in every project unless there is a record of disabledType.
var bootstrapAPI = api{"cloudresourcemanager.googleapis.com", "Cloud Resource Manager API"}

// An API that a project uses.
var _ = register(resourceType{
	Schema: schema{Token: serviceType, ID: "{project}/{service}", Fields: fields{
		"checkIfServiceHasUsageOnDestroy": {Kind: truth, Flags: refused, Default: false},
		"disableDependentServices":        {Kind: truth, Flags: unread},
		"disableOnDestroy":                {Kind: truth, Default: true},
		"project":                         {Kind: text, Flags: computed | forces, Same: terraform.SameReference},
		"service": {Kind: text, Flags: required | forces, Rules: []terraform.Rule{
			terraform.Match(`\.`, "expected VALUE to be a domain like serviceusage.googleapis.com")}},
	}},
	adopts: true,
	apply: func(_ context.Context, g *google, c *change) error {
		project := str(c.new, "project")
		_, disabled, err := g.records.Get(disabledType, project+"/"+bootstrapAPI.host)
		if err == nil && disabled {
			err = bootstrapAPI.missing(project)
		}
		return err
	},
	spare: func(properties map[string]any) (bool, error) { return properties["disableOnDestroy"] == false, nil },
	commands: []command{
		{"services enable API --project=PROJECT", func(c *call) error { return c.enable(true) }},
		{"services disable API --project=PROJECT", func(c *call) error { return c.enable(false) }},
		{"services list --enabled --project=PROJECT --format=json [--filter=FILTER]", (*call).services},
	},
})

// enable switches an API on or off.
func (c *call) enable(on bool) error {
	token := serviceType
	if c.name == bootstrapAPI.host {
		token, on = disabledType, !on
	}
	id := c.project + "/" + c.name
	if !on {
		return c.records.Delete(token, id)
	}
	return c.records.Put(token, records.Record{ID: id, Properties: map[string]any{"project": c.project, "service": c.name, "disableOnDestroy": true}})
}

// services lists a project's enabled APIs, whatever the filter.
func (c *call) services() error {
	type config struct {
		Name string `json:"name"`
	}
	list := []map[string]config{}
	if _, disabled, err := c.records.Get(disabledType, c.project+"/"+bootstrapAPI.host); err != nil {
		return err
	} else if !disabled {
		list = append(list, map[string]config{"config": {bootstrapAPI.host}})
	}
	enabled, err := c.records.List(serviceType)
	if err != nil {
		return err
	}
	for _, r := range enabled {
		if str(r.Properties, "project") == c.project {
			list = append(list, map[string]config{"config": {str(r.Properties, "service")}})
		}
	}
	return c.print(list)
}
