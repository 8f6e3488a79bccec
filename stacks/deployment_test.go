package stacks

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestDeploymentFollowsConfig(t *testing.T) {
	c, _ := deployDev(t, map[string]string{"hello-timber:replicas": "3", "hello-timber:imageVersion": "v2"})
	inputs := c.inputs(t, typeDeployment)
	want(t, inputs, "spec.replicas", 3)
	want(t, inputs, `spec.template.metadata.labels["app.kubernetes.io/version"]`, "v2")
}

// TestPodsRunTheDigest: a tag may come to mean another image, or the same under another name.
func TestPodsRunTheDigest(t *testing.T) {
	c, _ := deployDev(t, nil)
	want(t, c.inputs(t, typeDeployment), "spec.template.spec.containers[0].image", testDigest)
	if !c.dependencies(t, typeDeployment)[typeReader+" hello-timber"] {
		t.Error("the pods do not wait for the nodes' right to pull")
	}
}

// TestSelectors: the Deployment's is in its pods' labels, has nothing that ever
// changes (it cannot be changed), and is the Service's too.
func TestSelectors(t *testing.T) {
	c, _ := deployStack(t, "prod", nil)
	spec := c.inputs(t, typeDeployment)["spec"].ObjectValue()
	selector := spec["selector"].ObjectValue()["matchLabels"].ObjectValue()
	if len(selector) != 1 || selector["app.kubernetes.io/name"].StringValue() != "timber-tutorial" {
		t.Errorf("the selector is %v", selector)
	}
	labels := spec["template"].ObjectValue()["metadata"].ObjectValue()["labels"].ObjectValue()
	for key, value := range selector {
		if !labels[key].DeepEquals(value) {
			t.Errorf("pods have %s=%v, selected is %v", key, labels[key], value)
		}
	}
	pod := spec["template"].ObjectValue()["spec"].ObjectValue()
	podLabels := func(v resource.PropertyValue) resource.PropertyValue {
		return v.ObjectValue()["labelSelector"].ObjectValue()["matchLabels"]
	}
	antiAffinity := pod["affinity"].ObjectValue()["podAntiAffinity"].ObjectValue()
	for what, got := range map[string]resource.PropertyValue{
		"the Service":           c.inputs(t, typeService)["spec"].ObjectValue()["selector"],
		"the disruption budget": c.inputs(t, typeBudget)["spec"].ObjectValue()["selector"].ObjectValue()["matchLabels"],
		"the network policy":    c.inputs(t, typePolicy, "timber-tutorial")["spec"].ObjectValue()["podSelector"].ObjectValue()["matchLabels"],
		"the spread over hosts": podLabels(pod["topologySpreadConstraints"].ArrayValue()[0]),
		"the spread over zones": podLabels(pod["topologySpreadConstraints"].ArrayValue()[1]),
		"the anti-affinity":     podLabels(antiAffinity["preferredDuringSchedulingIgnoredDuringExecution"].ArrayValue()[0].ObjectValue()["podAffinityTerm"]),
	} {
		if !got.DeepEquals(resource.NewProperty(selector)) {
			t.Errorf("%s selects %v, the Deployment %v", what, got, selector)
		}
	}
}

// TestNothingBlocksARollout: with as many replicas as hosts, a must would leave the
// additional pod without a place.
func TestNothingBlocksARollout(t *testing.T) {
	c, _ := deployStack(t, "prod", nil)
	inputs := c.inputs(t, typeDeployment)
	pod := inputs["spec"].ObjectValue()["template"].ObjectValue()["spec"].ObjectValue()
	for _, constraint := range pod["topologySpreadConstraints"].ArrayValue() {
		want(t, constraint.ObjectValue(), "whenUnsatisfiable", "ScheduleAnyway")
	}
	if antiAffinity := pod["affinity"].ObjectValue()["podAntiAffinity"].ObjectValue(); antiAffinity.HasValue("requiredDuringSchedulingIgnoredDuringExecution") {
		t.Error("the anti-affinity is a must")
	}
	want(t, inputs, "spec.strategy.rollingUpdate.maxUnavailable", 0)
	want(t, inputs, "spec.strategy.rollingUpdate.maxSurge", 1)
}

