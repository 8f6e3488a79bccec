package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/yaml"
)

const host = "timber.example.com"

// What the program registers for a domain on Google Cloud.
const gatewayObjects = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gke-l7-global-external-managed}
spec: {controllerName: networking.gke.io/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: timber, name: gateway, uid: g, generation: 1, annotations: {networking.gke.io/certmap: timber-1a2b3c4}}
spec:
  gatewayClassName: gke-l7-global-external-managed
  listeners: [{name: http, port: 80, protocol: HTTP}, {name: https, port: 443, protocol: HTTPS}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: timber, name: redirect, uid: r1, generation: 1}
spec:
  parentRefs: [{name: gateway, sectionName: http}]
  hostnames: [timber.example.com]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: timber, name: https, uid: r2, generation: 1}
spec:
  parentRefs: [{name: gateway, sectionName: https}]
  hostnames: [timber.example.com]
  rules:
  - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: Strict-Transport-Security, value: max-age=60}]}}]
    backendRefs: [{name: timber, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: timber, name: nowhere, uid: r3, generation: 1}
spec: {parentRefs: [{name: gateway, sectionName: http}], hostnames: [nowhere.example.com], rules: [{}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: timber, name: unattached, uid: r4, generation: 1}
spec: {}
---
apiVersion: networking.gke.io/v1
kind: HealthCheckPolicy
metadata: {namespace: timber, name: timber, uid: h}
spec:
  targetRef: {group: "", kind: Service, name: timber}
  default: {checkIntervalSec: 1, timeoutSec: 1, config: {type: HTTP, httpHealthCheck: {requestPath: /readyz}}}
---
apiVersion: networking.gke.io/v1
kind: GCPBackendPolicy
metadata: {namespace: timber, name: timber, uid: b}
spec:
  targetRef: {group: "", kind: Service, name: timber}
  default: {connectionDraining: {drainingTimeoutSec: 1}}
`

// inNamespace runs a test once more, with a network namespace of its own for the whole
// process, and reports whether this is that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const inside = "HELLO_TIMBER_NETWORK_NAMESPACE"
	if os.Geteuid() != 0 {
		t.Skip("skipped: requires root, for a network namespace")
	}
	if os.Getenv(inside) != "" {
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inside+"=yes")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come in 20 seconds", what)
		}
	}
}

// pod is a server with a Service in front. It answers with the address of the caller and
// what the load balancer says of the client.
func pod(t *testing.T, client *fake.Clientset) *discoveryv1.EndpointSlice {
	t.Helper()
	socket, err := net.Listen("tcp", "10.1.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go http.Serve(socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, from, " ", r.Host, " ", r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"])
	}))
	name, port, ready := "http", int32(8080), true
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "timber", Name: "timber-1", Labels: map[string]string{discoveryv1.LabelServiceName: "timber"}},
		Ports:      []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
	}
	service := &v1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "timber", Name: "timber"}, Spec: v1.ServiceSpec{Ports: []v1.ServicePort{{Name: name, Port: 80}}}}
	if _, err := client.CoreV1().Services("timber").Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DiscoveryV1().EndpointSlices("timber").Create(t.Context(), slice, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return slice
}

// newCertificate returns a certificate and its key, and who trusts it.
func newCertificate(t *testing.T) (text, key []byte, trusted *x509.CertPool) {
	t.Helper()
	text, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	return text, key, trusted
}

// noGateways is an API server that has the Gateway API and GKE's policies.
func noGateways() *dynamicfake.FakeDynamicClient {
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		classKind: "GatewayClassList", gatewayKind: "GatewayList", routeKind: "HTTPRouteList", checkKind: "HealthCheckPolicyList", backendKind: "GCPBackendPolicyList",
	})
}

// newGatewaysHere is the load balancers of a cluster with these objects.
func newGatewaysHere(t *testing.T, objects string) *gateways {
	t.Helper()
	c, _ := newCloudHere(t, "10.1.0.128/29")
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil {
		err = netlink.AddrAdd(c.link, &netlink.Addr{IPNet: &net.IPNet{IP: frontEnd, Mask: net.CIDRMask(32, 32)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	g := newGateways(c, fake.NewClientset(), noGateways())
	g.google, g.delay = t.TempDir(), 2*time.Second
	g.create(t, objects)
	return g
}

func (g *gateways) create(t *testing.T, objects string) {
	t.Helper()
	for text := range strings.SplitSeq(objects, "---") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		kinds := map[string]schema.GroupVersionResource{"GatewayClass": classKind, "Gateway": gatewayKind, "HTTPRoute": routeKind, "HealthCheckPolicy": checkKind, "GCPBackendPolicy": backendKind}
		if _, err := g.objects.Resource(kinds[object.GetKind()]).Namespace(object.GetNamespace()).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// status is the Gateway, as text.
func (g *gateways) status(t *testing.T) string {
	t.Helper()
	gw, err := g.objects.Resource(gatewayKind).Namespace("timber").Get(t.Context(), "gateway", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(gw.Object)
	return string(text)
}

// change patches the Gateway.
func (g *gateways) change(t *testing.T, text string) {
	t.Helper()
	if _, err := g.objects.Resource(gatewayKind).Namespace("timber").Patch(t.Context(), "gateway", types.MergePatchType, []byte(text), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A Gateway of GKE's class gets an address, redirects http, and leads https to the pods
// that were ready some time ago.
func TestGateway(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	g := newGatewaysHere(t, gatewayObjects)
	client := g.client.(*fake.Clientset)
	slice := pod(t, client)
	text, key, trusted := newCertificate(t)
	path := filepath.Join(g.google, "certificates", "projects~p~timber-1a2b3c4~"+host+".pem")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, append(text, key...), 0o600)); err != nil {
		t.Fatal(err)
	}
	go g.run(t.Context())

	browser := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return (&net.Dialer{}).DialContext(ctx, network, "10.1.0.129:"+port)
		},
		TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true,
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(url string) (answer *http.Response, body string) {
		answer, err := browser.Get(url)
		if err != nil {
			return &http.Response{Status: err.Error()}, ""
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer, string(text)
	}
	began := time.Now()
	eventually(t, "an answer", func() bool { answer, _ := get("https://" + host + "/index"); return answer.StatusCode == http.StatusOK })
	if took := time.Since(began); took < g.delay {
		t.Errorf("the endpoint is learned after %s", took)
	}
	answer, body := get("https://" + host + "/index")
	if body != "35.191.0.1 "+host+" [10.1.0.129] [https]" {
		t.Errorf("the pod sees %s", body)
	}
	if got := answer.Header.Get("Strict-Transport-Security"); got != "max-age=60" {
		t.Errorf("Strict-Transport-Security: %s", got)
	}
	if answer, _ := get("http://" + host + "/index?a=b"); answer.StatusCode != http.StatusMovedPermanently || answer.Header.Get("Location") != "https://"+host+"/index?a=b" {
		t.Errorf("http: %s to %s", answer.Status, answer.Header.Get("Location"))
	}
	for _, wrong := range []string{"http://other.example.com/", "https://other.example.com/"} {
		if answer, _ := get(wrong); answer.StatusCode != http.StatusNotFound && answer.StatusCode != 0 {
			t.Errorf("%s: %s", wrong, answer.Status)
		}
	}
	if answer, _ := get("http://nowhere.example.com/"); answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("a route without a backend: %s", answer.Status)
	}
	for _, part := range []string{`"type":"IPAddress","value":"10.1.0.129"`, `"status":"True","type":"Programmed"`, `"finalizers":["`} {
		if got := g.status(t); !strings.Contains(got, part) {
			t.Errorf("the Gateway has no %s: %s", part, got)
		}
	}

	// Requests go to a pod that is not ready any more until the load balancer has learned
	// it. One that is on its way has the draining time to end.
	ended := make(chan time.Time)
	go func() { get("https://" + host + "/slow"); ended <- time.Now() }()
	time.Sleep(100 * time.Millisecond)
	left := time.Now()
	slice.Endpoints = nil
	if _, err := client.DiscoveryV1().EndpointSlices("timber").Update(t.Context(), slice, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no endpoint", func() bool {
		answer, _ := get("https://" + host + "/index")
		return answer.StatusCode == http.StatusServiceUnavailable
	})
	if took := time.Since(left); took < g.delay {
		t.Errorf("that the endpoint is gone is learned after %s", took)
	}
	if took := (<-ended).Sub(left); took < g.delay+time.Second {
		t.Errorf("a request is cut off after %s", took)
	}

	// GKE takes no other certificates beside a map.
	g.change(t, `{"spec": {"listeners": [{"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "own"}]}}]}}`)
	eventually(t, "a refusal", func() bool { return strings.Contains(g.status(t), "cannot be combined with the annotation") })
	g.change(t, `{"spec": {"listeners": [{"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"options": {"a": "b"}}}]}}`)
	eventually(t, "a refusal", func() bool { return strings.Contains(g.status(t), "unknown field") })
	g.change(t, `{"metadata": {"deletionTimestamp": "2026-11-29T12:00:00Z"}}`)
	eventually(t, "the load balancer's end", func() bool { return !g.cloud.has(t, "10.1.0.129") && !strings.Contains(g.status(t), `"finalizers":["`) })
	if answer, _ := get("http://" + host); answer.StatusCode != 0 {
		t.Errorf("it still answers %s", answer.Status)
	}
}

