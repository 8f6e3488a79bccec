package config

// Service is what the program has to know about the service in app/, and how it runs.
type Service struct {
	Name                        string // logical name of its objects and, on Google Cloud, its image's name
	Replicas, MaxReplicas       int
	Port                        int
	LivenessPath, ReadinessPath string
	StartupSeconds              int
	Memory                      int // limit of a pod, in MiB
	Environment                 map[string]string
	EnvironmentSecret           bool // all of the environment, if a part of it is secret
	Egress                      bool
	AllowedNetworks             []string // sorted; none means everyone
	Address                     string
}
