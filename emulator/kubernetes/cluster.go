package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/client-go/util/homedir"
)

// cluster is a Kubernetes API server that has answered.
type cluster struct {
	dynamic   dynamic.Interface   // for what the program declares: any kind
	typed     clientset.Interface // for what stands behind it: pods, events
	mapper    meta.RESTMapper
	namespace string // of objects that name none
}

// restConfig is how to reach the cluster, and its default namespace. The
// kubeconfig is given as text, as a path, which may begin with ~/, or, if empty, found as kubectl does.
func (s settings) restConfig() (*rest.Config, string, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: s.context}
	overrides.Context.Cluster, overrides.Context.Namespace = s.cluster, s.namespace
	client := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), overrides)
	if s.kubeconfig != "" {
		content := []byte(s.kubeconfig)
		if !strings.ContainsAny(s.kubeconfig, "\n{") {
			path := s.kubeconfig
			if inHome, ok := strings.CutPrefix(path, "~/"); ok {
				path = filepath.Join(homedir.HomeDir(), inHome)
			}
			var err error
			if content, err = os.ReadFile(path); err != nil {
				return nil, "", err
			}
		}
		config, err := clientcmd.Load(content)
		if err != nil {
			return nil, "", err
		}
		client = clientcmd.NewDefaultClientConfig(*config, overrides)
	}
	config, err := client.ClientConfig()
	if err != nil {
		return nil, "", err
	}
	namespace, _, err := client.Namespace()
	return config, namespace, err
}

// leadsElsewhere tells whether two kubeconfigs are of different clusters, as
// far as can be seen: one that cannot be read names none.
func (s settings) leadsElsewhere(other settings) bool {
	from, _, fromErr := s.restConfig()
	to, _, toErr := other.restConfig()
	return fromErr == nil && toErr == nil && (from.Host != to.Host || string(from.CAData) != string(to.CAData))
}

func connect(s settings) (c *cluster, err error) {
	server := "kubeconfig"
	defer func() {
		if err != nil {
			c, err = nil, fmt.Errorf("configured Kubernetes cluster is unreachable: %s: %w", server, oneLine(err))
		}
	}()
	config, namespace, err := s.restConfig()
	if err != nil {
		return nil, err
	}
	server = config.Host
	if e := config.ExecProvider; e != nil {
		if _, err := exec.LookPath(e.Command); err != nil {
			hint := cmp.Or(e.InstallHint, "put it on PATH")
			if e.Command == "gke-gcloud-auth-plugin" {
				hint = "install it with: gcloud components install gke-gcloud-auth-plugin"
			}
			return nil, fmt.Errorf("the kubeconfig needs %s, which is not on PATH; %s", e.Command, hint)
		}
	}
	config.QPS, config.Burst, config.WarningHandler = 50, 120, rest.NoWarnings{}
	impatient := rest.CopyConfig(config)
	impatient.Timeout = 10 * time.Second
	kinds, err := discovery.NewDiscoveryClientForConfig(impatient)
	if err != nil {
		return nil, err
	}
	if _, err := kinds.ServerVersion(); err != nil {
		return nil, err
	}
	c = &cluster{mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds)), namespace: namespace}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	c.typed, err = clientset.NewForConfig(config)
	return c, err
}

// oneLine is err without what client-go wraps around it for developers.
func oneLine(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// resource is the client for objects of obj's kind in obj's namespace.
func (c *cluster) resource(obj *unstructured.Unstructured) (dynamic.ResourceInterface, *meta.RESTMapping, error) {
	gvk := obj.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, nil, err
	}
	client := c.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return client.Namespace(cmp.Or(obj.GetNamespace(), c.namespace)), mapping, nil
	}
	return client, mapping, nil
}

// apply writes obj as manager. force takes fields from other managers; preview
// asks the server for the result without keeping it.
func apply(ctx context.Context, client dynamic.ResourceInterface, obj *unstructured.Unstructured, manager string, force, preview bool) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: manager, Force: &force, FieldValidation: metav1.FieldValidationStrict}
	if preview {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return client.Patch(ctx, obj.GetName(), types.ApplyPatchType, body, options)
}

// handEdits are the managers that changed live with kubectl edit, patch, label
// and the like. As in the official provider, their changes are undone without
// asking; but not kubectl scale's, which writes as an autoscaler does.
func handEdits(live *unstructured.Unstructured) sets.Set[string] {
	managers := sets.New[string]()
	for _, entry := range live.GetManagedFields() {
		if strings.HasPrefix(entry.Manager, "kubectl") && entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Subresource == "" {
			managers.Insert(entry.Manager)
		}
	}
	return managers
}

// takeBack makes manager the owner of what was changed by hand, so that apply
// undoes it and reports no conflict.
func takeBack(ctx context.Context, client dynamic.ResourceInterface, live *unstructured.Unstructured, manager string) error {
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, handEdits(live), manager)
	if err == nil && patch != nil {
		_, err = client.Patch(ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{})
	}
	return err
}