// TestDisruptionBudget: one pod at a time may be evicted. The budget is the same for
// any number of pods, so that scaling changes nothing but the Deployment.
func TestDisruptionBudget(t *testing.T) {
	for _, replicas := range []string{"1", "2", "100"} {
		c, _ := deployDev(t, map[string]string{"hello-timber:replicas": replicas})
		budget := c.inputs(t, typeBudget)
		want(t, budget, "spec.maxUnavailable", 1)
		want(t, budget, "spec.unhealthyPodEvictionPolicy", "AlwaysAllow")
		if budget["spec"].ObjectValue().HasValue("minAvailable") {
			t.Error("a number of pods must be left, which a single pod's node could not be drained for")
		}
	}
}

// TestNetworkPolicy: all is denied but calls of the service's port, and in an order
// that never cuts off pods that run.
func TestNetworkPolicy(t *testing.T) {
	c, _ := deployDev(t, nil)
	deny := c.inputs(t, typePolicy, "default-deny")
	want(t, deny, "spec.podSelector", "map[]") // every pod
	want(t, deny, "spec.policyTypes", "[Ingress Egress]")
	for _, rules := range []resource.PropertyKey{"ingress", "egress"} {
		if deny["spec"].ObjectValue().HasValue(rules) {
			t.Errorf("the default has %s rules", rules)
		}
	}
	allow := c.inputs(t, typePolicy, "timber-tutorial")
	want(t, allow, "spec.policyTypes", "[Ingress]")
	want(t, allow, "spec.ingress", "[map[ports:[map[port:8080 protocol:TCP]]]]")
	if waits := c.find(t, typePolicy, "default-deny").RegisterRPC.Dependencies; !slices.ContainsFunc(waits, func(urn string) bool { return label(urn) == typePolicy+" timber-tutorial" }) {
		t.Errorf("the default waits for %v", waits)
	}
	if !c.dependencies(t, typeDeployment)[typePolicy+" default-deny"] {
		t.Error("pods may start before their policy")
	}
}

// TestDeadlines: each gives the one inside of it the time to fail with a reason.
func TestDeadlines(t *testing.T) {
	c, _ := deployDev(t, nil)
	spec := c.inputs(t, typeDeployment)["spec"].ObjectValue()
	for typ, want := range map[string]string{typeDeployment: "3m", typeService: "5m"} {
		timeouts := c.find(t, typ).RegisterRPC.CustomTimeouts
		if timeouts.GetCreate() != want || timeouts.GetUpdate() != want {
			t.Errorf("%s has the timeouts %v, want %s", typ, timeouts, want)
		}
	}
	if deadline := spec["progressDeadlineSeconds"].NumberValue(); deadline >= 180 {
		t.Errorf("Kubernetes gives a rollout %v s, Pulumi 180", deadline)
	}
	pod := spec["template"].ObjectValue()["spec"].ObjectValue()
	container := pod["containers"].ArrayValue()[0].ObjectValue()
	sleep := container["lifecycle"].ObjectValue()["preStop"].ObjectValue()["sleep"].ObjectValue()["seconds"].NumberValue()
	const drain = 15 // lingerTimeout + shutdownTimeout of app/server.go
	if grace := pod["terminationGracePeriodSeconds"].NumberValue(); grace <= sleep+drain {
		t.Errorf("pods are killed after %v s, but sleep %v and drain %v", grace, sleep, drain)
	}
}

// TestProbes: what is not ready is not restarted for it.
func TestProbes(t *testing.T) {
	c, _ := deployDev(t, nil)
	inputs := c.inputs(t, typeDeployment)
	for probe, path := range map[string]string{"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"} {
		want(t, inputs, "spec.template.spec.containers[0]."+probe+".httpGet.path", path)
		want(t, inputs, "spec.template.spec.containers[0]."+probe+".httpGet.port", "http")
	}
	want(t, inputs, "spec.template.spec.containers[0].ports[0].name", "http")
	want(t, inputs, "spec.template.spec.containers[0].ports[0].containerPort", 8080)
}
