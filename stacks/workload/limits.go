package workload

import (
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// quotaStep keeps the quota as it is in most changes of replicas.
	quotaStep = 10
	// quotaFactor is what a rollout may need at once: the pods of the new version, those of
	// the old one while they end, and as many again for a rollback in the middle of it, or
	// for a node that Kubernetes has lost.
	quotaFactor = 3
	// quotaBalancers is the Service's, and another while it is replaced.
	quotaBalancers = 2
)

// limits registers bounds for what a mistake or another person may create in the
// namespace: the number of pods and load balancers, and the size of containers that have
// none. The quota does not count processors or memory, so that whatever a cluster adds
// to pods, such as a sidecar, never keeps the service's pods from starting.
func (r *registration) limits() (*corev1.ResourceQuota, error) {
	_, err := corev1.NewLimitRange(r.ctx, r.PartOf, &corev1.LimitRangeArgs{
		Metadata: r.meta,
		Spec: &corev1.LimitRangeSpecArgs{Limits: corev1.LimitRangeItemArray{corev1.LimitRangeItemArgs{
			Type:           pulumi.String("Container"),
			DefaultRequest: pulumi.ToStringMap(map[string]string{"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"}),
			Default:        pulumi.ToStringMap(map[string]string{"cpu": "1", "memory": "256Mi", "ephemeral-storage": "256Mi"}),
		}}},
	}, r.serving()...)
	if err != nil {
		return nil, err
	}
	return corev1.NewResourceQuota(r.ctx, r.PartOf, &corev1.ResourceQuotaArgs{
		Metadata: r.meta,
		Spec: &corev1.ResourceQuotaSpecArgs{Hard: pulumi.StringMap{
			"pods":                   pulumi.String(strconv.Itoa(podQuota(max(r.Service.Replicas, r.Service.MaxReplicas)))),
			"services.loadbalancers": pulumi.String(strconv.Itoa(quotaBalancers)),
		}},
	}, r.serving()...)
}

// podQuota is how many pods a namespace may have whose service has up to so many.
func podQuota(pods int) int {
	most := pods + (pods+surgeDivisor-1)/surgeDivisor
	return quotaFactor * quotaStep * ((most + quotaStep - 1) / quotaStep)
}
