package workload

import "time"

const (
	// surge is how many more pods than wanted there may be in a rollout. A quarter
	// replaces any number of pods in four steps. Pods that do not fit on the nodes wait
	// for those that are replaced.
	surge        = "25%"
	surgeDivisor = 4

	// settleSeconds is how long a pod must stay ready to count: one that crashes right
	// after its first answer stops the rollout.
	settleSeconds = 2
	// placeSeconds is the time to schedule a pod, pull its image and start it.
	placeSeconds = 90
	// crowdSeconds is what each further pod costs when many start on few nodes: 60 pods
	// on three nodes of a two-core machine took 50 s.
	crowdSeconds = 2
	// nodeSeconds is the time until a pod that finds no place has a new node. The cluster
	// autoscaler's FAQ says half a minute to notice, and 3 to 4 minutes to create the node on
	// Google Cloud ("How fast is HPA when combined with CA?").
	nodeSeconds = 300

	// lostNodeSeconds is how long a pod stays on a node that Kubernetes has lost, which
	// it notices after about 45 s. The default of 300 is for pods that are expensive to
	// move. These start in a second, and half a minute is enough to distinguish a
	// restarting kubelet from a lost machine.
	lostNodeSeconds = 30

	// nodesLearn is how many seconds a stopping pod still takes new connections: until
	// every node knows that the pod should get no more.
	nodesLearn = 5
	// endSeconds is how long a stopping pod may live after that: up to 15 for the
	// service's own draining (app/server.go), and a reserve.
	endSeconds = 25

	// googleLearns is the same for a Gateway, whose load balancer calls pods directly and
	// learns later than nodes do. Public reports see it send requests to pods for 15 to 20
	// seconds after they were to end, and to new ones as late (kubernetes/ingress-gce#1718,
	// #2222). Not tried on GKE itself.
	googleLearns = 60
	// googleReady is how long a new pod must be ready before Kubernetes ends an old one: so
	// the load balancer always knows one that serves.
	googleReady = 30
	// idleSeconds is how long the service keeps connections that are not used. The load
	// balancer keeps its own for 600, and must be the one that closes them:
	// https://cloud.google.com/load-balancing/docs/https#timeouts_and_retries
	idleSeconds = 620

	// addressTimeout is how long Pulumi waits for the load balancer's address, which
	// takes Google a minute or two.
	addressTimeout = "5m0s"
)

// progressSeconds is how long Kubernetes waits for the next pod to get ready before it
// gives up and says why.
func (r *registration) progressSeconds() int {
	seconds := placeSeconds + r.Service.StartupSeconds + r.readySeconds - settleSeconds
	if r.MoreNodes {
		seconds += nodeSeconds
	}
	return seconds
}

// rolloutTimeout is how long Pulumi waits for all pods. It is longer than
// progressSeconds, so that the error has Kubernetes' reason, and it allows every step
// of the rollout its startup. With the defaults, a bad image is reported after four
// minutes instead of Pulumi's ten.
func (r *registration) rolloutTimeout() time.Duration {
	pods := max(r.Service.Replicas, r.Service.MaxReplicas)
	step := (pods + surgeDivisor - 1) / surgeDivisor
	steps := (pods + step - 1) / step
	// The first step creates the nodes for all: each later one has the places of the pods
	// that the one before has replaced.
	return time.Duration(60+r.progressSeconds()+(steps-1)*(r.Service.StartupSeconds+r.readySeconds-settleSeconds)+pods*crowdSeconds) * time.Second
}
