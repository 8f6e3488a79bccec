package stacks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// container returns the inputs of the pods' container.
func (c *cloud) container(t *testing.T) resource.PropertyMap {
	t.Helper()
	p, err := resource.ParsePropertyPath("spec.template.spec.containers[0]")
	if err != nil {
		t.Fatal(err)
	}
	v, ok := p.Get(resource.NewProperty(c.inputs(t, typeDeployment)))
	if !ok {
		t.Fatal("the Deployment has no container")
	}
	return v.ObjectValue()
}

// TestAnotherService: what the program has to know about a service reaches its pods.
func TestAnotherService(t *testing.T) {
	c, _ := deployDev(t, map[string]string{
		"hello-timber:port": "3000", "hello-timber:livenessPath": "/alive", "hello-timber:readinessPath": "/ready", "hello-timber:startupSeconds": "120",
		"hello-timber:memory": "512", "hello-timber:environment": `{"GREETING": "hello", "COLOUR": "oak"}`,
		"hello-timber:allowedNetworks": "203.0.113.0/24,198.51.100.0/24",
	})
	container := c.container(t)
	want(t, container, "ports[0].containerPort", 3000)
	want(t, container, "livenessProbe.httpGet.path", "/alive")
	want(t, container, "startupProbe.httpGet.path", "/alive")
	want(t, container, "startupProbe.failureThreshold", 120)
	want(t, container, "readinessProbe.httpGet.path", "/ready")
	want(t, container, "resources.limits.memory", "512Mi")
	want(t, container, "resources.requests.memory", "256Mi")
	want(t, container, "env", "[map[name:GOMEMLIMIT value:320MiB] map[name:PORT value:3000] map[name:COLOUR value:oak] map[name:GREETING value:hello]]")
	want(t, c.inputs(t, typeDeployment), "spec.progressDeadlineSeconds", 210)
	want(t, c.inputs(t, typePolicy, "timber-tutorial"), "spec.ingress[0].ports[0].port", 3000)
	want(t, c.inputs(t, typeService), "spec.loadBalancerSourceRanges", "[198.51.100.0/24 203.0.113.0/24]")
}

// TestAddress: the Service asks for the address that is reserved, and Pulumi waits until
// it has this one. Otherwise it has any.
func TestAddress(t *testing.T) {
	c, _ := deployDev(t, map[string]string{"hello-timber:address": "203.0.113.9"})
	service := c.inputs(t, typeService)
	want(t, service, "spec.loadBalancerIP", "203.0.113.9")
	want(t, service, `metadata.annotations["pulumi.com/waitFor"]`, "jsonpath={.status.loadBalancer.ingress[0].ip}=203.0.113.9")
	for _, r := range c.resources {
		if r.TypeToken == typeService && !r.RegisterRPC.DeleteBeforeReplace {
			t.Error("a replacement would want the address while the old Service has it")
		}
	}
	c, _ = deployDev(t, nil)
	service = c.inputs(t, typeService)
	want(t, service, `metadata.annotations["pulumi.com/waitFor"]`, "jsonpath={.status.loadBalancer.ingress[0]}")
	if inputs := fmt.Sprint(service); strings.Contains(inputs, "loadBalancerIP") {
		t.Errorf("without an address, the Service has %s", inputs)
	}
}

// TestTemporaryFolder: the service can write to /tmp, and nowhere else. What it writes
// there fits on the node's disk with the logs.
func TestTemporaryFolder(t *testing.T) {
	c, _ := deployDev(t, nil)
	container, deployment := c.container(t), c.inputs(t, typeDeployment)
	want(t, container, "securityContext.readOnlyRootFilesystem", true)
	want(t, container, "volumeMounts", "[map[mountPath:/tmp name:tmp]]")
	want(t, deployment, "spec.template.spec.volumes", "[map[emptyDir:map[sizeLimit:64Mi] name:tmp]]")
	want(t, deployment, `spec.template.metadata.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"]`, "tmp")
	const size, logs = 64, 6 * 10 // in MiB: the kubelet keeps five files and writes a sixth
	var limit int
	if _, err := fmt.Sscanf(container["resources"].ObjectValue()["limits"].ObjectValue()["ephemeral-storage"].StringValue(), "%dMi", &limit); err != nil || limit < size+logs {
		t.Errorf("the storage is limited to %d MiB (%v), but /tmp and the logs may have %d", limit, err, size+logs)
	}
}

// TestLowPorts: users that are not root need the kernel's permission.
func TestLowPorts(t *testing.T) {
	for port, sysctl := range map[string]string{"1": "1", "80": "80", "1023": "1023", "1024": "", "8080": ""} {
		c, _ := deployDev(t, map[string]string{"hello-timber:port": port})
		context, _ := resource.ParsePropertyPath("spec.template.spec.securityContext.sysctls")
		got, ok := context.Get(resource.NewProperty(c.inputs(t, typeDeployment)))
		if ok != (sysctl != "") || ok && fmt.Sprint(got.Mappable()) != "[map[name:net.ipv4.ip_unprivileged_port_start value:"+sysctl+"]]" {
			t.Errorf("port %s: the sysctls are %v", port, got)
		}
	}
}

