package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"hello-timber/stacks/config"
)

// Types that the tests name.
const (
	typeCluster    = "gcp:container/cluster:Cluster"
	typeNodePool   = "gcp:container/nodePool:NodePool"
	typeAccount    = "gcp:serviceaccount/account:Account"
	typeRepository = "gcp:artifactregistry/repository:Repository"
	typeReader     = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
	typeImage      = "docker:index/image:Image"
	typeRecord     = "gcp:dns/recordSet:RecordSet"
	typeProvider   = "pulumi:providers:kubernetes"
	typeDeployment = "kubernetes:apps/v1:Deployment"
	typeService    = "kubernetes:core/v1:Service"
	typeSecret     = "kubernetes:core/v1:Secret"
	typePolicy     = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	typeGateway    = "kubernetes:gateway.networking.k8s.io/v1:Gateway"

	typeAuthorization = "gcp:certificatemanager/dnsAuthorization:DnsAuthorization"

	getToken = "gcp:organizations/getClientConfig:getClientConfig"
)

const testDigest = "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"

// cloud replaces the engine and the providers: it records what is registered and
// answers what the providers would answer.
type cloud struct {
	outputs map[string]resource.PropertyMap // by type, in addition to the inputs
	fail    string                          // type whose registration fails
	preview bool                            // nothing exists yet, so only inputs are known

	mu        sync.Mutex
	resources []pulumi.MockResourceArgs
	calls     int // of functions, as opposed to resources
}

var errInjected = errors.New("injected failure")

func newCloud() *cloud {
	object := resource.NewPropertyMapFromMap
	return &cloud{outputs: map[string]resource.PropertyMap{
		typeAccount: object(map[string]any{
			"email":  "hello-timber-dev@my-project.iam.gserviceaccount.com",
			"member": "serviceAccount:hello-timber-dev@my-project.iam.gserviceaccount.com",
		}),
		typeCluster: object(map[string]any{
			"name": "hello-timber-1a2b3c4", "endpoint": "192.0.2.1",
			"masterAuth": map[string]any{"clusterCaCertificate": "Y2VydGlmaWNhdGU="},
		}),
		typeImage: object(map[string]any{"repoDigest": testDigest}),
		typeAuthorization: object(map[string]any{"dnsResourceRecords": []any{map[string]any{
			"name": "_acme-challenge.timber.example.com.", "type": "CNAME", "data": "0123abcd-0000.1.authorize.certificatemanager.goog.",
		}}}),
		typeGateway: object(map[string]any{"status": map[string]any{"addresses": []any{map[string]any{"type": "IPAddress", "value": "203.0.113.80"}}}}),
		typeService: object(map[string]any{
			"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "192.0.2.80"}}}},
		}),
	}}
}

func (c *cloud) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if args.TypeToken == c.fail {
		return "", nil, errInjected
	}
	c.resources = append(c.resources, args)
	state := args.Inputs.Copy()
	if !args.Custom {
		return "", state, nil
	}
	if strings.HasPrefix(args.TypeToken, "kubernetes:") {
		// The provider names what has no name, in previews too.
		metadata := state["metadata"].ObjectValue().Copy()
		if !metadata.HasValue("name") {
			metadata["name"] = resource.NewProperty(args.Name + "-5d6e7f8")
		}
		state["metadata"] = resource.NewProperty(metadata)
	}
	if c.preview {
		return "", state, nil
	}
	maps.Copy(state, c.outputs[args.TypeToken])
	return args.Name + "-id", state, nil
}

func (c *cloud) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	if args.Token == "gcp:dns/getManagedZone:getManagedZone" {
		zone := args.Args["name"].StringValue()
		if zone == "missing" {
			return nil, errors.New("googleapi: Error 404: The 'parameters.managedZone' resource named 'missing' does not exist., notFound")
		}
		visibility := map[bool]string{true: "private", false: "public"}[zone == "private"]
		domain := map[bool]string{true: "example.org.", false: "example.com."}[zone == "other"]
		return resource.NewPropertyMapFromMap(map[string]any{"dnsName": domain, "visibility": visibility}), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if args.Token == c.fail || args.Token != getToken {
		return nil, fmt.Errorf("%s: %w", args.Token, errInjected)
	}
	c.calls++
	return resource.PropertyMap{"accessToken": resource.NewProperty("ya29.token")}, nil
}

// find returns the one resource of a type, with the name if there are several.
func (c *cloud) find(t *testing.T, typ string, name ...string) pulumi.MockResourceArgs {
	t.Helper()
	var found []pulumi.MockResourceArgs
	for _, r := range c.resources {
		if r.TypeToken == typ && (len(name) == 0 || r.Name == name[0]) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d resources of type %s named %v registered, want 1", len(found), typ, name)
	}
	return found[0]
}

