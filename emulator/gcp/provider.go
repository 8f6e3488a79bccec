// Package gcp stands in for Google: the provider plugin gcp, of which the program
// and the engine see what pulumi-gcp 7.38.0 would show them, and the commands
// gke-gcloud-auth-plugin and gcloud. What Google would remember is in package
// records; what would run at Google runs in package gke. It exists because the
// official plugin needs Google, and no version of its Go module is published.
package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/home"
	"hello-timber/emulator/records"
)

// clusters is what stands behind the records: the functions of package gke.
type clusters struct {
	Create                   func(context.Context, gke.Cluster, func(string)) (gke.Endpoint, error)
	Get                      func(context.Context, string) (gke.Endpoint, bool, error)
	Delete                   func(context.Context, string) error
	Resize                   func(context.Context, gke.Pool, func(string)) error
	Nodes                    func(context.Context, string, string) (map[string]int, error)
	EnsureRegistry           func(context.Context) error
	RemoveRegistry           func(context.Context) error
	DeleteRepositoryContents func(context.Context, string, string) error
}

type google struct {
	plugin.UnimplementedProvider
	records  records.Book
	clusters clusters
	token    func() (string, error)
	// log shows progress: in the status column of a resource, or as a line that
	// stays when there is no resource.
	log                   func(urn resource.URN, message string)
	project, region, zone string
	latency               float64 // how much of Google's own, see latencyVariable
	running               context.Context
	stop                  context.CancelCauseFunc
	// registry is held while deciding whether anybody needs the registry still.
	registry sync.Mutex
}

// New returns the provider. The host, which shows its progress, may be nil.
func New(host *provider.HostClient) plugin.Provider {
	g := &google{token: home.Credential, log: func(resource.URN, string) {}, clusters: clusters{
		gke.Create, gke.Get, gke.Delete, gke.Resize, gke.Nodes, gke.EnsureRegistry, gke.RemoveRegistry, gke.DeleteRepositoryContents}}
	g.running, g.stop = context.WithCancelCause(context.Background())
	if host != nil {
		g.log = func(urn resource.URN, message string) {
			show := host.LogStatus
			if urn == "" {
				show = host.Log
			}
			// Progress that cannot be shown is no reason to fail.
			_ = show(context.Background(), diag.Info, urn, message)
		}
	}
	return g
}

// change is a resource on its way from what it was to what it should be.
type change struct {
	id       string
	old, new map[string]any // old is nil when it is being made
	log      func(string)
}

const (
	serviceType       = "gcp:projects/service:Service"
	iamMemberType     = "gcp:projects/iAMMember:IAMMember"
	accountType       = "gcp:serviceaccount/account:Account"
	repositoryType    = "gcp:artifactregistry/repository:Repository"
	repositoryIAMType = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
	clusterType       = "gcp:container/cluster:Cluster"
	nodePoolType      = "gcp:container/nodePool:NodePool"
)

func init() {
	behave := func(token string, adopts bool, apply func(*google, context.Context, *change) error, read func(*google, context.Context, records.Record) (bool, error), remove func(*google, context.Context, records.Record) error) {
		k := kinds[token]
		k.adopts, k.apply, k.read, k.remove = adopts, apply, read, remove
	}
	behave(serviceType, true, (*google).applyService, nil, nil)
	behave(iamMemberType, true, (*google).applyMember, nil, nil)
	behave(accountType, false, (*google).applyAccount, nil, nil)
	behave(repositoryType, false, (*google).applyRepository, nil, (*google).removeRepository)
	behave(repositoryIAMType, true, (*google).applyRepositoryMember, nil, nil)
	behave(clusterType, false, (*google).applyCluster, (*google).readCluster, (*google).removeCluster)
	behave(nodePoolType, false, (*google).applyNodePool, (*google).readNodePool, (*google).removeNodePool)
}

type format struct {
	pattern *regexp.Regexp
	rule    string
}

