package workload

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	portName = "http"

	// rolloutTimeout is how long Pulumi waits for pods: a bad image is known after
	// minutes, not after the default ten. Kubernetes gives up before, rolloutDeadline
	// seconds after the last pod that got ready, so that the error has its reason.
	rolloutTimeout  = "3m"
	rolloutDeadline = 120

	// lostNodeDelay is for how many seconds a pod stays on a node that is not heard
	// of, which Kubernetes notices after some 45. The default is 300, for pods that
	// are dear to move; these start in a second, and half a minute more tells a
	// restarting kubelet from a lost machine.
	lostNodeDelay = 30

	// drainDelay is for how many seconds a pod that is to stop still takes new
	// connections: until every node has heard that it should get no more.
	drainDelay = 5
	// gracePeriod is for how many seconds it may live in all: the delay, then up to
	// 15 for the service's own draining (app/server.go), then some to spare.
	gracePeriod = 30

	// nonRootID is user and group of the process: the ID that images without a
	// user database use by custom, beyond any ID of the node's own users.
	nonRootID = 65532
)

// DeploymentArgs are the arguments of NewDeployment.
type DeploymentArgs struct {
	Namespace pulumi.StringInput // its name
	Labels    pulumi.StringMap
	Image     pulumi.StringInput // its name with the digest
	Version   string             // shown as a label of the pods
	Replicas  int                // number of pods

	Port          int    // where the service listens
	LivenessPath  string // answers with success as long as the service is alive
	ReadinessPath string // and this as long as it may get requests
	Memory        int    // how much a pod may use, in MiB; half of it is kept free for it
	// Environment are the service's variables; secret ones stand in a Secret.
	Environment       map[string]string
	EnvironmentSecret bool

	PullGrant  pulumi.Resource // the nodes' right to pull the image; nil if that is not the stack's to give
	PullSecret string          // a Docker config with a login that they pull with; or empty
	Policy     *NetworkPolicy  // whom the pods may talk to
}

// Deployment is the service's pods: how many, from which image, and how they are
// replaced by those of another.
type Deployment struct {
	pulumi.ResourceState
}

