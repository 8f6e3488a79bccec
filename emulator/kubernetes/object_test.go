package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	typedfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

// server is a provider of a fake cluster.
type server struct {
	*kubernetes
	dynamic *dynamicfake.FakeDynamicClient
	writes  []write
	refuse  error // the answer to a write; a conflict yields to force
}

// write is a request to write an object.
type write struct {
	metav1.PatchOptions
	body string
}

// fake is a provider of a cluster that holds objects.
func fake(t *testing.T, objects ...runtime.Object) *server {
	t.Helper()
	s := &server{kubernetes: New(nil).(*kubernetes), dynamic: dynamicfake.NewSimpleDynamicClient(scheme.Scheme)}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"ConfigMap", "Secret", "Service"} {
		mapper.Add(schema.FromAPIVersionAndKind("v1", kind), meta.RESTScopeNamespace)
	}
	mapper.Add(schema.FromAPIVersionAndKind("apps/v1", "Deployment"), meta.RESTScopeNamespace)
	mapper.Add(schema.FromAPIVersionAndKind("v1", "Namespace"), meta.RESTScopeRoot)
	c := &cluster{dynamic: client{s.dynamic, s}, typed: typedfake.NewClientset(objects...), mapper: mapper, namespace: "shop"}
	s.connect = func() (*cluster, error) { return c, nil }
	return s
}

// client, kindClient and patcher are client-go's fake, which lacks
// apply and forgets a write's options.
type client struct {
	dynamic.Interface
	s *server
}

type kindClient struct {
	dynamic.NamespaceableResourceInterface
	s    *server
	kind schema.GroupVersionResource
}

func (c client) Resource(kind schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return kindClient{c.Interface.Resource(kind), c.s, kind}
}

func (c kindClient) Namespace(namespace string) dynamic.ResourceInterface {
	return patcher{c.NamespaceableResourceInterface.Namespace(namespace), c, namespace}
}

// patcher writes to one namespace.
type patcher struct {
	dynamic.ResourceInterface
	of        kindClient
	namespace string
}

func (c patcher) Patch(_ context.Context, _ string, typ types.PatchType, body []byte, options metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	s := c.of.s
	s.writes = append(s.writes, write{options, string(body)})
	obj := &unstructured.Unstructured{}
	if typ != types.ApplyPatchType {
		return obj, nil
	}
	if s.refuse != nil && (!apierrors.IsConflict(s.refuse) || !*options.Force) {
		return nil, s.refuse
	}
	if err := json.Unmarshal(body, &obj.Object); err != nil {
		return nil, err
	}
	if len(options.DryRun) > 0 {
		return obj, nil
	}
	err := s.dynamic.Tracker().Create(c.of.kind, obj, c.namespace)
	if apierrors.IsAlreadyExists(err) {
		err = s.dynamic.Tracker().Update(c.of.kind, obj, c.namespace)
	}
	return obj, err
}

func configMap() map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "shop"}, "data": map[string]any{"k": "1"}}
}