// formats are the rules of top-level properties, the same for every type that has
// them. Sources: the fields' descriptions in Google's API references
// (iam/v1 projects.serviceAccounts.create, artifactregistry/v1
// projects.locations.repositories, container/v1 projects.locations.clusters,
// cloudresourcemanager/v1 projects) and Terraform's validations of them.
var formats = map[string]format{
	"accountId":    {regexp.MustCompile(`^[a-z][-a-z0-9]{4,28}[a-z0-9]$`), "6 to 30 lower-case letters, digits and hyphens, from a letter to a letter or digit"},
	"repositoryId": {regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`), "at most 63 lower-case letters, digits and hyphens, from a letter to a letter or digit"},
	"name":         {regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`), "at most 40 lower-case letters, digits and hyphens, from a letter to a letter or digit"},
	"project":      {regexp.MustCompile(`^([-a-z0-9.]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$`), "6 to 30 lower-case letters, digits and hyphens, from a letter to a letter or digit"},
	"location":     {regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+(-[a-z])?$`), "a region such as europe-west1 or a zone such as europe-west1-d"},
	"role":         {regexp.MustCompile(`^((projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+$`), "such as roles/artifactregistry.reader"},
	"member":       {regexp.MustCompile(`^((user|group|serviceAccount|domain|principal|principalSet):.+|all(Authenticated)?Users)$`), "such as serviceAccount:EMAIL"},
	"service":      {regexp.MustCompile(`^[a-z0-9.-]+\.googleapis\.com$`), "such as container.googleapis.com"},
	"format":       {regexp.MustCompile(`^(?i)docker$`), "the emulator's repositories are DOCKER"},
}

var apiTitles = map[string]string{
	"artifactregistry.googleapis.com": "Artifact Registry API",
	"container.googleapis.com":        "Kubernetes Engine API",
	"iam.googleapis.com":              "Identity and Access Management (IAM) API",
}

func (g *google) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{}, nil
}

func (g *google) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	version := semver.MustParse("7.38.0")
	return plugin.PluginInfo{Version: &version}, nil
}

func (g *google) SignalCancellation(context.Context) error {
	g.stop(errors.New("interrupted; what was half made is removed; run the same command again"))
	return nil
}

func (g *google) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	response := plugin.CheckConfigResponse{Properties: req.News}
	for _, key := range req.News.StableKeys() {
		if !slices.Contains([]string{"project", "region", "zone", "version"}, string(key)) {
			// Without the property: the engine would show its value.
			response.Failures = append(response.Failures, plugin.CheckFailure{Reason: fmt.Sprintf(
				"the emulator's provider knows gcp:project, gcp:region and gcp:zone, not gcp:%s; run: pulumi config rm gcp:%[1]s", key)})
		}
	}
	return response, nil
}

func (g *google) Configure(ctx context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	for key, to := range map[resource.PropertyKey]*string{"project": &g.project, "region": &g.region, "zone": &g.zone} {
		if value := req.Inputs[key]; value.IsString() {
			*to = value.StringValue()
		}
	}
	var err error
	if g.latency, err = latencyScale(); err != nil {
		return plugin.ConfigureResponse{}, err
	}
	if g.records.Dir == "" {
		dir, err := home.Dir()
		if err != nil {
			return plugin.ConfigureResponse{}, err
		}
		g.records.Dir = filepath.Join(dir, "google")
	}
	// As the official provider does: before anything is made.
	if _, err := g.token(); err != nil {
		return plugin.ConfigureResponse{}, err
	}
	return plugin.ConfigureResponse{}, g.sweep(ctx)
}

// maker is the property by which a record tells, while its resource is being
// made, the process that makes it.
const maker = "maker"

// sweep takes down what a killed run left half made: its next run would not know
// of it, because the engine records a resource only when it is there.
func (g *google) sweep(ctx context.Context) error {
	for _, k := range kinds {
		list, err := g.records.List(k.token)
		if err != nil {
			return err
		}
		for _, r := range list {
			process, halfMade := r.Properties[maker].(float64)
			if !halfMade || syscall.Kill(int(process), 0) == nil {
				continue
			}
			g.log("", "removing "+r.ID+", which an interrupted run left half made")
			if err := g.take(ctx, k, r); err != nil {
				return fmt.Errorf("remove %s, which an interrupted run left half made: %w", r.ID, err)
			}
		}
	}
	return nil
}

// take removes a resource and its record.
func (g *google) take(ctx context.Context, k *kind, r records.Record) error {
	if k.remove != nil {
		if err := k.remove(g, ctx, r); err != nil {
			return err
		}
	}
	return g.records.Delete(k.token, r.ID)
}

// autonames are the types that get a name from the resource's logical one.
var autonames = []string{clusterType, nodePoolType}

// defaults is where the bridge of Terraform providers keeps which inputs it chose.
const defaults = "__defaults"

func autonamed(inputs resource.PropertyMap) bool {
	list := inputs[defaults]
	return list.IsArray() && slices.ContainsFunc(list.ArrayValue(), func(v resource.PropertyValue) bool {
		return v.IsString() && v.StringValue() == "name"
	})
}

func (g *google) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	k, ok := kinds[string(req.Type)]
	if !ok {
		return plugin.CheckResponse{}, fmt.Errorf("the emulator has no %s", req.Type)
	}
	in, chosen := req.News.Copy(), []resource.PropertyValue{}
	delete(in, defaults)
	if slices.Contains(autonames, k.token) && !in.HasValue("name") {
		chosen = append(chosen, resource.NewProperty("name"))
		if in["name"] = req.Olds["name"]; !autonamed(req.Olds) {
			name, err := resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", 7, 0, nil)
			if err != nil {
				return plugin.CheckResponse{}, err
			}
			in["name"] = resource.NewProperty(name)
		}
	}
	var failures []plugin.CheckFailure
	// The reasons name the property: the engine shows only those that have a value.
	report := func(reason string) { failures = append(failures, plugin.CheckFailure{Reason: reason}) }
	k.check(k.fields, "", in, report)
	if !in.HasValue("project") && k.fields["project"].computed {
		if g.project == "" {
			report("no project is set; run: pulumi config set gcp:project PROJECT_ID")
		} else if rule := formats["project"]; !rule.pattern.MatchString(g.project) {
			report(fmt.Sprintf("gcp:project %q is no project: %s", g.project, rule.rule))
		}
	}
	if k.token == clusterType {
		checkCluster(in, report)
	}
	in[defaults] = resource.NewProperty(chosen)
	return plugin.CheckResponse{Properties: in, Failures: failures}, nil
}

func (g *google) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	k, found := kinds[string(req.Type)], map[string]plugin.PropertyDiff{}
	for name, f := range k.fields {
		key := resource.PropertyKey(name)
		f.diff(resource.PropertyPath{name}, req.OldInputs[key], req.NewInputs[key], found)
	}
	if was := req.OldOutputs["project"]; was.IsString() && !req.NewInputs.HasValue("project") && was.StringValue() != g.project {
		found["project"] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
	}
	if k.token == nodePoolType {
		diffServerSet(req, found)
	}
	result := plugin.DiffResponse{Changes: plugin.DiffNone, DetailedDiff: found}
	for _, change := range found {
		result.Changes = plugin.DiffSome
		// A new one of the same name has room only when the old one is gone.
		if change.Kind.IsReplace() && slices.Contains(autonames, k.token) && !autonamed(req.NewInputs) {
			result.DeleteBeforeReplace = req.OldInputs["name"].DeepEquals(req.NewInputs["name"])
		}
	}
	return result, nil
}

// identify fills in the form of an id. References may be names or whole ids.
func (k *kind) identify(properties map[string]any) string {
	return regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(k.id, func(name string) string {
		name = strings.Trim(name, "{}")
		value := text(properties, name)
		if name == "cluster" || name == "repository" {
			value = path.Base(value)
		}
		return value
	})
}

func text(properties map[string]any, name string) string {
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

// during ends with the request and with the engine's wish to stop.
func (g *google) during(request context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(g.running)
	context.AfterFunc(request, func() { cancel(context.Cause(request)) })
	return ctx
}

func (g *google) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	k := kinds[string(req.Type)]
	wanted := k.fields.merge(resource.PropertyMap{}, nil, req.Properties)
	if !wanted.HasValue("project") {
		wanted["project"] = resource.NewProperty(g.project)
	}
	if req.Preview {
		return plugin.CreateResponse{Properties: wanted}, nil
	}
	c := &change{new: wanted.Mappable(), log: func(message string) { g.log(req.URN, message) }}
	c.id = k.identify(c.new)
	if err := g.create(g.during(ctx), k, c); err != nil {
		return plugin.CreateResponse{}, err
	}
	return plugin.CreateResponse{ID: resource.ID(c.id), Properties: resource.NewPropertyMapFromMap(c.new)}, nil
}

func (g *google) create(ctx context.Context, k *kind, c *change) error {
	if _, exists, err := g.find(ctx, k, c.id); err != nil || exists && !k.adopts {
		return cmp.Or(err, fmt.Errorf("googleapi: Error 409: Already exists: %s., alreadyExists; a program adopts it with pulumi.Import", c.id))
	}
	if err := g.requireAPI(k.api, text(c.new, "project")); err != nil {
		return err
	}
	half := records.Record{ID: c.id, Properties: maps.Clone(c.new)}
	half.Properties[maker] = os.Getpid()
	if err := g.records.Put(k.token, half); err != nil {
		return err
	}
	var err error
	began := time.Now()
	if k.apply != nil {
		err = k.apply(g, ctx, c)
	}
	if err == nil {
		g.linger(ctx, k.token, began)
	}
	// Without anybody left to be told that it is there, it must not be.
	if err = cmp.Or(err, context.Cause(ctx)); err != nil {
		return errors.Join(err, g.take(context.WithoutCancel(ctx), k, half))
	}
	return g.records.Put(k.token, records.Record{ID: c.id, Properties: c.new})
}

// find returns a resource as it is now, and drops the record of one that is gone.
func (g *google) find(ctx context.Context, k *kind, id string) (records.Record, bool, error) {
	r, exists, err := g.records.Get(k.token, id)
	if exists && k.read != nil {
		if exists, err = k.read(g, ctx, r); err == nil && !exists {
			err = g.records.Delete(k.token, id)
		}
	}
	return r, exists, err
}

// applyService needs the API by which a project is looked up; nobody can enable
// that one through itself.
func (g *google) applyService(_ context.Context, c *change) error {
	_, disabled, err := g.records.Get(disabledType, text(c.new, "project")+"/"+bootstrapAPI)
	if err != nil || !disabled {
		return err
	}
	return fmt.Errorf("googleapi: Error 403: Cloud Resource Manager API has not been used in project %s before or it is disabled., accessNotConfigured; "+
		"to mend it: gcloud services enable %s --project %[1]s", text(c.new, "project"), bootstrapAPI)
}

// bootstrapAPI is enabled in every project unless there is a record of the other type.
const (
	bootstrapAPI = "cloudresourcemanager.googleapis.com"
	disabledType = "emulator:disabledAPI"
)

func (g *google) requireAPI(api, project string) error {
	if api == "-" {
		return nil
	}
	_, enabled, err := g.records.Get(serviceType, project+"/"+api)
	if err != nil || enabled {
		return err
	}
	return fmt.Errorf("googleapi: Error 403: %s has not been used in project %s before or it is disabled. "+
		"Enable %s with a gcp.projects.Service that this resource depends on, then retry., accessNotConfigured", apiTitles[api], project, api)
}

func (g *google) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	k := kinds[string(req.Type)]
	if req.Preview {
		return plugin.UpdateResponse{Properties: k.fields.merge(req.OldOutputs, req.OldInputs, req.NewInputs)}, nil
	}
	r, exists, err := g.records.Get(k.token, string(req.ID))
	if err != nil || !exists {
		return plugin.UpdateResponse{}, cmp.Or(err, fmt.Errorf("googleapi: Error 404: Not found: %s., notFound; run: pulumi refresh", req.ID))
	}
	wanted := k.fields.merge(resource.NewPropertyMapFromMap(r.Properties), req.OldInputs, req.NewInputs)
	c := &change{id: r.ID, old: r.Properties, new: wanted.Mappable(), log: func(message string) { g.log(req.URN, message) }}
	if k.apply != nil {
		if err := k.apply(g, g.during(ctx), c); err != nil {
			return plugin.UpdateResponse{}, err
		}
	}
	return plugin.UpdateResponse{Properties: resource.NewPropertyMapFromMap(c.new)}, g.records.Put(k.token, records.Record{ID: c.id, Properties: c.new})
}

func (g *google) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	k, ok := kinds[string(req.Type)]
	if !ok {
		return plugin.ReadResponse{}, fmt.Errorf("the emulator has no %s", req.Type)
	}
	r, exists, err := g.find(ctx, k, string(req.ID))
	if err != nil || !exists || r.Properties[maker] != nil {
		return plugin.ReadResponse{}, err
	}
	like := req.Inputs
	if len(like) == 0 {
		like = nil // an import
	}
	outputs := resource.NewPropertyMapFromMap(r.Properties)
	inputs := k.fields.inputs(outputs, like)
	if chosen, ok := like[defaults]; ok {
		inputs[defaults] = chosen
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: outputs}}, nil
}

func (g *google) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	if kept := req.Outputs["disableOnDestroy"]; kept.IsBool() && !kept.BoolValue() {
		return plugin.DeleteResponse{}, nil
	}
	if req.Type == clusterType {
		if err := refuseProtected(req.Outputs); err != nil {
			return plugin.DeleteResponse{}, err
		}
	}
	r := records.Record{ID: string(req.ID), Properties: req.Outputs.Mappable()}
	return plugin.DeleteResponse{}, g.take(g.during(ctx), kinds[string(req.Type)], r)
}

func (g *google) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	if req.Tok != "gcp:organizations/getClientConfig:getClientConfig" {
		return plugin.InvokeResponse{}, fmt.Errorf("the emulator has no function %s", req.Tok)
	}
	token, err := g.token()
	if err != nil {
		return plugin.InvokeResponse{}, err
	}
	return plugin.InvokeResponse{Properties: resource.NewPropertyMapFromMap(map[string]any{
		"accessToken": token, "project": g.project, "region": g.region, "zone": g.zone,
		"id": fmt.Sprintf("projects/%q/regions/%q/zones/%q", g.project, g.region, g.zone),
	})}, nil
}
