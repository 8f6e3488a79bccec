//go:build linux

package stack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/host"
	"hello-timber/emulator/setup/progress"
)

// Answer gets the tutorial's page from the stack's URL and prints it.
func (s Name) Answer(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	p.Say("reading the stack's output")
	answered, err := s.page(ctx, c, p)
	if err != nil {
		return err
	}
	fmt.Print(answered)
	for _, f := range host.Policies(ctx, c) { // once more, below all that make up printed
		f.Print(os.Stderr)
	}
	return nil
}

// page waits until the stack's URL answers, and returns what to print about that.
func (s Name) page(ctx context.Context, c checkout.Checkout, p *progress.Report) (string, error) {
	url, err := c.Output(ctx, "pulumi", "stack", "output", "url")
	if err != nil {
		return "", err
	}
	client, curl, err := clientFor(ctx, c, url)
	if err != nil {
		return "", err
	}
	url += "/index"
	p.Say("waiting for " + url)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		status, body, err := get(ctx, client, url)
		if err == nil {
			return fmt.Sprintf("\n%s answers %s\n%s\n", curl+url, status, body), nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return "", fmt.Errorf("the service does not answer: %w. Fix: look at its pods: %s", err, s.podsCommand(c))
		}
	}
}

// clientFor returns a client for a stack's URL. No DNS knows a domain on this machine, and
// no one trusts who issued its certificate: so for https it also returns the command that
// reaches the URL, without it.
func clientFor(ctx context.Context, c checkout.Checkout, url string) (client *http.Client, command string, err error) {
	client = &http.Client{Timeout: 5 * time.Second}
	domain, https := strings.CutPrefix(url, "https://")
	if !https {
		return client, "", nil
	}
	text, err := c.Output(ctx, "pulumi", "stack", "output", "dnsRecords")
	if err != nil {
		return nil, "", err
	}
	address := addressRecord.FindStringSubmatch(text)
	files, err := filepath.Glob(c.Home("google", "certificates", "*~"+domain+".pem"))
	if err != nil || len(files) == 0 || address == nil {
		return nil, "", fmt.Errorf("%s has no certificate or no address. Fix: make up", domain)
	}
	authority, err := os.ReadFile(files[0])
	if err != nil {
		return nil, "", err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address[1]+":443")
	}}
	return client, fmt.Sprintf("curl --resolve %s:443:%s --cacert %s ", domain, address[1], checkout.Quote(files[0])), nil
}

var addressRecord = regexp.MustCompile(` IN A ([0-9.]+)`)

func get(ctx context.Context, client *http.Client, url string) (status string, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.Status, body, err
}

// podsCommand lists the stack's pods from any folder. The stack's output is the
// command that writes the kubeconfig.
func (s Name) podsCommand(c checkout.Checkout) string {
	return fmt.Sprintf(`cd %s && eval "$(make -s env STACK=%s)" && eval "$(pulumi stack output kubectl)" && kubectl get pods --all-namespaces`, checkout.Quote(c.Root), s)
}
