package workload

import (
	"testing"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
)

func TestURL(t *testing.T) {
	ptr := func(s string) *string { return &s }
	status := func(ingress ...corev1.LoadBalancerIngress) *corev1.ServiceStatus {
		return &corev1.ServiceStatus{LoadBalancer: &corev1.LoadBalancerStatus{Ingress: ingress}}
	}
	for _, test := range []struct {
		name   string
		status *corev1.ServiceStatus
		want   string
	}{
		{"no status", nil, ""},
		{"no load balancer", &corev1.ServiceStatus{}, ""},
		{"no ingress", status(), ""},
		{"ingress without address", status(corev1.LoadBalancerIngress{}), ""},
		{"empty address", status(corev1.LoadBalancerIngress{Ip: ptr("")}), ""},
		{"IP address", status(corev1.LoadBalancerIngress{Ip: ptr("192.0.2.80")}), "http://192.0.2.80"},
		{"IPv6 address", status(corev1.LoadBalancerIngress{Ip: ptr("2001:db8::80")}), "http://[2001:db8::80]"},
		{"host name", status(corev1.LoadBalancerIngress{Hostname: ptr("lb.example.com")}), "http://lb.example.com"},
		{"the second has one", status(corev1.LoadBalancerIngress{}, corev1.LoadBalancerIngress{Ip: ptr("192.0.2.81")}), "http://192.0.2.81"},
	} {
		if got := url(test.status); got != test.want {
			t.Errorf("%s: url is %q, want %q", test.name, got, test.want)
		}
	}
}
