package workload

import (
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// busyCPU is what is reserved for a pod that an autoscaler counts. The node pool's
	// autoscaler adds a node for a pod whose reservation finds no place, so the
	// reservation is close to what a busy pod uses.
	busyCPU = "250m"
	// busyPercent of busyCPU is what the autoscaler keeps pods at, on average. The rest
	// is for the half minute until more pods are ready.
	busyPercent = 80
)

// autoscaler registers what follows the load with the number of pods, if MaxReplicas
// says so: Kubernetes adds pods within half a minute, and removes them after five
// minutes with less load. The cluster needs a metrics server, as GKE has. It returns
// nothing if there is none.
func (r *registration) autoscaler(deployment *appsv1.Deployment) ([]pulumi.Resource, error) {
	if r.Service.MaxReplicas == 0 {
		return nil, nil
	}
	scaler, err := autoscalingv2.NewHorizontalPodAutoscaler(r.ctx, r.name, &autoscalingv2.HorizontalPodAutoscalerArgs{
		Metadata: r.meta,
		Spec: &autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			ScaleTargetRef: &autoscalingv2.CrossVersionObjectReferenceArgs{
				ApiVersion: pulumi.String("apps/v1"),
				Kind:       pulumi.String("Deployment"),
				Name:       deployment.Metadata.Name().Elem(),
			},
			MinReplicas: pulumi.Int(r.Service.Replicas),
			MaxReplicas: pulumi.Int(r.Service.MaxReplicas),
			Metrics: autoscalingv2.MetricSpecArray{autoscalingv2.MetricSpecArgs{
				Type: pulumi.String("Resource"),
				Resource: &autoscalingv2.ResourceMetricSourceArgs{
					Name: pulumi.String("cpu"),
					Target: &autoscalingv2.MetricTargetArgs{
						Type:               pulumi.String("Utilization"),
						AverageUtilization: pulumi.Int(busyPercent),
					},
				},
			}},
		},
		// Not protected: without MaxReplicas, an update deletes it.
	}, r.child...)
	return []pulumi.Resource{scaler}, err
}