// TestLife takes one object from nothing to nothing.
func TestLife(t *testing.T) {
	s, ctx, u := fake(t), context.Background(), urn("core/v1:ConfigMap", "a")
	inputs := properties(configMap())
	created, err := s.Create(ctx, plugin.CreateRequest{URN: u, Properties: inputs})
	if err != nil || created.ID != "shop/a" {
		t.Fatalf("create: %q, %v", created.ID, err)
	}
	options := s.writes[0]
	manager := text(created.Properties, fieldManager)
	if !strings.HasPrefix(manager, "pulumi-kubernetes-") || options.FieldManager != manager || *options.Force || options.FieldValidation != "Strict" || options.DryRun != nil {
		t.Errorf("created as %q with %+v", manager, options)
	}
	read, err := s.Read(ctx, plugin.ReadRequest{URN: u, Type: u.Type(), ID: created.ID, Inputs: inputs, State: created.Properties})
	if err != nil || !read.Inputs.DeepEquals(inputs) || !read.Outputs.DeepEquals(created.Properties) {
		t.Errorf("read: %v, %v, %v", read.Inputs, read.Outputs, err)
	}
	imported, err := s.Read(ctx, plugin.ReadRequest{URN: u, Type: u.Type(), ID: created.ID})
	if err != nil || !imported.Inputs.DeepEquals(inputs) {
		t.Errorf("import: %v, %v", imported.Inputs, err)
	}
	changed := configMap()
	changed["data"] = map[string]any{"k": "2"}
	update := plugin.UpdateRequest{URN: u, ID: created.ID, OldInputs: inputs, OldOutputs: created.Properties, NewInputs: properties(changed), Preview: true}
	if _, err := s.Update(ctx, update); err != nil {
		t.Errorf("preview: %v", err)
	}
	if options := s.writes[1]; !slices.Equal(options.DryRun, []string{"All"}) || options.FieldManager != manager {
		t.Errorf("previewed with %+v", options)
	}
	update.Preview = false
	if updated, err := s.Update(ctx, update); err != nil || text(object(updated.Properties, "data"), "k") != "2" {
		t.Errorf("update: %v, %v", updated.Properties, err)
	}
	remove := plugin.DeleteRequest{URN: u, Type: u.Type(), ID: created.ID, Inputs: inputs, Outputs: created.Properties}
	for range 2 {
		if _, err := s.Delete(ctx, remove); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if read, err := s.Read(ctx, plugin.ReadRequest{URN: u, Type: u.Type(), ID: created.ID, Inputs: inputs, State: created.Properties}); err != nil || read.ID != "" || read.Outputs != nil {
		t.Errorf("read what is gone: %v, %v", read, err)
	}
	if _, err := s.Update(ctx, update); err == nil || !strings.Contains(err.Error(), "pulumi up --refresh") {
		t.Errorf("update what is gone: %v", err)
	}
}

func TestPreviewOfCreate(t *testing.T) {
	resourceOf := schema.GroupResource{Resource: "configmaps"}
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, "a", nil)
	immutable := apierrors.NewBadRequest("spec.selector: Invalid value: field is immutable")
	for _, test := range []struct {
		name   string
		answer error
		echo   bool
		fails  string
	}{
		{"works", nil, false, ""},
		{"namespace not there yet", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), true, ""},
		{"may look, not touch", apierrors.NewForbidden(resourceOf, "a", nil), true, ""},
		{"replaces an object of that name", immutable, true, ""},
		{"wrong", invalid, false, "write ConfigMap shop/a: "},
	} {
		s := fake(t)
		s.refuse = test.answer
		got, err := s.Create(context.Background(), plugin.CreateRequest{URN: urn("core/v1:ConfigMap", "a"), Properties: properties(configMap()), Preview: true})
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v; want %q", test.name, err, test.fails)
			}
			continue
		}
		if echo := !got.Properties.HasValue(fieldManager); err != nil || echo != test.echo || got.ID != "" {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
	s := fake(t)
	inputs := configMap()
	inputs["data"] = map[string]any{"k": unknown}
	got, err := s.Create(context.Background(), plugin.CreateRequest{URN: urn("core/v1:ConfigMap", "a"), Properties: properties(inputs), Preview: true})
	if err != nil || len(s.writes) > 0 || !got.Properties.ContainsUnknowns() {
		t.Errorf("unknown: %v, %v, asked %d times", got, err, len(s.writes))
	}
}

func TestConflict(t *testing.T) {
	s := fake(t)
	s.refuse = apierrors.NewApplyConflict(nil, `Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas`)
	create := plugin.CreateRequest{URN: urn("core/v1:ConfigMap", "a"), Properties: properties(configMap())}
	if _, err := s.Create(context.Background(), create); err == nil || !strings.Contains(err.Error(), `conflict with "kubectl"`) || !strings.Contains(err.Error(), "PULUMI_K8S_ENABLE_PATCH_FORCE=true") {
		t.Errorf("%v; want the manager and the way out", err)
	}
	t.Setenv("PULUMI_K8S_ENABLE_PATCH_FORCE", "true")
	if _, err := s.Create(context.Background(), create); err != nil {
		t.Errorf("forced: %v", err)
	}
}

// TestHandEdit sees that what kubectl changed is taken back before an update.
func TestHandEdit(t *testing.T) {
	s, u := fake(t), urn("core/v1:ConfigMap", "a")
	live := &unstructured.Unstructured{Object: configMap()}
	fields := &metav1.FieldsV1{Raw: []byte(`{"f:data":{"f:k":{}}}`)}
	live.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: "kubectl-edit", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsV1: fields, FieldsType: "FieldsV1"},
		{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationUpdate, Subresource: "scale", APIVersion: "v1", FieldsV1: fields, FieldsType: "FieldsV1"}})
	if err := s.dynamic.Tracker().Create(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, live, "shop"); err != nil {
		t.Fatal(err)
	}
	update := plugin.UpdateRequest{URN: u, ID: "shop/a", OldInputs: properties(configMap()), NewInputs: properties(configMap()),
		OldOutputs: resource.PropertyMap{fieldManager: resource.NewProperty("me")}, Preview: true}
	if _, err := s.Update(context.Background(), update); err != nil || len(s.writes) != 1 || !*s.writes[0].Force {
		t.Fatalf("preview: %v, %v; want one forced dry run", s.writes, err)
	}
	update.Preview = false
	if _, err := s.Update(context.Background(), update); err != nil || len(s.writes) != 3 {
		t.Fatalf("update: %v, %v", s.writes, err)
	}
	if taken := s.writes[1].body; !strings.Contains(taken, `"manager":"me"`) || strings.Contains(taken, "kubectl-edit") || !strings.Contains(taken, `"subresource":"scale"`) {
		t.Errorf("took back with %s", taken)
	}
	if *s.writes[2].Force {
		t.Error("forced the update, which hides conflicts with others")
	}
}

