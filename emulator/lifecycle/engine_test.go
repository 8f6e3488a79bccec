// Package lifecycle tests what a stack goes through: updates, failures and a destroy.
// Pulumi's own engine runs the program, as the CLI does. Providers and cloud are a map in
// memory, so a whole life takes a second. Mocks, which the tests of stacks/ use, replace
// the engine: they show neither a deletion nor what the state keeps.
package lifecycle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/pkg/v3/display"
	"github.com/pulumi/pulumi/pkg/v3/engine"
	lifecycletest "github.com/pulumi/pulumi/pkg/v3/engine/lifecycletest/framework"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy/deploytest"
	"github.com/pulumi/pulumi/pkg/v3/resource/plugin"
	"github.com/pulumi/pulumi/pkg/v3/util/cancel"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	sdk "github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/emulator/gcp"
	"hello-timber/stacks"
	settings "hello-timber/stacks/config"
)

const (
	project = "hello-timber"
	prefix  = project + ":"

	typeCluster    = "gcp:container/cluster:Cluster"
	typeDeployment = "kubernetes:apps/v1:Deployment"
	typeService    = "kubernetes:core/v1:Service"
	typeImage      = "docker:index/image:Image"
	typeGateway    = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
	typeRoute      = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"

	typeAuthorization = "gcp:certificatemanager/dnsAuthorization:DnsAuthorization"
)

// replaces has the properties whose change replaces a resource: what the official provider
// answered (docker 4.11.2), and kubernetes 4.25.0's table. For Google's, the emulator knows.
// Everything else is changed in place.
var replaces = map[string][]string{
	typeGateway: {"metadata.name", "metadata.namespace"},
	typeRoute:   {"metadata.name", "metadata.namespace"},
	"kubernetes:networking.gke.io/v1:HealthCheckPolicy": {"metadata.name", "metadata.namespace"},
	"kubernetes:networking.gke.io/v1:GCPBackendPolicy":  {"metadata.name", "metadata.namespace"},
	typeImage:                                           nil,
	"kubernetes:core/v1:Namespace":                      {"metadata.name"},
	typeDeployment:                                      {"metadata.name", "metadata.namespace", "spec.selector"},
	typeService:                                         {"metadata.name", "metadata.namespace", "spec.clusterIP"},
	"kubernetes:core/v1:ServiceAccount":                 {"metadata.name", "metadata.namespace"},
	"kubernetes:core/v1:LimitRange":                     {"metadata.name", "metadata.namespace"},
	"kubernetes:core/v1:ResourceQuota":                  {"metadata.name", "metadata.namespace", "spec.scopes"},
	"kubernetes:core/v1:Secret":                         {"metadata.name", "metadata.namespace", "stringData", "data", "type"},
	"kubernetes:policy/v1:PodDisruptionBudget":          {"metadata.name", "metadata.namespace"},
	"kubernetes:networking.k8s.io/v1:NetworkPolicy":     {"metadata.name", "metadata.namespace"},
	"kubernetes:autoscaling/v2:HorizontalPodAutoscaler": {"metadata.name", "metadata.namespace"},
}

// identity are the properties that make a resource itself: another one that has all of them
// already exists.
var identity = []string{"project", "location", "cluster", "name", "accountId", "repositoryId", "repository", "service", "role", "member", "metadata.namespace", "metadata.name", "imageName"}

// cloud is everything that the providers have created.
type cloud struct {
	mu     sync.Mutex
	exists map[resource.ID]bool
	did    []string // what was created and deleted, in this order
	tokens int
	fail   string // type whose resources are created and changed, but do not get ready
}

// provider is one of a package, and of one cluster.
type provider struct {
	*cloud
	cluster string
}

func (c *cloud) load() (plugin.Provider, error) {
	p := &provider{cloud: c}
	return &deploytest.Provider{
		DiffConfigF: p.diffConfig, ConfigureF: p.configure, InvokeF: p.invoke,
		CheckF: p.check, DiffF: p.diff, CreateF: p.create, UpdateF: p.update, DeleteF: p.delete,
	}, nil
}

// diffConfig replaces the access to another cluster, as the kubernetes provider does.
func (*provider) diffConfig(_ context.Context, request plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	return compare(request.OldInputs, request.NewInputs, []string{"clusterIdentifier"})
}

