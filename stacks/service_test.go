package stacks

import "testing"

func TestServicePorts(t *testing.T) {
	c, _ := deployDev(t, nil)
	inputs := c.inputs(t, typeService)
	want(t, inputs, "spec.type", "LoadBalancer")
	want(t, inputs, "spec.ports[0].port", 80)
	want(t, inputs, "spec.ports[0].targetPort", "http")
}
