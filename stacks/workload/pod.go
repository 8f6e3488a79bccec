package workload

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

const (
	portName = "http"

	// nonRootID is user and group of the process: the ID that images without a user
	// database use by convention, higher than the ID of any of the node's own users.
	nonRootID = 65532

	// temporary is the only folder that the process can write to. Many programs and
	// libraries expect it, whatever the language.
	temporary     = "tmp"
	temporarySize = "64Mi" // with the logs, less than the limit of the storage

	// fullHouse is how many seconds a probe waits in a queue with strangers. With the
	// queue full, which is 4096 connections in Linux, and the slowest clients in front, the
	// service in app/ answers after eight (TestAttacks).
	fullHouse = 10
	// crowdedOut is how many probes in a row may find no place in that queue. 18,000
	// strangers with half a header, who send a few Mbit/s, have made three in a row fail. With
	// Kubernetes' default of three, they would have pods restarted, each time after a longer
	// pause, and keep them away for up to five minutes after they have gone.
	crowdedOut = 30

	// unprivilegedPorts is the first port that the kernel lets every user listen on.
	unprivilegedPorts = 1024
)

func (r *registration) pod(account *corev1.ServiceAccount, container corev1.ContainerArgs) *corev1.PodSpecArgs {
	return &corev1.PodSpecArgs{
		ServiceAccountName: account.Metadata.Name().Elem(),
		NodeSelector:       r.nodeSelector(),
		// The service never calls the Kubernetes API and needs no other Services.
		AutomountServiceAccountToken:  pulumi.Bool(false),
		EnableServiceLinks:            pulumi.Bool(false),
		TerminationGracePeriodSeconds: pulumi.Int(r.drainDelay + endSeconds),
		SecurityContext: &corev1.PodSecurityContextArgs{
			RunAsNonRoot:   pulumi.Bool(true),
			RunAsUser:      pulumi.Int(nonRootID),
			RunAsGroup:     pulumi.Int(nonRootID),
			SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
			Sysctls:        r.sysctls(),
		},
		Affinity: &corev1.AffinityArgs{PodAntiAffinity: &corev1.PodAntiAffinityArgs{
			PreferredDuringSchedulingIgnoredDuringExecution: corev1.WeightedPodAffinityTermArray{r.apart("kubernetes.io/hostname")},
		}},
		Tolerations: corev1.TolerationArray{
			leaveNode("node.kubernetes.io/not-ready"),
			leaveNode("node.kubernetes.io/unreachable"),
		},
		TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{
			r.spread("kubernetes.io/hostname"),
			r.spread("topology.kubernetes.io/zone"),
		},
		Containers: corev1.ContainerArray{container},
		Volumes: corev1.VolumeArray{corev1.VolumeArgs{
			Name: pulumi.String(temporary),
			// On the node's disk: in memory, it would count as the service's.
			EmptyDir: &corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String(temporarySize)},
		}},
	}
}

// evictable returns the pods' annotations: the cluster autoscaler may remove a node
// although they have a folder there.
func evictable() pulumi.StringMap {
	return pulumi.StringMap{"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": pulumi.String(temporary)}
}

// sysctls lets a service that is not root listen on a port below 1024. This sysctl
// is one of the few that the restricted Pod Security Standard allows.
func (r *registration) sysctls() corev1.SysctlArray {
	if r.Service.Port >= unprivilegedPorts {
		return nil
	}
	return corev1.SysctlArray{corev1.SysctlArgs{
		Name: pulumi.String("net.ipv4.ip_unprivileged_port_start"), Value: pulumi.String(strconv.Itoa(r.Service.Port)),
	}}
}

// container returns the pod's only container, and registers its Secret if it has one.
func (r *registration) container() (corev1.ContainerArgs, error) {
	s := r.Service
	container := corev1.ContainerArgs{
		Name:  pulumi.String(r.name),
		Image: r.Image,
		// A digest never gets outdated, and a restart should not need the registry.
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Ports: corev1.ContainerPortArray{corev1.ContainerPortArgs{
			Name:          pulumi.String(portName),
			ContainerPort: pulumi.Int(s.Port),
		}},
		Env:       r.derivedVariables(),
		Resources: resources(s),
		VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
			Name:      pulumi.String(temporary),
			MountPath: pulumi.String("/" + temporary),
		}},
		// Pulumi's error shows a crashed container's termination message, but not its log.
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
		// The other two probes begin after this one has succeeded.
		// No client can reach the pod before, so it waits Kubernetes' default of one second.
		StartupProbe: probe(s.LivenessPath, 1, 1, s.StartupSeconds),
		// Out of the Service after two failures: within seconds if it refuses, and after
		// twenty if it does not answer.
		ReadinessProbe: probe(s.ReadinessPath, 2, fullHouse, 2),
		// Restarted after five minutes without an answer. Sooner would kill pods that are only busy.
		LivenessProbe: probe(s.LivenessPath, 10, fullHouse, crowdedOut),
		// The kubelet sleeps, not a shell: the image has none.
		Lifecycle: &corev1.LifecycleArgs{PreStop: &corev1.LifecycleHandlerArgs{
			Sleep: &corev1.SleepActionArgs{Seconds: pulumi.Int(r.drainDelay)},
		}},
		SecurityContext: &corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false),
			ReadOnlyRootFilesystem:   pulumi.Bool(true),
			Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
		},
	}
	if len(s.Environment) == 0 {
		return container, nil
	}
	if !s.EnvironmentSecret {
		container.Env = append(r.derivedVariables(), plainVariables(s.Environment)...)
		return container, nil
	}
	// A change creates another Secret with another name, which is a rollout.
	secret, err := corev1.NewSecret(r.ctx, r.name, &corev1.SecretArgs{
		Metadata:   r.meta,
		StringData: pulumi.ToSecret(pulumi.ToStringMap(s.Environment)).(pulumi.StringMapOutput),
	}, r.child...)
	if err != nil {
		return container, err
	}
	container.EnvFrom = corev1.EnvFromSourceArray{corev1.EnvFromSourceArgs{SecretRef: &corev1.SecretEnvSourceArgs{Name: secret.Metadata.Name()}}}
	return container, nil
}