func TestKeep(t *testing.T) {
	obj := &unstructured.Unstructured{Object: deployment("spec/replicas", 1.0)}
	live := &unstructured.Unstructured{Object: deployment("spec/replicas", 7.0, "spec/paused", true)}
	if err := keep(obj, live, []string{"spec.replicas", "spec.paused", "spec.nothing"}); err != nil {
		t.Fatal(err)
	}
	if want := deployment("spec/replicas", 7.0); !reflect.DeepEqual(obj.Object, want) {
		t.Errorf("%v; want %v", obj.Object, want)
	}
	if err := keep(obj, live, []string{"a["}); err == nil {
		t.Error("accepted a[")
	}
}

func TestSecretStaysSecret(t *testing.T) {
	secret := map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a", "namespace": "shop"}, "data": map[string]any{"k": "dg=="}}
	created, err := fake(t).Create(context.Background(), plugin.CreateRequest{URN: urn("core/v1:Secret", "a"), Properties: properties(secret)})
	if err != nil || !created.Properties["data"].IsSecret() {
		t.Errorf("%v, %v", created.Properties, err)
	}
}

// TestInitError sees that a Deployment that does not work is kept, with its
// reasons, whatever ends the waiting.
func TestInitError(t *testing.T) {
	for _, test := range []struct {
		name    string
		timeout float64
		cancel  bool
		want    string
	}{
		{"timeout", 0.3, false, "'timber' timed out waiting to be Ready after 0s"},
		{"cancelled", 0, true, "Resource operation was cancelled for 'timber'"},
	} {
		s := fake(t, workload("spec/replicas", 3.0)...)
		if test.cancel {
			time.AfterFunc(300*time.Millisecond, func() { _ = s.SignalCancellation(context.Background()) })
		}
		_, err := s.Create(context.Background(), plugin.CreateRequest{URN: urn("apps/v1:Deployment", "timber"), Properties: properties(deployment()), Timeout: test.timeout})
		rpc, ok := rpcerror.FromError(err)
		if !ok || len(rpc.Details()) != 1 {
			t.Fatalf("%s: %v; want an init error", test.name, err)
		}
		failed := rpc.Details()[0].(*pulumirpc.ErrorResourceInitFailed)
		want := []string{test.want, "[1/2] 0 of 3 new pods are there"}
		if failed.Id != "shop/timber" || !reflect.DeepEqual(failed.Reasons, want) {
			t.Errorf("%s: %s: %q; want %q", test.name, failed.Id, failed.Reasons, want)
		}
		if kind := failed.Properties.Fields["kind"].GetStringValue(); kind != "Deployment" {
			t.Errorf("%s: state of %q", test.name, kind)
		}
	}
}

func TestSkipAwait(t *testing.T) {
	skip := properties(deployment("metadata/annotations", map[string]any{"pulumi.com/skipAwait": "true"}))
	if _, err := fake(t).Create(context.Background(), plugin.CreateRequest{URN: urn("apps/v1:Deployment", "timber"), Properties: skip}); err != nil {
		t.Error(err)
	}
}

func TestLimit(t *testing.T) {
	for _, test := range []struct {
		seconds    float64
		annotation string
		want       time.Duration
		fails      bool
	}{
		{0, "", 10 * time.Minute, false},
		{0, "90", 90 * time.Second, false},
		{30, "90", 30 * time.Second, false},
		{0, "5m", 0, true},
		{0, "-1", 0, true},
	} {
		obj := &unstructured.Unstructured{Object: map[string]any{}}
		if test.annotation != "" {
			obj.SetAnnotations(map[string]string{"pulumi.com/timeoutSeconds": test.annotation})
		}
		ctx, done, err := New(nil).(*kubernetes).limit(context.Background(), test.seconds, obj)
		if (err != nil) != test.fails {
			t.Errorf("%+v: %v", test, err)
		}
		if err != nil {
			continue
		}
		deadline, _ := ctx.Deadline()
		if got := time.Until(deadline).Round(time.Second); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
		done()
	}
}

// TestLingering holds an object by a finalizer.
func TestLingering(t *testing.T) {
	s, u := fake(t), urn("core/v1:Service", "a")
	now := metav1.Now()
	live := &unstructured.Unstructured{Object: maps.Clone(configMap())}
	live.Object["kind"] = "Service"
	live.SetDeletionTimestamp(&now)
	live.SetFinalizers([]string{"service.kubernetes.io/load-balancer-cleanup"})
	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	if err := s.dynamic.Tracker().Create(services, live, "shop"); err != nil {
		t.Fatal(err)
	}
	s.dynamic.PrependReactor("delete", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	remove := plugin.DeleteRequest{URN: u, Type: u.Type(), ID: "shop/a", Timeout: 0.2}
	if _, err := s.Delete(context.Background(), remove); err == nil || !strings.Contains(err.Error(), "service.kubernetes.io/load-balancer-cleanup") {
		t.Errorf("%v; want what holds it", err)
	}
	remove.Timeout = 60
	time.AfterFunc(300*time.Millisecond, func() {
		if err := s.dynamic.Tracker().Delete(services, "shop", "a"); err != nil {
			fmt.Println(err)
		}
	})
	began := time.Now()
	if _, err := s.Delete(context.Background(), remove); err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("%v after %s; want nothing at once when it is gone", err, time.Since(began))
	}
}