// NewDeployment registers the Deployment and the pods' service account. It needs
// a kubernetes provider among opts.
func NewDeployment(ctx *pulumi.Context, name string, args *DeploymentArgs, opts ...pulumi.ResourceOption) (*Deployment, error) {
	d := &Deployment{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Deployment", name, d, opts...); err != nil {
		return nil, err
	}
	// Names stay unset (Pulumi's have a random suffix): with a fixed one, a
	// replacement would have to delete the old pods first.
	meta := &metav1.ObjectMetaArgs{Namespace: args.Namespace, Labels: args.Labels}

	// An account of its own has no rights, whatever others may grant to the default one.
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{
		Metadata:                     meta,
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, pulumi.Parent(d))
	if err != nil {
		return nil, err
	}

	before := []pulumi.Resource{args.Policy.DefaultDeny}
	if args.PullGrant != nil {
		before = append(before, args.PullGrant)
	}
	container := serviceContainer(name, args)
	switch {
	case len(args.Environment) == 0:
	case args.EnvironmentSecret:
		// A change makes another Secret, of another name, which is a rollout.
		secret, err := corev1.NewSecret(ctx, name, &corev1.SecretArgs{
			Metadata:   meta,
			StringData: pulumi.ToSecret(pulumi.ToStringMap(args.Environment)).(pulumi.StringMapOutput),
		}, pulumi.Parent(d))
		if err != nil {
			return nil, err
		}
		container.EnvFrom = corev1.EnvFromSourceArray{corev1.EnvFromSourceArgs{SecretRef: &corev1.SecretEnvSourceArgs{Name: secret.Metadata.Name()}}}
	default:
		var variables corev1.EnvVarArray
		for _, variable := range slices.Sorted(maps.Keys(args.Environment)) {
			variables = append(variables, corev1.EnvVarArgs{Name: pulumi.String(variable), Value: pulumi.String(args.Environment[variable])})
		}
		container.Env = variables
	}
	var pullSecrets corev1.LocalObjectReferenceArray
	if args.PullSecret != "" {
		secret, err := corev1.NewSecret(ctx, "pull", &corev1.SecretArgs{
			Metadata:   meta,
			Type:       pulumi.String("kubernetes.io/dockerconfigjson"),
			StringData: pulumi.StringMap{".dockerconfigjson": pulumi.ToSecret(pulumi.String(args.PullSecret)).(pulumi.StringOutput)},
		}, pulumi.Parent(d))
		if err != nil {
			return nil, err
		}
		pullSecrets = corev1.LocalObjectReferenceArray{corev1.LocalObjectReferenceArgs{Name: secret.Metadata.Name()}}
	}
	podLabels := maps.Clone(args.Labels)
	// Here and not in the selector, so that another version is a rollout, even if its image is the same.
	podLabels["app.kubernetes.io/version"] = pulumi.String(args.Version)
	_, err = appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Namespace: args.Namespace,
			Labels:    args.Labels,
			// No autoscaler has a say in the replicas, so that kubectl scale's is a change to
			// undo. Without this, every update would end in a conflict with it from then on
			// (pulumi-kubernetes#2569).
			Annotations: pulumi.StringMap{"pulumi.com/patchForce": pulumi.String("true")},
		},
		Spec: &appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(args.Replicas),
			Selector: &metav1.LabelSelectorArgs{MatchLabels: podSelector(name)},
			// Never fewer pods than wanted: one more first, then one less.
			Strategy: &appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{
					MaxSurge:       pulumi.Int(1),
					MaxUnavailable: pulumi.Int(0),
				},
			},
			// A pod that crashes right after its first answer stops the rollout.
			MinReadySeconds:         pulumi.Int(2),
			ProgressDeadlineSeconds: pulumi.Int(rolloutDeadline),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: podLabels},
				Spec: &corev1.PodSpecArgs{
					ImagePullSecrets:   pullSecrets,
					ServiceAccountName: account.Metadata.Name().Elem(),
					// The service never calls the Kubernetes API, nor needs to know of other Services.
					AutomountServiceAccountToken:  pulumi.Bool(false),
					EnableServiceLinks:            pulumi.Bool(false),
					TerminationGracePeriodSeconds: pulumi.Int(gracePeriod),
					SecurityContext: &corev1.PodSecurityContextArgs{
						RunAsNonRoot:   pulumi.Bool(true),
						RunAsUser:      pulumi.Int(nonRootID),
						RunAsGroup:     pulumi.Int(nonRootID),
						SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
					},
					Affinity: &corev1.AffinityArgs{PodAntiAffinity: &corev1.PodAntiAffinityArgs{
						PreferredDuringSchedulingIgnoredDuringExecution: corev1.WeightedPodAffinityTermArray{apartBy("kubernetes.io/hostname", name)},
					}},
					Tolerations: corev1.TolerationArray{
						leaveNode("node.kubernetes.io/not-ready"),
						leaveNode("node.kubernetes.io/unreachable"),
					},
					TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{
						spreadOver("kubernetes.io/hostname", name),
						spreadOver("topology.kubernetes.io/zone", name),
					},
					Containers: corev1.ContainerArray{container},
				},
			},
		},
	},
		pulumi.Parent(d),
		// Pods whose nodes may not pull yet back off for minutes, and no pod should run
		// before its policy; nothing of either is an input here.
		pulumi.DependsOn(before),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: rolloutTimeout, Update: rolloutTimeout}))
	if err != nil {
		return nil, err
	}
	// What drains nodes takes one pod after the other. Never as a number that must be
	// left, which with a single pod would keep its node from being drained at all.
	_, err = policyv1.NewPodDisruptionBudget(ctx, name, &policyv1.PodDisruptionBudgetArgs{
		Metadata: meta,
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1),
			Selector:       &metav1.LabelSelectorArgs{MatchLabels: podSelector(name)},
			// Pods that never get ready must not hold up an upgrade of the nodes.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, pulumi.Parent(d))
	if err != nil {
		return nil, err
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{})
}

