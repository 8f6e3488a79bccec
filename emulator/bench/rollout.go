//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"hello-timber/emulator/traffic"
)

const (
	v1 = `{"timber": "so delicious"}`
	v2 = `{"timber": "so delicious", "why": "because logging shouldn't be hard"}`
)

// defaults is a Deployment of the same image as Kubernetes makes it of the least
// that it takes, and its Service.
const defaults = `
apiVersion: v1
kind: Namespace
metadata: {name: bench-defaults}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: defaults, namespace: bench-defaults}
spec:
  replicas: 3
  selector: {matchLabels: {app: defaults}}
  template:
    metadata: {labels: {app: defaults}}
    spec:
      containers: [{name: defaults, image: %q, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: defaults, namespace: bench-defaults}
spec:
  type: LoadBalancer
  selector: {app: defaults}
  ports: [{port: 80, targetPort: 8080}]
`

// rollout measures an update from v1 to v2 under load, ours and that of a
// Deployment with Kubernetes' defaults.
func rollout(b *bench) error {
	if err := b.ensureUp(); err != nil {
		return err
	}
	first, url, err := b.imageAndURL()
	if err != nil {
		return err
	}
	namespace := "hello-timber-" + stackName
	ours, err := b.underLoad(url, namespace, func() error {
		if err := b.set("imageVersion", "v2"); err != nil {
			return err
		}
		_, err := b.run("pulumi", "up", "--yes", "--skip-preview")
		return err
	})
	if err != nil {
		return err
	}
	second, _, err := b.imageAndURL()
	if err != nil {
		return err
	}

	apply := b.command("kubectl", "apply", "--filename=-")
	apply.Stdin = strings.NewReader(fmt.Sprintf(defaults, first))
	if _, err := output(apply); err != nil {
		return err
	}
	if _, err := b.run("kubectl", "--namespace=bench-defaults", "rollout", "status", "deployment/defaults", "--timeout=3m"); err != nil {
		return err
	}
	const ip = "jsonpath={.status.loadBalancer.ingress[0].ip}"
	address, err := b.run("kubectl", "--namespace=bench-defaults", "wait", "service/defaults", "--timeout=3m", "--for="+ip, "--output="+ip)
	if err != nil {
		return err
	}
	if net.ParseIP(address) == nil {
		return fmt.Errorf("the Service of the defaults has the address %q", address)
	}
	theirs, err := b.underLoad("http://"+address, "bench-defaults", func() error {
		_, err := b.run("kubectl", "--namespace=bench-defaults", "set", "image", "deployment/defaults", "defaults="+second)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := b.run("kubectl", "delete", "namespace", "bench-defaults"); err != nil {
		return err
	}
	b.note(fmt.Sprintf("v1 → v2 on three pods, %d requests a second on kept and as many on new connections", traffic.PerSecond),
		fmt.Sprintf("lost %d of %d; last old pod gone after %s, image built and pushed in it", ours.lost, ours.sent, seconds(ours.took)),
		fmt.Sprintf("Kubernetes' defaults: lost %d of %d; last old pod gone after %s, of an image that was there", theirs.lost, theirs.sent, seconds(theirs.took)))
	return b.set("imageVersion", "v2")
}

func (b *bench) imageAndURL() (image, url string, err error) {
	if image, err = b.run("pulumi", "stack", "output", "image"); err == nil {
		url, err = b.run("pulumi", "stack", "output", "url")
	}
	return image, url, err
}

type loss struct {
	lost, sent int
	took       time.Duration // until the last of the pods that were there is gone
}

// underLoad does something to the pods of a namespace, and goes on with the load
// until all that were there are gone.
func (b *bench) underLoad(url, namespace string, do func() error) (loss, error) {
	before, err := b.pods(namespace)
	if err != nil {
		return loss{}, err
	}
	load := traffic.Start(url, traffic.PerSecond, []string{v1, v2})
	defer load.Stop()
	time.Sleep(2 * time.Second) // connections are made
	began := time.Now()
	if err := do(); err != nil {
		return loss{}, err
	}
	for {
		now, err := b.pods(namespace)
		if err != nil {
			return loss{}, err
		}
		left := 0
		for uid := range before {
			if now[uid] {
				left++
			}
		}
		if left == 0 {
			break
		}
		if time.Since(began) > 5*time.Minute {
			return loss{}, fmt.Errorf("%d old pods of %s are left after five minutes", left, namespace)
		}
		time.Sleep(time.Second) // asking costs the machine that is measured
	}
	took := time.Since(began)
	time.Sleep(2 * time.Second) // what the last one leaves behind
	load.Stop()
	return loss{len(load.Failures()), len(load.Results), took}, nil
}

// pods are the UIDs of a namespace's pods.
func (b *bench) pods(namespace string) (map[string]bool, error) {
	text, err := b.run("kubectl", "--namespace="+namespace, "get", "pods", "--output=json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct{ Metadata struct{ UID string } }
	}
	err = json.Unmarshal([]byte(text), &list)
	uids := map[string]bool{}
	for _, item := range list.Items {
		uids[item.Metadata.UID] = true
	}
	return uids, err
}