// get returns a value inside of the inputs of the one resource of a type.
func (c *cloud) get(t *testing.T, typ, path string) resource.PropertyValue {
	t.Helper()
	p, err := resource.ParsePropertyPath(path)
	if err != nil {
		t.Fatal(err)
	}
	value, ok := p.Get(resource.NewProperty(c.find(t, typ).Inputs))
	if !ok {
		t.Errorf("%s of %s is not set", path, typ)
	}
	return value
}

// want checks such a value.
func (c *cloud) want(t *testing.T, typ, path, value string) {
	t.Helper()
	if got := fmt.Sprint(c.get(t, typ, path).Mappable()); got != value {
		t.Errorf("%s of %s is %s, want %s", path, typ, got, value)
	}
}

// label returns "TYPE NAME" of a URN.
func label(urn string) string {
	u := resource.URN(urn)
	return string(u.Type()) + " " + u.Name()
}

// stackConfig returns what the CLI passes to the program: the stack's file, the
// defaults of Pulumi.yaml, and instead of what only its users know something of its own. A
// release changes imageVersion alone, and should change no golden file.
func stackConfig(t *testing.T, stack string) map[string]string {
	t.Helper()
	values, _, err := config.Read(func(name string) ([]byte, error) { return os.ReadFile("../" + name) }, stack)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"owner", "image", "domain", "dnsZone", "kubeconfig", "context", "registry", "pullSecret", "gatewayClass", "tlsSecret", "clusterIssuer"} {
		values[key] = ""
	}
	values["gcp:project"], values["imageVersion"] = "my-project", "v1"
	if values["authorizedNetworks"] != "0.0.0.0/0" { // as dev has it
		values["authorizedNetworks"] = "203.0.113.0/24"
	}
	all := map[string]string{}
	for key, value := range values {
		all[qualified(key)] = value
	}
	return all
}

// devConfig is dev's configuration in this repository, whatever Pulumi.dev.yaml has in a
// project of your own. Tests that are not about a stack's file start from it.
func devConfig(t *testing.T) map[string]string {
	t.Helper()
	return changed(stackConfig(t, "none"), "authorizedNetworks", "0.0.0.0/0", "machineType", "n1-standard-1",
		"spot", "true", "deletionProtection", "false", "replicas", "1", "immutableTags", "false")
}

// qualified returns the name of a key as the CLI passes it.
func qualified(key string) string {
	if strings.Contains(key, ":") {
		return key
	}
	return "hello-timber:" + key
}

// deploy runs the program as the language host does, on c, and returns the
// stack's outputs that are known.
func deploy(t *testing.T, c *cloud, stack string, config map[string]string) (map[string]any, error) {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(pulumi.EnvConfig, string(text))

	outputs := map[string]any{}
	program := func(ctx *pulumi.Context) error {
		if err := declare(ctx, false); err != nil {
			return err
		}
		for name, output := range ctx.GetCurrentExportMap() {
			result, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.ToOutput(output))
			if err != nil {
				return err
			}
			if result.Known {
				outputs[name] = result.Value
			}
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		done <- pulumi.RunErr(program, pulumi.WithMocks("hello-timber", stack, c),
			func(info *pulumi.RunInfo) { info.DryRun = c.preview })
	}()
	select {
	case err := <-done:
		return outputs, err
	case <-time.After(time.Minute):
		t.Fatal("the program hangs")
		return nil, nil
	}
}

// TestMain gives the tests a machine that has all tools, and no credentials of its own.
func TestMain(m *testing.M) {
	tools, err := filepath.Abs("testdata/tools")
	if err != nil {
		panic(err)
	}
	os.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	os.Setenv("DOCKER_CONFIG", tools)
	for _, variable := range []string{"GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"} {
		os.Unsetenv(variable)
	}
	os.Exit(m.Run())
}

// onlyTools makes scripts the only commands in PATH.
func onlyTools(t *testing.T, scripts map[string]string) {
	t.Helper()
	folder := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder)
}

// deployDev runs the program with devConfig and changes to it, and expects success.
func deployDev(t *testing.T, changes map[string]string) (*cloud, map[string]any) {
	t.Helper()
	config := devConfig(t)
	maps.Copy(config, changes)
	return deployed(t, "dev", config)
}

func deployed(t *testing.T, stack string, config map[string]string) (*cloud, map[string]any) {
	t.Helper()
	c := newCloud()
	outputs, err := deploy(t, c, stack, config)
	if err != nil {
		t.Fatal(err)
	}
	return c, outputs
}
