//go:build linux

package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/machine"
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
	for _, f := range machine.Policies() { // once more, below all that make up printed
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
	url += "/index"
	p.Say("waiting for " + url)
	client := &http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		status, body, err := get(ctx, client, url)
		if err == nil {
			return fmt.Sprintf("\n%s answers %s\n%s\n", url, status, body), nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return "", fmt.Errorf("the service does not answer: %w. Fix: look at its pods: %s", err, s.podsCommand(c))
		}
	}
}

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
