package kubernetes

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fixed are the fields of a group and kind that no update can change: the
// official provider's list for what people deploy. That of a ConfigMap could
// change, but running pods would not see it; a new name rolls them.
var fixed = map[string][]string{
	"/ConfigMap":             {"binaryData", "data"},
	"/PersistentVolumeClaim": {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	"/Secret":                {"data", "stringData", "type"},
	"/Service":               {"spec.clusterIP"},
	"apps/DaemonSet":         {"spec.selector"},
	"apps/Deployment":        {"spec.selector"},
	"apps/StatefulSet":       {"spec.podManagementPolicy", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"},
	"batch/Job":              {"spec.completions", "spec.parallelism", "spec.selector", "spec.template"},
	"rbac.authorization.k8s.io/ClusterRoleBinding": {"roleRef"},
	"rbac.authorization.k8s.io/RoleBinding":        {"roleRef"},
}

// forceNew lists the paths whose change replaces an object.
func forceNew(olds, news resource.PropertyMap) []string {
	was := schema.FromAPIVersionAndKind(text(olds, "apiVersion"), text(olds, "kind"))
	is := schema.FromAPIVersionAndKind(text(news, "apiVersion"), text(news, "kind"))
	paths := append([]string{"kind", "metadata.name", "metadata.namespace"}, fixed[is.Group+"/"+is.Kind]...)
	if was.Group != is.Group {
		paths = append(paths, "apiVersion")
	}
	return paths
}

// Diff compares the old inputs with the new: refresh has put drift in the old.
func (p *kubernetes) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	diff := req.OldInputs.Diff(req.NewInputs)
	if diff == nil {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome, DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(diff, true)}
	for _, forced := range forceNew(req.OldInputs, req.NewInputs) {
		fixed, err := resource.ParsePropertyPath(forced)
		if err != nil {
			return plugin.DiffResult{}, err
		}
		for path, change := range result.DetailedDiff {
			changed, err := resource.ParsePropertyPath(path)
			if err != nil {
				return plugin.DiffResult{}, err
			}
			if fixed.Contains(changed) {
				result.DetailedDiff[path] = change.ToReplace()
			}
		}
	}
	// Two objects cannot have one name at a time.
	was, is := object(req.OldInputs, "metadata"), object(req.NewInputs, "metadata")
	result.DeleteBeforeReplace = result.Replace() && !isAutonamed(req.NewInputs) &&
		text(was, "name") == text(is, "name") && text(was, "namespace") == text(is, "namespace")
	return result, nil
}
