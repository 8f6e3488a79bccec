package config

// Service is what the program has to know about the service in app/.
type Service struct {
	// Name is the logical name of the service's objects and, on Google Cloud, its image's name.
	Name string
	// Replicas is the number of pods, or the minimum if there is a MaxReplicas.
	Replicas int
	// MaxReplicas is how many pods an autoscaler may run; 0 for no autoscaler.
	MaxReplicas int
	// Port is where the service listens. It is passed to it as PORT.
	Port int
	// LivenessPath and ReadinessPath answer with success while the service is alive,
	// and while it can take requests.
	LivenessPath, ReadinessPath string
	// StartupSeconds is how long a pod may take to answer LivenessPath for the first time.
	StartupSeconds int
	// Memory is the limit of a pod, in MiB. Half of it is reserved.
	Memory int
	// Environment is the service's environment variables; all of them are secret if one is.
	Environment map[string]string
	// EnvironmentSecret has them stored in a Secret.
	EnvironmentSecret bool
	// Egress lets pods open connections.
	Egress bool
	// AllowedNetworks are the networks that may call the service, sorted; none means everyone.
	AllowedNetworks []string
	// Address is the reserved address of the load balancer; empty to have the cloud choose one.
	Address string
}
