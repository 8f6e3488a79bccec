package workload

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// podSecurityVersion is the Kubernetes release whose Pod Security Standards apply.
// It is pinned, so that an upgrade of the cluster never refuses pods that it ran
// before. 1.34 is the first whose rules cover probes and lifecycle hooks. An older
// cluster applies the latest rules that it knows.
const podSecurityVersion = "v1.34"

// namespace registers where the service lives, under Kubernetes' strictest rules for pods.
func (r *registration) namespace() (*corev1.Namespace, error) {
	labels := r.owned(pulumi.StringMap{"app.kubernetes.io/managed-by": pulumi.String("pulumi")})
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = pulumi.String("restricted")
		labels["pod-security.kubernetes.io/"+mode+"-version"] = pulumi.String(podSecurityVersion)
	}
	onlyNew, err := r.onlyNew()
	if err != nil {
		return nil, err
	}
	return corev1.NewNamespace(r.ctx, r.PartOf, &corev1.NamespaceArgs{
		Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(r.Namespace), Labels: labels, Annotations: annotations()},
	}, r.serving(onlyNew)...)
}

// onlyNew returns a hook that refuses a namespace that is there already. The provider would
// take it over: the policies would cut its pods off, and a destroy would delete it.
func (r *registration) onlyNew() (pulumi.ResourceOption, error) {
	if r.Taken == nil {
		return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{}), nil
	}
	hook, err := r.ctx.RegisterResourceHook("the namespace is new", func(*pulumi.ResourceHookArgs) error {
		return r.Taken(r.Namespace)
	}, &pulumi.ResourceHookOptions{OnDryRun: true})
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeCreate: []*pulumi.ResourceHook{hook}}), err
}
