package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const autonamed = "pulumi.com/autonamed"

// kindOf is the kind that a type such as kubernetes:apps/v1:Deployment names.
func kindOf(typ tokens.Type) (schema.GroupVersionKind, error) {
	kind := string(typ.Name())
	version, err := schema.ParseGroupVersion(strings.TrimPrefix(string(typ.Module().Name()), "core/"))
	if err != nil || strings.HasSuffix(kind, "List") || strings.HasSuffix(kind, "Patch") {
		return schema.GroupVersionKind{}, fmt.Errorf("the emulator has no %s", typ)
	}
	return version.WithKind(kind), nil
}

// object is a copy of the map under key, empty if there is none.
func object(m resource.PropertyMap, key resource.PropertyKey) resource.PropertyMap {
	if m[key].IsObject() {
		return maps.Clone(m[key].ObjectValue())
	}
	return resource.PropertyMap{}
}

// text is the string under key, "" if there is none.
func text(m resource.PropertyMap, key resource.PropertyKey) string {
	if m[key].IsString() {
		return m[key].StringValue()
	}
	return ""
}

func isAutonamed(inputs resource.PropertyMap) bool {
	return text(object(object(inputs, "metadata"), "annotations"), autonamed) == "true"
}

// Check fills in what a program may leave out: apiVersion, kind, name and
// namespace. It refuses a kind that the cluster does not serve.
func (p *kubernetes) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	gvk, err := kindOf(req.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	news, metadata := maps.Clone(req.News), object(req.News, "metadata")
	missing := func(m resource.PropertyMap, key resource.PropertyKey) bool {
		return !m[key].HasValue() || m[key].IsString() && m[key].StringValue() == ""
	}
	if missing(news, "apiVersion") {
		news["apiVersion"] = resource.NewProperty(gvk.GroupVersion().String())
	}
	if missing(news, "kind") {
		news["kind"] = resource.NewProperty(gvk.Kind)
	}
	if news["metadata"].IsComputed() {
		return plugin.CheckResponse{Properties: news}, nil
	}
	if !missing(metadata, "generateName") {
		return plugin.CheckResponse{}, fmt.Errorf("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
	}
	if missing(metadata, "name") {
		name, err := autoname(req)
		if err != nil {
			return plugin.CheckResponse{}, err
		}
		annotations := object(metadata, "annotations")
		annotations[autonamed] = resource.NewProperty("true")
		metadata["name"], metadata["annotations"] = resource.NewProperty(name), resource.NewProperty(annotations)
	}
	namespace, err := p.defaultNamespace(req, gvk)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	if missing(metadata, "namespace") {
		delete(metadata, "namespace")
		if namespace != "" {
			metadata["namespace"] = resource.NewProperty(namespace)
		}
	}
	news["metadata"] = resource.NewProperty(metadata)
	return plugin.CheckResponse{Properties: news}, nil
}

// autoname keeps a name that was given earlier. A name that the program chose
// and chooses no longer is not kept: the object is replaced.
func autoname(req plugin.CheckRequest) (string, error) {
	switch {
	case isAutonamed(req.Olds):
		return text(object(req.Olds, "metadata"), "name"), nil
	case req.Autonaming == nil:
		return resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", 0, 0, nil)
	case req.Autonaming.Mode == plugin.AutonamingModeDisabled:
		return "", fmt.Errorf("autonaming is disabled, resource requires the .metadata.name field to be set")
	}
	return req.Autonaming.ProposedName, nil
}

// defaultNamespace is the namespace of an object that names none, "" for a
// kind that has none.
func (p *kubernetes) defaultNamespace(req plugin.CheckRequest, gvk schema.GroupVersionKind) (string, error) {
	c, err := p.connect()
	if err != nil {
		// Without a cluster nobody can tell whether the kind has a namespace. It stays what it was, since a preview must
		// not replace everything because the cluster is down; Create and Update will say that it is.
		return text(object(req.Olds, "metadata"), "namespace"), nil
	}
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return "", fmt.Errorf("the emulator has no %s: %w", req.Type, oneLine(err))
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return "", nil
	}
	return c.namespace, nil
}
