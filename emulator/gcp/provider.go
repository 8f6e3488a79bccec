// Package gcp is the emulator's gcp provider plugin, and its commands
// gke-gcloud-auth-plugin and gcloud. It imitates pulumi-gcp 7.38.0, because that
// talks to Google and is not published as a Go module that could be pointed at
// something else. A test replays recorded requests to the original and compares the
// answers: conformance_test.go.
//
// Each type of resource is a file, with its schema and with what Google does with it; see
// resourceType. A new one is a new file, and nothing else here changes. What all of them have
// in common with other providers made of Terraform's is in package terraform. What Google
// would remember is in package records; what would run at Google runs in package gke.
package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"

	"hello-timber/emulator/credentials"
	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/gke"
	"hello-timber/emulator/home"
	"hello-timber/emulator/records"
	"hello-timber/emulator/wire"
)

// backend is what runs behind the records: control planes, nodes and a registry.
type backend interface {
	CreateCluster(ctx context.Context, c gke.Cluster, progress func(string)) (gke.Endpoint, error)
	// Cluster returns where a cluster's control plane is, or false if there is none.
	Cluster(ctx context.Context, name string) (gke.Endpoint, bool, error)
	DeleteCluster(ctx context.Context, name string) error
	// Resize starts or stops nodes until a pool has as many as it should.
	Resize(ctx context.Context, p gke.Pool, progress func(string)) error
	// EnableGateways adds the Gateway API to a cluster.
	EnableGateways(ctx context.Context, cluster string) error
	// Nodes counts a pool's nodes by zone.
	Nodes(ctx context.Context, cluster, pool string) (map[string]int, error)
	EnsureRegistry(ctx context.Context) error
	RemoveRegistry(ctx context.Context) error
	DeleteRepositoryContents(ctx context.Context, project, repository string) error
}

type google struct {
	wire.Base
	records records.Book
	backend backend
	token   func() (string, error)
	// signal asks for a process, as kill with signal 0 does.
	signal  func(pid int) error
	project string
	// registry is held while deciding whether the registry is still needed.
	registry sync.Mutex
}

// New returns the provider. The host, which shows its progress, may be nil.
func New(host *provider.HostClient) plugin.Provider {
	return &google{
		Base:   wire.NewBase(host, "7.38.0", "interrupted; what was half created is removed. Fix: run the same command again"),
		token:  credentials.Default,
		signal: func(pid int) error { return syscall.Kill(pid, 0) },
	}
}

func (g *google) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	response := plugin.CheckConfigResponse{Properties: req.News}
	for _, key := range req.News.StableKeys() {
		if key != "project" && key != "version" {
			// Without the property: the engine would show its value.
			response.Failures = append(response.Failures, plugin.CheckFailure{Reason: fmt.Sprintf(
				"the emulator's provider knows gcp:project, not gcp:%s. Fix: pulumi config rm gcp:%[1]s --stack %s", key, req.URN.Stack())})
		}
	}
	return response, nil
}

func (g *google) Configure(ctx context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	if project := req.Inputs["project"]; project.IsString() {
		g.project = project.StringValue()
	}
	if g.backend == nil {
		dir, err := home.Dir()
		if err != nil {
			return plugin.ConfigureResponse{}, err
		}
		if err := checkState(dir, os.Getenv("PULUMI_BACKEND_URL")); err != nil {
			return plugin.ConfigureResponse{}, err
		}
		g.records.Dir = filepath.Join(dir, "google")
		if g.backend, err = gke.Connect(); err != nil {
			return plugin.ConfigureResponse{}, err
		}
	}
	// As the official provider does: before anything is created.
	if _, err := g.token(); err != nil {
		return plugin.ConfigureResponse{}, err
	}
	return plugin.ConfigureResponse{}, g.sweep(ctx)
}

