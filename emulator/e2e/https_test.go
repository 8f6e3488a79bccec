//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"k8s.io/client-go/util/cert"
)

// Rows about a domain of one's own.

const (
	domain = "timber.example.com"
	zone   = "example-com" // in the emulator, zones are named after their domain
)

// door is how clients of this machine reach a domain that no DNS knows.
type door struct {
	host, address, authority string
	trusted                  *x509.CertPool
}

// door reads what the stack says of a domain, and the certificate of the emulated Google or
// the authority that is given.
func (s *stack) door(t *testing.T, host string, authority ...string) door {
	t.Helper()
	var records []string
	if err := json.Unmarshal([]byte(s.pulumi(t, "stack", "output", "dnsRecords", "--json")), &records); err != nil {
		t.Fatal(err)
	}
	address, ok := strings.CutPrefix(records[0], host+". 300 IN A ")
	proof := len(records) == 2 && strings.HasPrefix(records[1], "_acme-challenge."+host+". 300 IN CNAME ")
	if !ok || proof == s.existing {
		t.Fatalf("dnsRecords is %q", records)
	}
	files, err := filepath.Glob(filepath.Join(home(), "google", "certificates", "*~"+host+".pem"))
	if files = append(files, authority...); err != nil || len(files) != 1 {
		t.Fatalf("certificates of %s: %q (%v)", host, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	d := door{host, address, files[0], x509.NewCertPool()}
	d.trusted.AppendCertsFromPEM(text)
	return d
}

// client trusts the emulator's authority, and finds the domain. It follows no redirect.
func (d door) client() *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: d.trusted},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				_, port, _ := net.SplitHostPort(address)
				return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(d.address, port))
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// opens waits until the load balancer knows the pods, and knows no more those from before
// the domain, which end sooner than it learns that.
func (s *stack) opens(t *testing.T, d door) {
	t.Helper()
	s.full(t)
	time.Sleep(20 * time.Second)
	eventually(t, "an answer", func() bool { _, _, err := get(d.client(), "https://"+d.host+"/index"); return err == nil })
}

// serves asserts that the domain is served by https with a certificate of its own, and that
// http leads there.
func (s *stack) serves(t *testing.T, d door, want string) {
	t.Helper()
	// What make up prints for people.
	s.run(t, "curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--resolve", d.host+":443:"+d.address, "--cacert", d.authority, "https://"+d.host+"/index")
	if _, body, err := get(d.client(), "https://"+d.host+"/index"); err != nil || body != want {
		t.Errorf("https://%s/index answers %q (%v), want %q", d.host, body, err, want)
	}
	for url, wanted := range map[string]string{"https": "200 max-age=2592000 ", "http": "301  https://" + d.host + "/index?a=b"} {
		answer, err := d.client().Get(url + "://" + d.host + "/index?a=b")
		if err != nil {
			t.Error(err)
			continue
		}
		answer.Body.Close()
		if got := fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Strict-Transport-Security"), " ", answer.Header.Get("Location")); got != wanted {
			t.Errorf("%s: %s, want %s", url, got, wanted)
		}
	}
	other := d
	other.host = "other.example.com"
	if _, _, err := get(other.client(), "https://"+other.host+"/index"); err == nil {
		t.Errorf("%s is served too", other.host)
	}
}

