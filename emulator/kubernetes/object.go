package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fieldManager is the output that remembers as whom an object was written.
const fieldManager resource.PropertyKey = "__fieldManager"

// id is how the provider calls an object: namespace/name, or name.
func id(obj *unstructured.Unstructured) string {
	return strings.TrimPrefix(obj.GetNamespace()+"/"+obj.GetName(), "/")
}

// outputs is the live object as the state keeps it.
func outputs(live *unstructured.Unstructured, manager string) resource.PropertyMap {
	live = live.DeepCopy()
	live.SetManagedFields(nil)
	result := resource.NewPropertyMapFromMap(live.Object)
	if live.GetKind() == "Secret" && result.HasValue("data") {
		// It may have been stringData in the program, so that the engine does not see that it is secret.
		result["data"] = resource.MakeSecret(result["data"])
	}
	result[fieldManager] = resource.NewProperty(manager)
	return result
}

// limit ends ctx when the engine cancels the run, or when the time for an
// object is up: as the resource's options say, in seconds, else its
// annotation, else ten minutes.
func (p *kubernetes) limit(ctx context.Context, seconds float64, obj *unstructured.Unstructured) (context.Context, func(), error) {
	const key = "pulumi.com/timeoutSeconds"
	if value := obj.GetAnnotations()[key]; value != "" && seconds == 0 {
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return nil, nil, fmt.Errorf("annotation %s is %q; it must be a whole number of seconds", key, value)
		}
		seconds = float64(n)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(cmp.Or(seconds, 600)*float64(time.Second)))
	stop := context.AfterFunc(p.running, cancel)
	return ctx, func() { stop(); cancel() }, nil
}

// change is one write of an object.
type change struct {
	urn      resource.URN
	inputs   resource.PropertyMap
	manager  string   // the one that wrote it before, if any
	ignored  []string // paths that keep their live value
	seconds  float64  // of patience, 0 for the default
	update   bool
	previews bool
}

func (p *kubernetes) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	id, outputs, err := p.write(ctx, change{urn: req.URN, inputs: req.Properties, seconds: req.Timeout, previews: req.Preview})
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, err
}

func (p *kubernetes) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	_, outputs, err := p.write(ctx, change{urn: req.URN, inputs: req.NewInputs, manager: text(req.OldOutputs, fieldManager),
		ignored: req.IgnoreChanges, seconds: req.Timeout, previews: req.Preview, update: true})
	return plugin.UpdateResponse{Properties: outputs}, err
}

// write applies an object and waits until it works. A preview that the server
// cannot help with returns the inputs: what is unknown, or in a namespace that
// does not exist yet.
func (p *kubernetes) write(ctx context.Context, w change) (string, resource.PropertyMap, error) {
	c, err := p.connect()
	if w.previews && (err != nil || w.inputs.ContainsUnknowns()) {
		return "", w.inputs, nil
	}
	if err != nil {
		return "", nil, err
	}
	obj := &unstructured.Unstructured{Object: w.inputs.Mappable()}
	ctx, done, err := p.limit(ctx, w.seconds, obj)
	if err != nil {
		return "", nil, err
	}
	defer done()
	client, _, err := c.resource(obj)
	if err != nil {
		return "", nil, err
	}
	if w.manager == "" {
		// Drawn from the URN: who repeats a create that was cut off must not be in conflict with who began it.
		if w.manager, err = resource.NewUniqueName([]byte(w.urn), "pulumi-kubernetes-", 0, 0, nil); err != nil {
			return "", nil, err
		}
	}
	force := obj.GetAnnotations()["pulumi.com/patchForce"] == "true" || os.Getenv("PULUMI_K8S_ENABLE_PATCH_FORCE") == "true"
	if w.update {
		live, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", nil, fmt.Errorf("%w: somebody else deleted it; create it again with: pulumi up --refresh", err)
		}
		if err != nil {
			return "", nil, err
		}
		if err := keep(obj, live, w.ignored); err != nil {
			return "", nil, err
		}
		if w.previews {
			force = force || handEdits(live).Len() > 0
		} else if err := takeBack(ctx, client, live, w.manager); err != nil {
			return "", nil, fmt.Errorf("take back what kubectl changed in %s %s: %w", obj.GetKind(), id(obj), oneLine(err))
		}
	}
	// What a preview creates may be there already, if it is to replace that.
	live, err := apply(ctx, client, obj, w.manager, force || w.previews && !w.update, w.previews)
	switch {
	case err == nil:
	case w.previews && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || !w.update && strings.Contains(err.Error(), "field is immutable")):
		return "", w.inputs, nil
	case apierrors.IsConflict(err):
		return "", nil, fmt.Errorf("%s: %w. Leave the field to the other manager (ignoreChanges, or take it out of the program), "+
			"or take it over once: PULUMI_K8S_ENABLE_PATCH_FORCE=true pulumi up", id(obj), err)
	default:
		return "", nil, fmt.Errorf("write %s %s: %w", obj.GetKind(), id(obj), oneLine(err))
	}
	if w.previews {
		result := outputs(live, w.manager)
		if !w.update {
			delete(result, "status") // it is empty now, but will not stay so
		}
		return "", result, nil
	}
	var reasons []string
	if obj.GetAnnotations()["pulumi.com/skipAwait"] != "true" {
		live, reasons = c.await(ctx, live, p.say(w.urn))
	}
	if len(reasons) > 0 {
		return "", nil, initError(live, nil, w.manager, reasons)
	}
	return id(live), outputs(live, w.manager), nil
}