// A Gateway of another class of this controller has the certificate of a Secret. Without one
// it is not Programmed, and says why; what it served before, it still serves.
func TestSecretCertificates(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	const listener = "name: https, port: 443, protocol: HTTPS"
	g := newGatewaysHere(t, strings.NewReplacer("gke-l7-global-external-managed", "office", ", annotations: {networking.gke.io/certmap: timber-1a2b3c4}", "",
		listener, listener+", hostname: timber.example.com, tls: {mode: Terminate, certificateRefs: [{group: '', kind: Secret, name: own}]}").Replace(gatewayObjects))
	write := func(text, key []byte) {
		t.Helper()
		secrets := g.client.CoreV1().Secrets("timber")
		_ = secrets.Delete(t.Context(), "own", metav1.DeleteOptions{})
		if text == nil {
			return
		}
		secret := &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Data: map[string][]byte{"tls.crt": text, "tls.key": key}}
		if _, err := secrets.Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	serves := func(trusted *x509.CertPool, says string) {
		t.Helper()
		eventually(t, says, func() bool {
			if !strings.Contains(g.status(t), says) {
				return false
			}
			connection, err := tls.Dial("tcp", "10.1.0.129:443", &tls.Config{ServerName: host, RootCAs: trusted})
			if err == nil {
				connection.Close()
			}
			return (err == nil) == (trusted != nil)
		})
	}
	const programmed = `"status":"True","type":"Programmed"`
	go g.run(t.Context())
	serves(nil, `secrets \"own\" not found`)
	write([]byte("not a certificate"), nil)
	serves(nil, "secret timber/own: tls: failed to find any PEM data")
	text, key, trusted := newCertificate(t)
	write(text, key)
	serves(trusted, programmed)
	text, key, renewed := newCertificate(t)
	write(text, key)
	serves(renewed, programmed)
	write(nil, nil)
	serves(renewed, `secrets \"own\" not found`)
}