// serviceContainer is the pod's one container.
func serviceContainer(name string, args *DeploymentArgs) corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name:  pulumi.String(name),
		Image: args.Image,
		// A digest is never outdated, and a restart should not need the registry.
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Ports: corev1.ContainerPortArray{corev1.ContainerPortArgs{
			Name:          pulumi.String(portName),
			ContainerPort: pulumi.Int(args.Port),
		}},
		Resources: &corev1.ResourceRequirementsArgs{
			// Of a small node's 940m, Google's own pods leave a few hundred.
			Requests: pulumi.StringMap{
				"cpu":               pulumi.String("50m"),
				"memory":            pulumi.String(fmt.Sprintf("%dMi", max(1, args.Memory/2))),
				"ephemeral-storage": pulumi.String("16Mi"),
			},
			// A whole processor, so that it is not throttled while a node has time to spare.
			Limits: pulumi.StringMap{
				"cpu":               pulumi.String("1"),
				"memory":            pulumi.String(fmt.Sprintf("%dMi", args.Memory)),
				"ephemeral-storage": pulumi.String("64Mi"),
			},
		},
		// Pulumi's error shows a crashed container's termination message, but not its log.
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
		// Half a minute to start; only then do the other two begin.
		StartupProbe: probe(args.LivenessPath, 1, 30),
		// Out of the Service after two failures, within seconds.
		ReadinessProbe: probe(args.ReadinessPath, 2, 2),
		// Restarted after half a minute without a sign of life; sooner would kill pods that are only busy.
		LivenessProbe: probe(args.LivenessPath, 10, 3),
		// The kubelet sleeps, not a shell: the image has none.
		Lifecycle: &corev1.LifecycleArgs{PreStop: &corev1.LifecycleHandlerArgs{
			Sleep: &corev1.SleepActionArgs{Seconds: pulumi.Int(drainDelay)},
		}},
		SecurityContext: &corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false),
			ReadOnlyRootFilesystem:   pulumi.Bool(true),
			Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
		},
	}
}

// probe asks for path every period seconds; failures in a row count.
func probe(path string, period, failures int) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{
		HttpGet: &corev1.HTTPGetActionArgs{
			Path: pulumi.String(path),
			Port: pulumi.String(portName),
		},
		PeriodSeconds:    pulumi.Int(period),
		FailureThreshold: pulumi.Int(failures),
	}
}

// apartBy asks for no two pods of one rollout on the same host, as spreadOver does
// in general; this is what the scheduler and cluster tools have known for longest.
func apartBy(topologyKey, name string) corev1.WeightedPodAffinityTermArgs {
	return corev1.WeightedPodAffinityTermArgs{
		Weight: pulumi.Int(100),
		PodAffinityTerm: &corev1.PodAffinityTermArgs{
			TopologyKey:    pulumi.String(topologyKey),
			LabelSelector:  &metav1.LabelSelectorArgs{MatchLabels: podSelector(name)},
			MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
		},
	}
}

// spreadOver asks for pods of one rollout on as many different hosts or zones as
// there are. As a wish: a must would block the additional pod of a rollout when
// there are as many replicas as hosts.
func spreadOver(topologyKey, name string) corev1.TopologySpreadConstraintArgs {
	return corev1.TopologySpreadConstraintArgs{
		TopologyKey:       pulumi.String(topologyKey),
		MaxSkew:           pulumi.Int(1),
		WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
		LabelSelector:     &metav1.LabelSelectorArgs{MatchLabels: podSelector(name)},
		// Not the pods of the version that is going away.
		MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
	}
}

// leaveNode has pods leave a node after lostNodeDelay with a taint that Kubernetes
// sets by itself.
func leaveNode(taint string) corev1.TolerationArgs {
	return corev1.TolerationArgs{
		Key:               pulumi.String(taint),
		Operator:          pulumi.String("Exists"),
		Effect:            pulumi.String("NoExecute"),
		TolerationSeconds: pulumi.Int(lostNodeDelay),
	}
}
