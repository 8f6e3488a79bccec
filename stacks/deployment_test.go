package stacks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
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

// TestAnotherService: what the program has to know of it reaches its pods, and who may call it.
func TestAnotherService(t *testing.T) {
	c, _ := deployDev(t, map[string]string{
		"hello-timber:port": "3000", "hello-timber:livenessPath": "/alive", "hello-timber:readinessPath": "/ready",
		"hello-timber:memory": "256", "hello-timber:environment": `{"GREETING": "hello", "COLOUR": "oak"}`,
	})
	container := c.inputs(t, typeDeployment)["spec"].ObjectValue()["template"].ObjectValue()["spec"].ObjectValue()["containers"].ArrayValue()[0].ObjectValue()
	want(t, container, "ports[0].containerPort", 3000)
	want(t, container, "livenessProbe.httpGet.path", "/alive")
	want(t, container, "startupProbe.httpGet.path", "/alive")
	want(t, container, "readinessProbe.httpGet.path", "/ready")
	want(t, container, "resources.limits.memory", "256Mi")
	want(t, container, "resources.requests.memory", "128Mi")
	want(t, container, "env[0].name", "COLOUR") // in one order, or every preview shows a change
	want(t, container, "env[1].value", "hello")
	want(t, c.inputs(t, typePolicy, "timber-tutorial"), "spec.ingress[0].ports[0].port", 3000)
}

// TestSecretEnvironment: what is secret in the config is in a Secret on the cluster.
func TestSecretEnvironment(t *testing.T) {
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:environment"]`)
	c, _ := deployDev(t, map[string]string{"hello-timber:environment": `{"PASSWORD": "hush"}`})
	secret := c.inputs(t, "kubernetes:core/v1:Secret")["stringData"]
	if !secret.IsSecret() || secret.SecretValue().Element.ObjectValue()["PASSWORD"].StringValue() != "hush" {
		t.Errorf("the Secret has %v", secret)
	}
	deployment := c.inputs(t, typeDeployment)
	want(t, deployment, "spec.template.spec.containers[0].envFrom[0].secretRef.name", "timber-tutorial-5d6e7f8")
	if strings.Contains(fmt.Sprint(deployment), "hush") {
		t.Errorf("the Deployment has the secret: %v", deployment)
	}
}

// TestEgress: the service talks to others only if it may.
func TestEgress(t *testing.T) {
	for _, egress := range []bool{false, true} {
		c, _ := deployDev(t, map[string]string{"hello-timber:egress": fmt.Sprint(egress)})
		spec := c.inputs(t, typePolicy, "timber-tutorial")["spec"].ObjectValue()
		rules, set := spec["egress"]
		if set != egress || set && (len(rules.ArrayValue()) != 1 || len(rules.ArrayValue()[0].ObjectValue()) != 0) {
			t.Errorf("egress %v: the policy has %v", egress, spec)
		}
		if types := spec["policyTypes"].ArrayValue(); egress != (len(types) == 2) {
			t.Errorf("egress %v: the policy is about %v", egress, types)
		}
	}
}