func (p *provider) configure(_ context.Context, request plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	if id := request.Inputs["clusterIdentifier"]; id.IsString() {
		p.cluster = id.StringValue()
	}
	return plugin.ConfigureResponse{}, nil
}

// invoke answers the functions that the program calls: with another token each time, or
// as the emulator.
func (p *provider) invoke(ctx context.Context, request plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	if request.Tok != "gcp:organizations/getClientConfig:getClientConfig" {
		response, err := gcp.New(nil).Invoke(ctx, sdk.InvokeRequest{Tok: request.Tok, Args: request.Args})
		return plugin.InvokeResponse{Properties: response.Properties}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens++
	return plugin.InvokeResponse{Properties: resource.PropertyMap{"accessToken": resource.NewProperty(fmt.Sprint("ya29.", p.tokens))}}, nil
}

// check names what has no name.
func (p *provider) check(ctx context.Context, request plugin.CheckRequest) (plugin.CheckResponse, error) {
	if _, known := replaces[string(request.URN.Type())]; isGoogle(request.URN) {
		if err := emulated(ctx, request); err != nil {
			return plugin.CheckResponse{}, err
		}
	} else if !known {
		return plugin.CheckResponse{}, fmt.Errorf("%s: add to replaces which of its properties replace it", request.URN.Type())
	}
	path := resource.PropertyPath{"name"}
	switch {
	case strings.HasPrefix(string(request.URN.Type()), "kubernetes:"):
		path = resource.PropertyPath{"metadata", "name"}
	case !strings.HasPrefix(string(request.URN.Type()), "gcp:container/") && !strings.HasPrefix(string(request.URN.Type()), "gcp:certificatemanager/"):
		return plugin.CheckResponse{Properties: request.News}, nil
	}
	properties := resource.NewProperty(request.News.Copy())
	if _, named := path.Get(properties); !named {
		name, had := path.Get(resource.NewProperty(request.Olds))
		if !had {
			name = resource.NewProperty(fmt.Sprintf("%s-%x", request.URN.Name(), request.RandomSeed[:4]))
		}
		path.Set(properties, name)
	}
	return plugin.CheckResponse{Properties: properties.ObjectValue()}, nil
}

func isGoogle(urn resource.URN) bool { return strings.HasPrefix(string(urn.Type()), "gcp:") }

// emulated returns an error if the emulator lacks a resource of Google's, or a property.
func emulated(ctx context.Context, request plugin.CheckRequest) error {
	response, err := gcp.New(nil).Check(ctx, sdk.CheckRequest{
		URN: request.URN, Name: request.URN.Name(), Type: request.URN.Type(), Olds: request.Olds, News: request.News, RandomSeed: request.RandomSeed,
	})
	for _, failure := range response.Failures {
		err = errors.Join(err, errors.New(failure.Reason))
	}
	return err
}

func (p *provider) diff(ctx context.Context, request plugin.DiffRequest) (plugin.DiffResult, error) {
	before, after := request.OldInputs.Copy(), request.NewInputs.Copy()
	delete(before, "registry") // of an image: the token is another one each time
	delete(after, "registry")
	properties := replaces[string(request.URN.Type())]
	if isGoogle(request.URN) {
		response, err := gcp.New(nil).Diff(ctx, sdk.DiffRequest{URN: request.URN, Type: request.URN.Type(), OldOutputs: request.OldOutputs, NewInputs: request.NewInputs})
		if err != nil {
			return plugin.DiffResult{}, err
		}
		for path, change := range response.DetailedDiff {
			if change.Kind.IsReplace() {
				properties = append(properties, path)
			}
		}
	}
	return compare(before, after, properties)
}

func compare(before, after resource.PropertyMap, replaces []string) (plugin.DiffResult, error) {
	if before.DeepEquals(after) {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome, DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(before.Diff(after), true)}
	for _, property := range replaces {
		path, err := resource.ParsePropertyPath(property)
		if err != nil {
			return result, err
		}
		was, _ := path.Get(resource.NewProperty(before))
		is, _ := path.Get(resource.NewProperty(after))
		if !was.DeepEquals(is) {
			result.ReplaceKeys = append(result.ReplaceKeys, resource.PropertyKey(property))
		}
	}
	return result, nil
}

func (p *provider) create(_ context.Context, request plugin.CreateRequest) (plugin.CreateResponse, error) {
	if request.Preview {
		return plugin.CreateResponse{Properties: request.Properties}, nil
	}
	id := p.id(request.URN, request.Properties)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exists[id] {
		return plugin.CreateResponse{}, fmt.Errorf("%s already exists", id)
	}
	p.exists[id] = true
	p.did = append(p.did, "create "+string(request.URN.Type()))
	status, err := p.ready(request.URN.Type())
	return plugin.CreateResponse{ID: id, Properties: outputs(request.URN.Type(), request.Properties), Status: status}, err
}

func (p *provider) id(urn resource.URN, properties resource.PropertyMap) resource.ID {
	parts := []string{string(urn.Type())}
	switch {
	case strings.HasPrefix(parts[0], "kubernetes:"):
		parts = append(parts, p.cluster)
	case parts[0] == typeImage: // two may push to one name
		parts = append(parts, urn.Name())
	}
	for _, property := range identity {
		path, _ := resource.ParsePropertyPath(property)
		if value, ok := path.Get(resource.NewProperty(properties)); ok {
			parts = append(parts, fmt.Sprint(value.Mappable()))
		}
	}
	return resource.ID(strings.Join(parts, " "))
}

func (p *provider) update(_ context.Context, request plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if request.Preview {
		return plugin.UpdateResponse{Properties: request.NewInputs}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	status, err := p.ready(request.URN.Type())
	return plugin.UpdateResponse{Properties: outputs(request.URN.Type(), request.NewInputs), Status: status}, err
}

func (p *provider) ready(typ tokens.Type) (resource.Status, error) {
	if string(typ) == p.fail {
		return resource.StatusPartialFailure, &plugin.InitError{Reasons: []string{"injected: it does not get ready"}}
	}
	return resource.StatusOK, nil
}

func (p *provider) delete(_ context.Context, request plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.exists[request.ID] {
		return plugin.DeleteResponse{}, fmt.Errorf("%s does not exist", request.ID)
	}
	delete(p.exists, request.ID)
	p.did = append(p.did, "delete "+string(request.URN.Type()))
	return plugin.DeleteResponse{}, nil
}

// outputs adds to a resource's inputs what the program reads of it.
func outputs(typ tokens.Type, inputs resource.PropertyMap) resource.PropertyMap {
	text := func(key resource.PropertyKey) string { return inputs[key].StringValue() }
	var more map[string]any
	switch string(typ) {
	case typeCluster:
		more = map[string]any{"endpoint": "192.0.2.1", "masterAuth": map[string]any{"clusterCaCertificate": "Y2VydGlmaWNhdGU="}}
	case "gcp:serviceaccount/account:Account":
		email := text("accountId") + "@" + text("project") + ".iam.gserviceaccount.com"
		more = map[string]any{"email": email, "member": "serviceAccount:" + email}
	case typeImage:
		name := text("imageName")
		more = map[string]any{"repoDigest": fmt.Sprintf("%s@sha256:%x", name[:strings.LastIndex(name, ":")], sha256.Sum256([]byte(name)))}
	case typeAuthorization:
		more = map[string]any{"dnsResourceRecords": []any{map[string]any{"name": "_acme-challenge." + text("domain") + ".", "type": "CNAME", "data": "proof."}}}
	case typeGateway:
		more = map[string]any{"status": map[string]any{"addresses": []any{map[string]any{"value": "192.0.2.81"}}}}
	case typeService:
		more = map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "192.0.2.80"}}}}}
	}
	all := inputs.Copy()
	maps.Copy(all, resource.NewPropertyMapFromMap(more))
	return all
}