// keep gives obj the live values of the paths that the program ignores, so that
// an autoscaler's number is neither changed nor fought over.
func keep(obj, live *unstructured.Unstructured, ignored []string) error {
	inputs, current := resource.NewPropertyValue(obj.Object), resource.NewPropertyValue(live.Object)
	for _, text := range ignored {
		path, err := resource.ParsePropertyPath(text)
		if err != nil {
			return fmt.Errorf("ignoreChanges: %w", err)
		}
		_, ours := path.Get(inputs)
		if value, ok := path.Get(current); ok && ours {
			path.Set(inputs, value)
		}
	}
	obj.Object = inputs.ObjectValue().Mappable()
	return nil
}

// initError says why an object that exists does not work. It carries the
// object, so that the engine keeps it, and tries again next time.
func initError(live *unstructured.Unstructured, inputs resource.PropertyMap, manager string, reasons []string) error {
	options := plugin.MarshalOptions{KeepSecrets: true, PropagateNil: true}
	state, err := plugin.MarshalProperties(outputs(live, manager), options)
	if err != nil {
		return err
	}
	read, err := plugin.MarshalProperties(inputs, options)
	if err != nil {
		return err
	}
	detail := &pulumirpc.ErrorResourceInitFailed{Id: id(live), Properties: state, Inputs: read, Reasons: reasons}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, reasons[0]), detail)
}

// reach finds the cluster and the object of an ID; nil if the cluster is gone
// and the object is to be forgotten.
func (p *kubernetes) reach(typ tokens.Type, name resource.ID, inputs resource.PropertyMap) (*cluster, *unstructured.Unstructured, error) {
	gvk, err := kindOf(typ)
	if err != nil {
		return nil, nil, err
	}
	obj := &unstructured.Unstructured{Object: inputs.Mappable()}
	if obj.GetKind() == "" {
		obj.SetGroupVersionKind(gvk)
	}
	namespace, short, found := strings.Cut(string(name), "/")
	if !found {
		namespace, short = "", string(name)
	}
	obj.SetNamespace(namespace)
	obj.SetName(short)
	c, err := p.connect()
	if err != nil && p.settings.forgetUnreachable {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w. If the cluster was deleted, you can remove this resource from Pulumi state by rerunning "+
			"the operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to \"true\"", err)
	}
	return c, obj, nil
}

// Read finds an object again. Without inputs, it is about to be imported.
func (p *kubernetes) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	c, obj, err := p.reach(req.Type, req.ID, req.Inputs)
	if c == nil {
		return plugin.ReadResponse{}, err
	}
	client, _, err := c.resource(obj)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	live, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return plugin.ReadResponse{}, fmt.Errorf("read %s %s: %w", obj.GetKind(), req.ID, oneLine(err))
	}
	inputs, written := imported(live), live.DeepCopy()
	if len(req.Inputs) > 0 {
		wanted := req.Inputs.Mappable()
		inputs = project(readable(live, wanted), wanted, false).(map[string]any)
	}
	manager, properties := text(req.State, fieldManager), resource.NewPropertyMapFromMap(inputs)
	// Without this, refresh would forget that a rollout failed, and the next up would call it done.
	if kind, ok := awaited[live.GroupVersionKind().GroupKind()]; ok {
		delete(written.Object, "status")
		now, err := kind.look(ctx, c, written)
		if err != nil {
			return plugin.ReadResponse{}, fmt.Errorf("read %s %s: %w", obj.GetKind(), req.ID, oneLine(err))
		}
		if now.failed {
			return plugin.ReadResponse{}, initError(live, properties, manager, now.reasons)
		}
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: properties, Outputs: outputs(live, manager)}}, nil
}

// Delete returns when the object is gone, and with it what its finalizers
// stand for: pods, a load balancer, all that is in a namespace.
func (p *kubernetes) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	c, obj, err := p.reach(req.Type, req.ID, req.Inputs)
	if c == nil {
		return plugin.DeleteResponse{}, err
	}
	ctx, done, err := p.limit(ctx, req.Timeout, obj)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	defer done()
	if err := c.delete(ctx, obj, p.say(req.URN)); err != nil {
		return plugin.DeleteResponse{}, fmt.Errorf("delete %s %s: %w", obj.GetKind(), req.ID, err)
	}
	return plugin.DeleteResponse{}, nil
}