// checkState refuses a state that is not the emulator's. A refresh would find that nothing of a
// real project exists, and take it out of the state.
func checkState(dir, backend string) error {
	u, err := url.Parse(backend)
	if err == nil && u.Scheme == "file" {
		var state string
		if state, err = filepath.EvalSymlinks(u.Path); state == filepath.Join(dir, "state") {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("this terminal uses the emulator, which knows only the stacks in %s, not those in %s. Fix: use a new terminal",
		filepath.Join(dir, "state"), backend), err)
}

// maker is the property of a record that names the process which is creating the
// resource.
const maker = "maker"

// sweep removes what a killed run left half created. The next run would not know of
// it, because the engine stores a resource only when it is there.
func (g *google) sweep(ctx context.Context) error {
	for token, t := range types {
		list, err := g.records.List(token)
		if err != nil {
			return err
		}
		for _, r := range list {
			process, halfMade := r.Properties[maker].(float64)
			// Any error but this one comes from a process: of another user, for example.
			if !halfMade || !errors.Is(g.signal(int(process)), syscall.ESRCH) {
				continue
			}
			g.Line("", "removing "+r.ID+", which an interrupted run left half created")
			if err := g.take(ctx, t, r); err != nil {
				return fmt.Errorf("remove %s, which an interrupted run left half created: %w", r.ID, err)
			}
		}
	}
	return nil
}

// take removes a resource and its record.
func (g *google) take(ctx context.Context, t *resourceType, r records.Record) error {
	if t.remove != nil {
		if err := t.remove(ctx, g, r); err != nil {
			return err
		}
	}
	return g.records.Delete(t.Token, r.ID)
}

func (g *google) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	t, ok := types[string(req.Type)]
	if !ok {
		return plugin.CheckResponse{}, fmt.Errorf("the emulator has no %s", req.Type)
	}
	return t.Check(req)
}

// complete returns inputs with the provider's project where they name none, as
// Terraform's provider does in every plan.
func (g *google) complete(urn resource.URN, inputs resource.PropertyMap) (resource.PropertyMap, error) {
	if !inputs["project"].IsNull() {
		return inputs, nil
	}
	if g.project == "" {
		return nil, fmt.Errorf("Failed to retrieve project, pid: , err: project: required field is not set. "+ //nolint:staticcheck // Terraform's words
			"Fix: pulumi config set gcp:project PROJECT_ID --stack %s", urn.Stack())
	}
	inputs = inputs.Copy()
	inputs["project"] = resource.NewProperty(g.project)
	return inputs, nil
}

func (g *google) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	inputs, err := g.complete(req.URN, req.NewInputs)
	if err != nil {
		return plugin.DiffResponse{}, err
	}
	return types[string(req.Type)].Diff(req.OldOutputs, inputs, req.IgnoreChanges), nil
}

// changing returns what a plan makes of a resource that Google has, or will have.
func (g *google) changing(urn resource.URN, id string, old map[string]any, planned resource.PropertyMap) *change {
	c := &change{id: id, old: old, new: terraform.Known(planned), log: func(message string) { g.Status(urn, message) }}
	delete(c.new, "id")
	return c
}

func (g *google) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	t := types[string(req.Type)]
	inputs, err := g.complete(req.URN, req.Properties)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	planned := t.Plan(nil, inputs, nil)
	if req.Preview {
		return plugin.CreateResponse{Properties: planned}, nil
	}
	c := g.changing(req.URN, "", nil, planned)
	c.id = t.Identify(c.new)
	ctx, cancel := g.During(ctx)
	defer cancel()
	if err := g.create(ctx, t, c); err != nil {
		return plugin.CreateResponse{}, err
	}
	return plugin.CreateResponse{ID: resource.ID(c.id), Properties: t.Outputs(c.id, c.new)}, nil
}

func (g *google) create(ctx context.Context, t *resourceType, c *change) error {
	if err := (rules{"project": projectRule}).check(c.new); err != nil {
		return err
	}
	if _, exists, err := g.find(ctx, t, c.id); err != nil || exists && !t.adopts {
		return cmp.Or(err, fmt.Errorf("googleapi: Error 409: Already exists: %s., alreadyExists. Fix: pulumi import %s NAME %[1]s", c.id, t.Token))
	}
	if err := t.api.require(g, str(c.new, "project")); err != nil {
		return err
	}
	half := records.Record{ID: c.id, Properties: maps.Clone(c.new)}
	half.Properties[maker] = os.Getpid()
	if err := g.records.Put(t.Token, half); err != nil {
		return err
	}
	// If no one can learn that it exists, it must not exist.
	if err := cmp.Or(g.apply(ctx, t, c), context.Cause(ctx)); err != nil {
		return errors.Join(err, g.take(context.WithoutCancel(ctx), t, half))
	}
	return g.records.Put(t.Token, records.Record{ID: c.id, Properties: c.new})
}

