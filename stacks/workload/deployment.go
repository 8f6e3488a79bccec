package workload

import (
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// deployment registers the pods, with what they need and how they are replaced by
// those of another version. No pod runs before the policy, and no more pods are asked for
// than the quota allows. Some are resources that only some stacks have.
func (r *registration) deployment(policy, quota pulumi.Resource, some []pulumi.Resource) (*appsv1.Deployment, error) {
	// An account of their own has no rights, whatever others grant to the default one.
	account, err := corev1.NewServiceAccount(r.ctx, r.name, &corev1.ServiceAccountArgs{
		Metadata:                     r.meta,
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, r.serving()...)
	if err != nil {
		return nil, err
	}
	container, err := r.container()
	if err != nil {
		return nil, err
	}
	pod := r.pod(account, container)
	if pod.ImagePullSecrets, err = r.pullSecrets(); err != nil {
		return nil, err
	}
	labels := r.labels()
	// Not in the selector, so that another version is a rollout even if the image is the same.
	labels["app.kubernetes.io/version"] = pulumi.String(r.Version)

	// Pods whose nodes may not pull yet back off for minutes. Nothing of the grant, the
	// policy or the quota is an input of the Deployment.
	before := []pulumi.Resource{policy, quota}
	if r.PullGrant != nil {
		before = append(before, r.PullGrant)
	}
	watch, err := r.watch()
	if err != nil {
		return nil, err
	}
	timeout := r.rolloutTimeout().String()
	var ignored []string
	if r.Service.MaxReplicas > 0 {
		ignored = []string{"spec.replicas"} // the autoscaler's
	}
	deployment, err := appsv1.NewDeployment(r.ctx, r.name, &appsv1.DeploymentArgs{
		Metadata: r.meta,
		Spec:     r.deploymentSpec(&corev1.PodTemplateSpecArgs{Metadata: &metav1.ObjectMetaArgs{Labels: labels, Annotations: evictable()}, Spec: pod}),
	}, r.serving(
		pulumi.DependsOn(before),
		pulumi.IgnoreChanges(ignored),
		watch,
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: timeout, Update: timeout}))...)
	if err != nil {
		return nil, err
	}
	scaler, err := r.autoscaler(deployment)
	if err != nil {
		return nil, err
	}
	return deployment, r.disruptionBudget(append(scaler, some...))
}

func (r *registration) deploymentSpec(template *corev1.PodTemplateSpecArgs) *appsv1.DeploymentSpecArgs {
	return &appsv1.DeploymentSpecArgs{
		Replicas: pulumi.Int(r.Service.Replicas),
		Selector: r.podSelector(),
		// Never fewer pods than wanted.
		Strategy: &appsv1.DeploymentStrategyArgs{
			Type: pulumi.String("RollingUpdate"),
			RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{
				MaxSurge:       pulumi.String(surge),
				MaxUnavailable: pulumi.Int(0),
			},
		},
		MinReadySeconds:         pulumi.Int(r.readySeconds),
		ProgressDeadlineSeconds: pulumi.Int(r.progressSeconds()),
		Template:                template,
	}
}

// pullSecrets registers the login that nodes pull with, if there is one.
func (r *registration) pullSecrets() (corev1.LocalObjectReferenceArray, error) {
	if r.PullSecret == "" {
		return nil, nil
	}
	secret, err := corev1.NewSecret(r.ctx, "pull", &corev1.SecretArgs{
		Metadata:   r.meta,
		Type:       pulumi.String("kubernetes.io/dockerconfigjson"),
		StringData: pulumi.StringMap{".dockerconfigjson": pulumi.ToSecret(pulumi.String(r.PullSecret)).(pulumi.StringOutput)},
	}, r.child...)
	if err != nil {
		return nil, err
	}
	return corev1.LocalObjectReferenceArray{corev1.LocalObjectReferenceArgs{Name: secret.Metadata.Name()}}, nil
}

// disruptionBudget lets whatever drains nodes evict one pod after the other. It is
// protected and depends on what only some stacks have: so a destroy of a protected stack
// does not delete that, but an update may.
func (r *registration) disruptionBudget(some []pulumi.Resource) error {
	_, err := policyv1.NewPodDisruptionBudget(r.ctx, r.name, &policyv1.PodDisruptionBudgetArgs{
		Metadata: r.meta,
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			// Not a number of pods that must be left: the node of a single pod could never be drained.
			MaxUnavailable: pulumi.Int(1),
			Selector:       r.podSelector(),
			// Pods that never get ready must not block an upgrade of the nodes.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, r.serving(pulumi.DependsOn(some))...)
	return err
}