// life is that of a stack.
type life struct {
	t        *testing.T
	cloud    *cloud
	stack    string
	own      map[string]string // config of the environment
	config   map[string]string
	secret   []string // keys
	snapshot *deploy.Snapshot
	options  engine.UpdateOptions
	host     plugin.Host // of the operation that runs
}

// chosen is what the stacks change of the defaults, in the released versions too. Their files
// are not read: in a project of your own, they have your values.
var chosen = map[string]map[string]string{
	"dev":     {"machineType": "n1-standard-1", "spot": "true", "deletionProtection": "false", "replicas": "1", "immutableTags": "false"},
	"staging": {"replicas": "2"},
	"prod":    {"location": "europe-west1"},
}

func newLife(t *testing.T, stack string) *life {
	t.Helper()
	l := &life{t: t, stack: stack, own: map[string]string{}, cloud: &cloud{exists: map[resource.ID]bool{}}}
	values, _, err := settings.Read(os.ReadFile, "none")
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(values, map[string]string{"gcp:project": "my-project", "authorizedNetworks": "203.0.113.0/24"})
	maps.Copy(values, chosen[stack])
	for key, value := range values {
		if !strings.Contains(key, ":") {
			key = prefix + key
		}
		l.own[key] = value
	}
	l.choose()
	return l
}

