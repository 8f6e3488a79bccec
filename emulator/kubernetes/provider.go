// Package kubernetes stands in for Pulumi's Kubernetes provider 4.25.0:
// server-side apply of any kind the cluster knows, and waiting until it works.
// Helm, Kustomize, YAML files and Patch resources are refused by name.
package kubernetes

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/blang/semver"
	"github.com/go-logr/logr"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	"k8s.io/klog/v2"
)

// version is that of the official plugin whose behaviour this one follows.
var version = semver.MustParse("4.25.0")

type kubernetes struct {
	plugin.UnimplementedProvider
	host     *provider.HostClient
	running  context.Context // ends when the engine cancels the run
	cancel   context.CancelFunc
	settings settings
	connect  func() (*cluster, error)
}

// New returns the provider, which shows its progress through host; a nil host
// is told nothing.
func New(host *provider.HostClient) plugin.Provider {
	// client-go logs every retry to stderr, which the engine would show.
	klog.SetLogger(logr.Discard())
	p := &kubernetes{host: host}
	p.running, p.cancel = context.WithCancel(context.Background())
	return p
}

func (p *kubernetes) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{SupportsAutonamingConfiguration: true}, nil
}

func (p *kubernetes) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{Version: &version}, nil
}

func (p *kubernetes) SignalCancellation(context.Context) error {
	p.cancel()
	return nil
}

func (p *kubernetes) Close() error { return nil }

func (p *kubernetes) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	return plugin.InvokeResponse{}, fmt.Errorf("the emulator has no function %s", req.Tok)
}

func (p *kubernetes) Construct(_ context.Context, req plugin.ConstructRequest) (plugin.ConstructResponse, error) {
	return plugin.ConstructResponse{}, fmt.Errorf("the emulator has no %s", req.Type)
}

// say returns what shows a message in the progress column of a resource.
func (p *kubernetes) say(urn resource.URN) func(string) {
	return func(message string) {
		if p.host != nil {
			// A progress line that cannot be shown is no reason to fail.
			_ = p.host.LogStatus(context.Background(), diag.Info, urn, message)
		}
	}
}

// settings is the provider's configuration.
type settings struct {
	kubeconfig, context, cluster, namespace string
	forgetUnreachable                       bool
}

func newSettings(inputs resource.PropertyMap) settings {
	// destroy and refresh don't run the program, whose SDK reads this variable too.
	forget := os.Getenv("PULUMI_K8S_DELETE_UNREACHABLE") == "true"
	if v := inputs["deleteUnreachable"]; v.HasValue() {
		forget = v.IsBool() && v.BoolValue() || text(inputs, "deleteUnreachable") == "true"
	}
	return settings{kubeconfig: text(inputs, "kubeconfig"), context: text(inputs, "context"), cluster: text(inputs, "cluster"),
		namespace: text(inputs, "namespace"), forgetUnreachable: forget}
}

// accepted are the provider's properties; version is the engine's.
var accepted = []resource.PropertyKey{"cluster", "clusterIdentifier", "context", "deleteUnreachable", "enableServerSideApply",
	"kubeconfig", "namespace", "suppressDeprecationWarnings", "suppressHelmHookWarnings", "version"}

func (p *kubernetes) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	response := plugin.CheckConfigResponse{Properties: req.News}
	refuse := func(key resource.PropertyKey, reason string) {
		response.Failures = append(response.Failures, plugin.CheckFailure{Property: key, Reason: reason})
	}
	for _, key := range req.News.StableKeys() {
		if !slices.Contains(accepted, key) {
			refuse(key, fmt.Sprintf("the emulator's kubernetes provider has no property %s", key))
		}
	}
	if v := req.News["enableServerSideApply"]; v.IsBool() && !v.BoolValue() || v.IsString() && v.StringValue() == "false" {
		refuse("enableServerSideApply", "the emulator's kubernetes provider has no client-side apply")
	}
	return response, nil
}

// DiffConfig replaces the provider, and with it all that it made, when the
// cluster is another one: when clusterIdentifier says so or, without it, when
// the kubeconfig leads elsewhere or is not known yet.
func (p *kubernetes) DiffConfig(_ context.Context, req plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	const identifier resource.PropertyKey = "clusterIdentifier"
	diff := req.OldInputs.Diff(req.NewInputs)
	if diff == nil {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome, ChangedKeys: diff.ChangedKeys()}
	if diff.Updated(identifier) {
		result.ReplaceKeys = []resource.PropertyKey{identifier}
	} else if diff.Same(identifier) && req.NewInputs.HasValue(identifier) {
		return result, nil
	}
	elsewhere := newSettings(req.OldInputs).leadsElsewhere(newSettings(req.NewInputs))
	for _, key := range []resource.PropertyKey{"kubeconfig", "context", "cluster"} {
		if req.NewInputs[key].ContainsUnknowns() || elsewhere && diff.Changed(key) {
			result.ReplaceKeys = append(result.ReplaceKeys, key)
		}
	}
	return result, nil
}

func (p *kubernetes) Configure(_ context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	p.settings = newSettings(req.Inputs)
	// Once, whatever the answer: every resource in turn would wait for a cluster that does not answer.
	p.connect = sync.OnceValues(func() (*cluster, error) { return connect(p.settings) })
	return plugin.ConfigureResponse{}, nil
}