// TestEnvironmentArrivesAsWritten: Kubernetes expands $(NAME) and $$ in plain values,
// and nothing in those of a Secret.
func TestEnvironmentArrivesAsWritten(t *testing.T) {
	values := map[string]string{"dollars": "US$$5", "reference": "$(PORT)", "escaped": "$$(PORT)", "last": "5$", "shell": "${HOME} $HOME", "open": "$(", "lines": "a\nb\t\"c\""}
	for name, value := range values {
		config := map[string]string{"hello-timber:environment": configText(t, map[string]any{"X": value})}
		c, _ := deployDev(t, config)
		got := c.container(t)["env"].ArrayValue()[2].ObjectValue()["value"].StringValue()
		if expanded := expand(got); expanded != value {
			t.Errorf("%s: %q is sent as %q, which reaches the pod as %q", name, value, got, expanded)
		}
		t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:environment"]`)
		c, _ = deployDev(t, config)
		secret := c.inputs(t, typeSecret)["stringData"]
		if !secret.IsSecret() || secret.SecretValue().Element.ObjectValue()["X"].StringValue() != value {
			t.Errorf("%s: the Secret has %v", name, secret)
		}
		want(t, c.container(t), "envFrom[0].secretRef.name", "timber-tutorial-5d6e7f8")
		if deployment := fmt.Sprint(c.inputs(t, typeDeployment)); strings.Contains(deployment, value) {
			t.Errorf("%s: the Deployment has the secret: %s", name, deployment)
		}
		t.Setenv(pulumi.EnvConfigSecretKeys, `[]`)
	}
}

// expand does what the kubelet does with a value, where PORT is the only variable:
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
func expand(value string) string {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		rest := value[i:]
		switch {
		case strings.HasPrefix(rest, "$$"):
			out.WriteByte('$')
			i++
		case strings.HasPrefix(rest, "$(PORT)"):
			out.WriteString("8080")
			i += len("$(PORT)") - 1
		default:
			out.WriteByte(value[i])
		}
	}
	return out.String()
}

// TestRolloutTimes: Kubernetes fails before Pulumi does, so that the error has a
// reason, and every rollout has the time for all of its steps.
func TestRolloutTimes(t *testing.T) {
	for _, test := range []struct{ replicas, startup, maxNodes, deadline, timeout string }{
		{"1", "30", "0", "120", "3m2s"},
		{"3", "30", "0", "120", "4m6s"},
		{"4", "30", "0", "120", "4m38s"},
		{"60", "30", "0", "120", "6m30s"},
		{"100", "30", "0", "120", "7m50s"},
		{"3", "600", "0", "690", "32m36s"},
		{"3", "30", "6", "420", "9m6s"}, // the nodes are full, and another comes first
	} {
		c, _ := deployDev(t, map[string]string{"hello-timber:replicas": test.replicas, "hello-timber:startupSeconds": test.startup, "hello-timber:maxNodes": test.maxNodes})
		inputs := c.inputs(t, typeDeployment)
		want(t, inputs, "spec.progressDeadlineSeconds", test.deadline)
		want(t, inputs, "spec.strategy.rollingUpdate.maxSurge", "25%")
		want(t, inputs, "spec.strategy.rollingUpdate.maxUnavailable", 0)
		for typ, timeout := range map[string]string{typeDeployment: test.timeout, typeService: "5m0s"} {
			timeouts := c.find(t, typ).RegisterRPC.CustomTimeouts
			if timeouts.GetCreate() != timeout || timeouts.GetUpdate() != timeout {
				t.Errorf("%s replicas, %s s to start: %s has the timeouts %v, want %s", test.replicas, test.startup, typ, timeouts, timeout)
			}
		}
	}
}

// TestProbes: as long as strangers can fill a pod, it is neither restarted nor taken out of
// the Service. The service's own tests attack it with the same patience (app/attacks_test.go).
func TestProbes(t *testing.T) {
	c, _ := deployDev(t, nil)
	container := c.container(t)
	for probe, want := range map[string][3]float64{"startupProbe": {1, 1, 30}, "readinessProbe": {2, 10, 2}, "livenessProbe": {10, 10, 3}} {
		p := container[resource.PropertyKey(probe)].ObjectValue()
		timeout := 1.0 // Kubernetes' default
		if p["timeoutSeconds"].IsNumber() {
			timeout = p["timeoutSeconds"].NumberValue()
		}
		if got := [3]float64{p["periodSeconds"].NumberValue(), timeout, p["failureThreshold"].NumberValue()}; got != want {
			t.Errorf("%s has period, timeout and failures %v, want %v", probe, got, want)
		}
	}
}

// TestGracePeriod: a pod has the time for its delay and its own draining.
func TestGracePeriod(t *testing.T) {
	c, _ := deployDev(t, nil)
	sleep := c.container(t)["lifecycle"].ObjectValue()["preStop"].ObjectValue()["sleep"].ObjectValue()["seconds"].NumberValue()
	const drain = 15 // lingerTimeout + shutdownTimeout of app/server.go
	want(t, c.inputs(t, typeDeployment), "spec.template.spec.terminationGracePeriodSeconds", 30)
	if sleep+drain >= 30 {
		t.Errorf("pods are killed after 30 s, but sleep %v and drain %v", sleep, drain)
	}
}

// TestEgress: the service opens connections only if it may.
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