// setting is a key with a value.
type setting struct {
	key
	value string
}

func set(name, value string) setting { return setting{key{name: name}, value} }

// choose sets the stack's config to its own with these settings.
func (l *life) choose(settings ...setting) {
	l.config, l.secret = maps.Clone(l.own), nil
	for _, s := range settings {
		l.config[prefix+s.name] = s.value
		if s.secret {
			l.secret = append(l.secret, prefix+s.name)
		}
	}
}

func (l *life) program(info plugin.RunInfo, _ *deploytest.ResourceMonitor) error {
	ctx, err := pulumi.NewContext(context.Background(), pulumi.RunInfo{ // it outlives t.Context
		Project: project, Stack: l.stack, Config: l.config, ConfigSecretKeys: l.secret,
		Parallel: info.Parallel, DryRun: info.DryRun, MonitorAddr: info.MonitorAddress, EngineAddr: l.host.ServerAddr(),
	})
	if err != nil {
		return err
	}
	return pulumi.RunWithContext(ctx, stacks.Deploy)
}

var required = regexp.MustCompile(`(?m)^\tgithub\.com/pulumi/pulumi-([a-z]+)/sdk/v\d+ v([\d.]+)$`)

// providers are those of go.mod, in the version that the program asks for.
func (l *life) providers() (loaders []*deploytest.ProviderLoader) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, found := range required.FindAllStringSubmatch(string(text), -1) {
		loaders = append(loaders, deploytest.NewProviderLoader(tokens.Package(found[1]), semver.MustParse(found[2]), l.cloud.load))
	}
	return loaders
}

// operation is engine.Update or engine.Destroy.
type operation func(engine.UpdateInfo, *engine.Context, engine.UpdateOptions, bool) (*deploy.Plan, display.ResourceChanges, error)

// run runs an operation of the engine, and returns what it does to which resources.
func (l *life) run(run operation, preview bool) ([]string, error) {
	l.t.Helper()
	options := l.options
	options.Parallel = 8
	options.HostFactory = func(_ context.Context, sink, status diag.Sink, _ plugin.DebugContext) (plugin.Host, error) {
		l.host = deploytest.NewPluginHostF(sink, status, deploytest.NewLanguageRuntimeF(l.program), nil, nil, l.providers()...)()
		return l.host, nil
	}
	target := deploy.Target{Name: tokens.MustParseStackName(l.stack), Config: config.Map{}}
	if l.snapshot != nil { // the engine changes what it is given, in previews too
		copied := *l.snapshot
		copied.Resources = nil
		for _, r := range l.snapshot.Resources {
			copied.Resources = append(copied.Resources, r.Copy())
		}
		target.Snapshot = &copied
	}
	events, journal, done := make(chan engine.Event), engine.NewTestJournal(), make(chan []engine.Event)
	go func() {
		var all []engine.Event
		for event := range events {
			all = append(all, event)
		}
		done <- all
	}()
	canceled, _ := cancel.NewContext(l.t.Context())
	ctx := &engine.Context{Cancel: canceled, Events: events, SnapshotManager: journal, PluginManager: lifecycletest.NopPluginManager{}}
	_, _, err := run(engine.UpdateInfo{Root: "/", Project: &workspace.Project{Name: project, Runtime: workspace.NewProjectRuntimeInfo("go", nil)}, Target: &target}, ctx, options, preview)
	close(events)
	var changes []string
	for _, event := range <-done {
		switch payload := event.Payload().(type) {
		case engine.ResourcePreEventPayload:
			if op := payload.Metadata.Op; op != deploy.OpSame && op != deploy.OpRefresh {
				changes = append(changes, fmt.Sprintf("%s %s %s", op, payload.Metadata.URN.Type(), payload.Metadata.URN.Name()))
			}
		case engine.DiagEventPayload:
			if err != nil && payload.Severity == diag.Error {
				err = fmt.Errorf("%w: %s", err, payload.Message)
			}
		}
	}
	slices.Sort(changes)
	if err := errors.Join(journal.Close(), l.host.Close()); err != nil {
		l.t.Fatal(err)
	}
	if preview {
		return changes, err
	}
	snapshot, broken := journal.Snap(target.Snapshot)
	if broken == nil {
		broken = snapshot.VerifyIntegrity()
	}
	if broken != nil {
		l.t.Fatal(broken)
	}
	l.snapshot = snapshot
	return changes, err
}

