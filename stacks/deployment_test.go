package stacks

import (
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
	c, _ := deployDev(t, nil)
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
	if service := c.inputs(t, typeService)["spec"].ObjectValue()["selector"]; !service.DeepEquals(resource.NewProperty(selector)) {
		t.Errorf("the Service selects %v, the Deployment %v", service, selector)
	}
}

// TestDeadlines: each gives the one inside of it the time to fail with a reason.
func TestDeadlines(t *testing.T) {
	c, _ := deployDev(t, nil)
	spec := c.inputs(t, typeDeployment)["spec"].ObjectValue()
	for _, typ := range []string{typeDeployment, typeService} {
		timeouts := c.find(t, typ).RegisterRPC.CustomTimeouts
		if timeouts.GetCreate() != "5m" || timeouts.GetUpdate() != "5m" {
			t.Errorf("%s has the timeouts %v", typ, timeouts)
		}
	}
	if deadline := spec["progressDeadlineSeconds"].NumberValue(); deadline >= 300 {
		t.Errorf("Kubernetes gives a rollout %v s, Pulumi 300", deadline)
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
