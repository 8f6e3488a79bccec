package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
			pair, failed := g.ofSecret(ctx, gw.Namespace, ref.Name)
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

// ofSecret returns the certificate in a Secret of a Gateway's own namespace.
func (g *gateways) ofSecret(ctx context.Context, namespace, name string) (tls.Certificate, error) {
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