// update runs pulumi up.
func (l *life) update() ([]string, error) { return l.run(engine.Update, false) }

// destroy runs pulumi destroy --skip-preview.
func (l *life) destroy() error {
	_, err := l.run(engine.Destroy, false)
	return err
}

// up runs pulumi up, which must succeed, and then a preview, which must show no change.
func (l *life) up(what string) {
	l.t.Helper()
	if _, err := l.update(); err != nil {
		l.t.Fatalf("%s: %v", what, err)
	}
	changes, err := l.run(engine.Update, true)
	if err != nil || len(changes) > 0 {
		l.t.Fatalf("%s: a preview right after shows %q (%v)", what, changes, err)
	}
	l.sane(what)
}

// has returns what is in the state, by its URN.
func (l *life) has() []string {
	var urns []string
	for _, r := range l.snapshot.Resources {
		urns = append(urns, string(r.URN))
	}
	slices.Sort(urns)
	return urns
}

// hasAgain checks that there is in the state what there was.
func (l *life) hasAgain(what string, had []string) {
	l.t.Helper()
	if has := l.has(); !slices.Equal(has, had) {
		l.t.Errorf("%s: the state has lost %q, and got %q", what, without(had, has), without(has, had))
	}
}

// sane checks that everything that exists is in the state, and the other way round.
func (l *life) sane(what string) {
	l.t.Helper()
	state := map[resource.ID]bool{}
	for _, r := range l.snapshot.Resources {
		if r.Custom && !strings.HasPrefix(string(r.Type), "pulumi:providers:") {
			state[r.ID] = true
			if r.Delete {
				l.t.Errorf("%s: %s is still to be deleted", what, r.URN)
			}
		}
	}
	if has, exists := sorted(state), sorted(l.cloud.exists); !slices.Equal(has, exists) {
		l.t.Errorf("%s: only the state has %q, and only the cloud %q", what, without(has, exists), without(exists, has))
	}
}

func sorted(ids map[resource.ID]bool) []resource.ID { return slices.Sorted(maps.Keys(ids)) }

// without lists what is in one list and not in another.
func without[T comparable](list, other []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(item T) bool { return slices.Contains(other, item) })
}

// image returns the stack's output image, or nil.
func (l *life) image() any { return l.output("image") }

func (l *life) output(name string) any {
	for _, r := range l.snapshot.Resources {
		if r.Type == resource.RootStackType {
			return r.Outputs.Mappable()[name]
		}
	}
	return nil
}

// runs checks whether the output image is still this one.
func (l *life) runs(what string, image any, still bool) {
	l.t.Helper()
	if now := l.image(); (now == image) != still {
		l.t.Errorf("%s: the output image was %v and is %v, the same: want %t", what, image, now, still)
	}
}

// TestMain gives the program its folder, and a machine that has all tools and no
// credentials of its own.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	tools, err := filepath.Abs("stacks/testdata/tools")
	if err != nil {
		panic(err)
	}
	os.Setenv("PATH", home+":"+tools+":"+os.Getenv("PATH"))
	os.Setenv("DOCKER_CONFIG", tools)
	for _, variable := range []string{"GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"} {
		os.Unsetenv(variable)
	}
	m.Run()
}