// derivedVariables pass on what the program knows: the port to listen on, how long to keep
// the connections of a Gateway, and, for Go's garbage collector, when memory runs short: at
// five eighths of the limit.
func (r *registration) derivedVariables() corev1.EnvVarArray {
	variables := corev1.EnvVarArray{
		corev1.EnvVarArgs{Name: pulumi.String("GOMEMLIMIT"), Value: pulumi.String(fmt.Sprintf("%dMiB", max(1, r.Service.Memory*5/8)))},
		corev1.EnvVarArgs{Name: pulumi.String("PORT"), Value: pulumi.String(strconv.Itoa(r.Service.Port))},
	}
	if r.Gateway != nil {
		variables = append(variables, corev1.EnvVarArgs{Name: pulumi.String("IDLE_SECONDS"), Value: pulumi.String(strconv.Itoa(idleSeconds))})
	}
	return variables
}

// plainVariables returns variables sorted by name, since another order would be a
// change. In their values, Kubernetes replaces $(NAME) with another variable's value,
// and $$ with $ (kubernetes#101137): so each $ is doubled.
func plainVariables(environment map[string]string) corev1.EnvVarArray {
	var variables corev1.EnvVarArray
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		value := strings.ReplaceAll(environment[name], "$", "$$")
		variables = append(variables, corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(value)})
	}
	return variables
}

// resources returns what a pod may use, and what is reserved for it.
func resources(s config.Service) *corev1.ResourceRequirementsArgs {
	// A small node has 940m, of which Google's own pods leave a few hundred.
	cpu := "50m"
	if s.MaxReplicas > 0 {
		cpu = busyCPU
	}
	return &corev1.ResourceRequirementsArgs{
		Requests: pulumi.StringMap{
			"cpu":               pulumi.String(cpu),
			"memory":            pulumi.String(fmt.Sprintf("%dMi", max(1, s.Memory/2))),
			"ephemeral-storage": pulumi.String("64Mi"),
		},
		// A whole processor, so that it is not throttled while the node has time to spare.
		// The storage counts /tmp and the logs, of which the kubelet keeps five files of 10 MiB,
		// and more while it rotates them (kubernetes#124333).
		Limits: pulumi.StringMap{
			"cpu":               pulumi.String("1"),
			"memory":            pulumi.String(fmt.Sprintf("%dMi", s.Memory)),
			"ephemeral-storage": pulumi.String("256Mi"),
		},
	}
}

// probe requests path every period seconds, and waits timeout seconds for an answer. It
// fails after so many failures in a row.
func probe(path string, period, timeout, failures int) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{
		HttpGet: &corev1.HTTPGetActionArgs{
			Path: pulumi.String(path),
			Port: pulumi.String(portName),
		},
		PeriodSeconds:    pulumi.Int(period),
		TimeoutSeconds:   pulumi.Int(timeout),
		FailureThreshold: pulumi.Int(failures),
	}
}

// apart prefers that no two pods of one rollout are on the same host, as spread does
// in general. Older cluster tools know only this form.
func (r *registration) apart(topologyKey string) corev1.WeightedPodAffinityTermArgs {
	return corev1.WeightedPodAffinityTermArgs{
		Weight: pulumi.Int(100),
		PodAffinityTerm: &corev1.PodAffinityTermArgs{
			TopologyKey:    pulumi.String(topologyKey),
			LabelSelector:  r.podSelector(),
			MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
		},
	}
}

// spread prefers to put the pods of one rollout on as many different hosts or zones
// as there are. It is not required: a hard rule would block the extra pod of a
// rollout when there are as many replicas as hosts.
func (r *registration) spread(topologyKey string) corev1.TopologySpreadConstraintArgs {
	return corev1.TopologySpreadConstraintArgs{
		TopologyKey:       pulumi.String(topologyKey),
		MaxSkew:           pulumi.Int(1),
		WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
		LabelSelector:     r.podSelector(),
		// Not counting the pods of the version that is replaced.
		MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
	}
}

// leaveNode has pods leave a node that Kubernetes has given the taint.
func leaveNode(taint string) corev1.TolerationArgs {
	return corev1.TolerationArgs{
		Key:               pulumi.String(taint),
		Operator:          pulumi.String("Exists"),
		Effect:            pulumi.String("NoExecute"),
		TolerationSeconds: pulumi.Int(lostNodeSeconds),
	}
}