func (g *google) apply(ctx context.Context, t *resourceType, c *change) error {
	if err := t.rules.check(c.new); err != nil || t.apply == nil {
		return err
	}
	return t.apply(ctx, g, c)
}

// find returns a resource as it is now, and drops the record of one that is gone.
func (g *google) find(ctx context.Context, t *resourceType, id string) (records.Record, bool, error) {
	r, exists, err := g.records.Get(t.Token, id)
	if !exists || err != nil || t.read == nil {
		return r, exists, err
	}
	if exists, err = t.read(ctx, g, r); err == nil && !exists {
		err = g.records.Delete(t.Token, id)
	}
	return r, exists, err
}

func (g *google) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	t := types[string(req.Type)]
	inputs, err := g.complete(req.URN, req.NewInputs)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if req.Preview {
		return plugin.UpdateResponse{Properties: t.Plan(req.OldOutputs, inputs, req.IgnoreChanges)}, nil
	}
	r, exists, err := g.records.Get(t.Token, string(req.ID))
	if err != nil || !exists {
		return plugin.UpdateResponse{}, cmp.Or(err, fmt.Errorf("googleapi: Error 404: Not found: %s., notFound. Fix: pulumi refresh --stack %s", req.ID, req.URN.Stack()))
	}
	c := g.changing(req.URN, r.ID, r.Properties, t.Plan(t.Outputs(r.ID, r.Properties), inputs, req.IgnoreChanges))
	ctx, cancel := g.During(ctx)
	defer cancel()
	if err := g.apply(ctx, t, c); err != nil {
		return plugin.UpdateResponse{}, err
	}
	return plugin.UpdateResponse{Properties: t.Outputs(c.id, c.new)}, g.records.Put(t.Token, records.Record{ID: c.id, Properties: c.new})
}

func (g *google) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	t, ok := types[string(req.Type)]
	if !ok {
		return plugin.ReadResponse{}, fmt.Errorf("the emulator has no %s", req.Type)
	}
	r, exists, err := g.find(ctx, t, string(req.ID))
	if err != nil || !exists || r.Properties[maker] != nil {
		return plugin.ReadResponse{}, err
	}
	var old resource.PropertyMap
	if len(req.Inputs) > 0 {
		old = req.Inputs
	}
	outputs := t.Outputs(r.ID, r.Properties)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: t.Fields.Inputs(outputs, old), Outputs: outputs}}, nil
}

func (g *google) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	t, r := types[string(req.Type)], records.Record{ID: string(req.ID), Properties: terraform.Known(req.Outputs)}
	if t.spare != nil {
		if spared, err := t.spare(r.Properties); spared || err != nil {
			return plugin.DeleteResponse{}, err
		}
	}
	ctx, cancel := g.During(ctx)
	defer cancel()
	return plugin.DeleteResponse{}, g.take(ctx, t, r)
}

func (g *google) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	for _, t := range types {
		if answer := t.functions[string(req.Tok)]; answer != nil {
			return plugin.InvokeResponse{Properties: answer(req.Args)}, nil
		}
	}
	if req.Tok != "gcp:organizations/getClientConfig:getClientConfig" {
		return plugin.InvokeResponse{}, fmt.Errorf("the emulator has no function %s", req.Tok)
	}
	token, err := g.token()
	if err != nil {
		return plugin.InvokeResponse{}, err
	}
	return plugin.InvokeResponse{Properties: resource.PropertyMap{
		"accessToken": resource.NewProperty(token), "project": resource.NewProperty(g.project),
		"id": resource.NewProperty(fmt.Sprintf("projects/%q/regions/<null>/zones/<null>", g.project)),
	}}, nil
}
