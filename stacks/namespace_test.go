package stacks

import (
	"strings"
	"testing"
)

func TestNamespace(t *testing.T) {
	c, _ := deployDev(t, nil)
	namespace := c.inputs(t, typeNamespace)
	want(t, namespace, "metadata.name", "hello-timber-dev")
	for _, mode := range []string{"enforce", "audit", "warn"} {
		want(t, namespace, `metadata.labels["pod-security.kubernetes.io/`+mode+`"]`, "restricted")
		want(t, namespace, `metadata.labels["pod-security.kubernetes.io/`+mode+`-version"]`, "v1.34")
	}
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "kubernetes:") && r.TypeToken != typeNamespace {
			want(t, r.Inputs, "metadata.namespace", "hello-timber-dev")
		}
	}
}
