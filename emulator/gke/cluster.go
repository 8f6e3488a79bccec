package gke

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"hello-timber/emulator/credentials"
)

// Cluster names a GKE cluster.
type Cluster struct {
	// Name is also the name of the control plane's container.
	Name, Project string
	// Location is a zone (europe-west1-d) or a region (europe-west1).
	Location string
}

// Endpoint is where and how a cluster's API server is reached.
type Endpoint struct {
	// Host is the address, without a port: the API server listens on 443.
	Host string
	// CACertificate is the base64 of a PEM certificate, as in
	// masterAuth.clusterCaCertificate.
	CACertificate string
}

// scaleDownVariable is the environment variable that says how long the clusters that are
// created wait, in case the load comes back, before an autoscaler removes pods. Only the
// end-to-end tests set it; without it Kubernetes waits for its usual five minutes.
const scaleDownVariable = "EMULATOR_SCALE_DOWN"

// startTimeout is how long a control plane or the registry may take to answer. It
// takes about five seconds on two idle cores, and many times that on a loaded machine.
const startTimeout = 3 * time.Minute

func networkName(home string) string {
	sum := sha256.Sum256([]byte(home))
	return "hello-timber-" + hex.EncodeToString(sum[:4])
}

// CreateCluster starts a cluster's control plane and returns when its API server is
// ready. What a failed or cancelled start leaves is removed.
func (m *Machines) CreateCluster(ctx context.Context, c Cluster, log func(string)) (Endpoint, error) {
	token, err := credentials.Token()
	if err != nil {
		return Endpoint{}, err
	}
	log("starting the control plane")
	err = m.start(ctx, machine{
		name:    c.Name,
		command: []string{"control-plane"},
		env:     []string{"TOKEN=" + token, "SCALE_DOWN=" + os.Getenv(scaleDownVariable)},
		labels:  map[string]string{labelRole: "control-plane", labelProject: c.Project, labelCluster: c.Name},
		// Its load balancers serve the certificates that Google remembers.
		binds:  []string{filepath.Join(m.home, "google") + ":/google:ro"},
		kernel: true,
	})
	if err != nil {
		return Endpoint{}, err
	}
	endpoint, err := m.ready(ctx, c.Name, log)
	if err != nil {
		// The caller's context may be over; cleaning up must still work.
		err = errors.Join(err, m.DeleteCluster(context.WithoutCancel(ctx), c.Name))
	}
	return endpoint, err
}

func (m *Machines) ready(ctx context.Context, name string, log func(string)) (endpoint Endpoint, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the API server of %s did not get ready in %s; its log: docker logs %s", name, startTimeout, name))
	defer cancel()
	log("waiting for the API server")
	err = until(ctx, func() error {
		found, there, err := m.Cluster(ctx, name)
		if err != nil || !there {
			return cmp.Or(err, errors.New("its container is not running"))
		}
		endpoint = found
		client, err := connectTo(endpoint)
		if err != nil {
			return err
		}
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	return endpoint, err
}

// until tries until something succeeds or the context ends.
func until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Cluster returns a cluster's endpoint, or false when there is no such cluster.
func (m *Machines) Cluster(ctx context.Context, name string) (Endpoint, bool, error) {
	c, err := m.docker.ContainerInspect(ctx, name)
	if errdefs.IsNotFound(err) || err == nil && (c.Config.Labels[labelEmulator] != m.home || c.Config.Labels[labelRole] != "control-plane") {
		return Endpoint{}, false, nil
	}
	if err != nil {
		return Endpoint{}, false, err
	}
	ca, err := m.exec(ctx, name, "cat", caPath)
	if err != nil {
		return Endpoint{}, false, err
	}
	endpoint := c.NetworkSettings.Networks[networkName(m.home)]
	if endpoint == nil {
		return Endpoint{}, false, fmt.Errorf("container %s is not on network %s", name, networkName(m.home))
	}
	return Endpoint{Host: endpoint.IPAMConfig.IPv4Address, CACertificate: base64.StdEncoding.EncodeToString(ca)}, true, nil
}

// DeleteCluster removes a cluster, its control plane and all its nodes. A cluster that
// is gone already is no error.
func (m *Machines) DeleteCluster(ctx context.Context, name string) error {
	parts, err := m.list(ctx, labelCluster+"="+name)
	if err != nil {
		return err
	}
	return m.remove(ctx, ids(parts)...)
}

func ids(list []container.Summary) []string {
	ids := make([]string, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	return ids
}

// connectTo returns a client with its owner's rights.
func connectTo(e Endpoint) (*kubernetes.Clientset, error) {
	token, err := credentials.Token()
	if err != nil {
		return nil, err
	}
	ca, err := base64.StdEncoding.DecodeString(e.CACertificate)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(&rest.Config{
		Host: "https://" + e.Host, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: ca},
		// A proxy of the environment cannot reach containers on this machine.
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
}