// domains goes from http to a domain, to another, and back. The stack is protected.
func domains(t *testing.T, s *stack) {
	s.normal["deletionProtection"] = "true"
	s.healthy(t)
	plain := s.url
	for _, host := range []string{domain, "wood.example.com"} {
		s.set(t, "domain", host, "dnsZone", zone)
		s.up(t)
		if s.url != "https://"+host {
			t.Errorf("url is %s", s.url)
		}
		s.opens(t, s.door(t, host))
		s.serves(t, s.door(t, host), v1)
		s.previewIsEmpty(t)
		s.isAsDeployed(t)
		// Another stack of the cluster may have that address by now.
		if name, _, err := get(fresh, plain+"/index"); err == nil && slices.ContainsFunc(s.pods(t), func(p pod) bool { return p.name == name }) {
			t.Errorf("%s still answers", plain)
		}
	}
	s.fails(t, []string{"protected"}, "pulumi", "destroy", "--yes", "--skip-preview")
	s.serves(t, s.door(t, "wood.example.com"), v1)
	s.set(t, "domain", "", "dnsZone", "")
	s.up(t)
	s.previewIsEmpty(t)
	answers(t, s.url+"/index", v1)
	for _, pattern := range []string{"gcp-certificatemanager-*/*", "gcp-dns-*/*", "certificates/*"} {
		if left, err := filepath.Glob(filepath.Join(home(), "google", pattern)); err != nil || len(left) > 0 {
			t.Errorf("this is left: %q (%v)", left, err)
		}
	}
	s.noGateway(t)
	s.normal["deletionProtection"] = "false"
}

// ofClass serves a domain on an existing cluster, with a class and a certificate that its
// administrators have created. The class is not Google's, whose policies it does not know.
func ofClass(t *testing.T, s *stack) {
	const host = "oak.example.com"
	folder := t.TempDir()
	kubeconfig, definitions := filepath.Join(folder, "kubeconfig"), filepath.Join(home(), "bin", "gateway-api")
	s.deployer(t, s.office.kubeconfig, kubeconfig)
	s.normal["kubeconfig"], s.normal["replicas"] = kubeconfig, "1"
	s.healthy(t)
	answers(t, s.url+"/index", v1)
	s.set(t, "domain", host, "gatewayClass", "office", "tlsSecret", "timber-tls")
	s.fails(t, []string{"gatewayClass: office is not a class of the cluster of context office, which has none"}, "pulumi", "up", "--yes", "--skip-preview")

	s.kubectl(t, "apply", "--server-side", "--filename="+definitions)
	s.kubectl(t, "wait", "--for=condition=Established", "--filename="+definitions)
	writeFile(t, folder+"/class", `{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: office}, spec: {controllerName: networking.gke.io/gateway}}`)
	s.kubectl(t, "apply", "--filename="+folder+"/class")
	chain, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, authority := pem.Decode(chain)
	writeFile(t, folder+"/chain", string(chain))
	writeFile(t, folder+"/key", string(key))
	writeFile(t, folder+"/authority", string(authority))
	s.kubectl(t, "create", "secret", "tls", "timber-tls", s.namespace(), "--cert="+folder+"/chain", "--key="+folder+"/key")

	s.up(t)
	d := s.door(t, host, folder+"/authority")
	s.opens(t, d)
	s.serves(t, d, v1)
	s.previewIsEmpty(t)
	s.set(t, "domain", "", "gatewayClass", "", "tlsSecret", "")
	s.up(t)
	answers(t, s.url+"/index", v1)
	s.previewIsEmpty(t)
	s.noGateway(t)
}

// noGateway asserts that nothing of a domain is left on the cluster.
func (s *stack) noGateway(t *testing.T) {
	t.Helper()
	if left := s.kubectl(t, s.namespace(), "get", "gateways,httproutes,healthcheckpolicies,gcpbackendpolicies", "--output=name"); left != "" {
		t.Errorf("this is left: %s", left)
	}
}

// httpsRollouts: the load balancer learns late which pods come and go. With one pod, there
// is no other that could answer meanwhile.
func httpsRollouts(t *testing.T, s *stack) {
	s.restore(t)
	s.set(t, "domain", domain)
	s.up(t, "--refresh")
	d := s.door(t, domain)
	s.opens(t, d)
	s.unnoticed(t, func() {
		for range 5 {
			s.through(t, "imageVersion", "v2", "v1")
		}
	}, vegeta.TLSConfig(&tls.Config{RootCAs: d.trusted}), vegeta.ConnectTo(map[string][]string{d.host + ":443": {d.address + ":443"}}))
}
