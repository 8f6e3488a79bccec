package cloud

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// grantSpec lets objects of some namespaces refer to objects of the grant's own.
type grantSpec struct{ From, To []reference }

type reference struct{ Group, Kind, Namespace, Name string }

// certificates returns those of a Gateway: of a map of Certificate Manager, which package
// gcp writes, or of Secrets. GKE takes only one of both.
func (g *gateways) certificates(ctx context.Context, gw object[gatewaySpec]) (all []tls.Certificate, err error) {
	name := gw.Annotations["networking.gke.io/certmap"]
	files, err := filepath.Glob(filepath.Join(g.google, "certificates", "*~"+name+"~*.pem"))
	for _, file := range files {
		pair, failed := tls.LoadX509KeyPair(file, file)
		all, err = append(all, pair), errors.Join(err, failed)
	}
	for _, l := range gw.Spec.Listeners {
		for _, ref := range l.TLS.CertificateRefs {
			pair, failed := g.ofSecret(ctx, gw.Namespace, cmp.Or(ref.Namespace, gw.Namespace), ref.Name)
			if name != "" {
				failed = errors.New("certificateRefs cannot be combined with the annotation networking.gke.io/certmap")
			}
			all, err = append(all, pair), errors.Join(err, failed)
		}
		if l.Protocol == "HTTPS" && len(all) == 0 {
			err = errors.Join(err, fmt.Errorf("listener %s has no certificate", l.Name))
		}
	}
	return all, err
}

// ofSecret returns the certificate in a Secret. A Gateway may only refer to one of another
// namespace with a grant of that namespace.
func (g *gateways) ofSecret(ctx context.Context, from, namespace, name string) (tls.Certificate, error) {
	if from != namespace {
		grants, err := list[grantSpec](ctx, g.objects, grantKind)
		if err != nil {
			return tls.Certificate{}, err
		}
		if !slices.ContainsFunc(grants, func(grant object[grantSpec]) bool {
			return grant.Namespace == namespace && slices.Contains(grant.Spec.From, reference{Group: gatewayKind.Group, Kind: "Gateway", Namespace: from}) &&
				(slices.Contains(grant.Spec.To, reference{Kind: "Secret"}) || slices.Contains(grant.Spec.To, reference{Kind: "Secret", Name: name}))
		}) {
			return tls.Certificate{}, fmt.Errorf("no ReferenceGrant permits to use secret %s/%s", namespace, name)
		}
	}
	secret, err := g.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{ResourceVersion: "0"})
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		err = fmt.Errorf("secret %s/%s: %w", namespace, name, err)
	}
	return pair, err
}
