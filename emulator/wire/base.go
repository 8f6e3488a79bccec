package wire

import (
	"context"
	"errors"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
)

// Base is what every provider of the emulator does in the same way.
type Base struct {
	plugin.UnimplementedProvider
	// Screen shows progress to the user; nil shows none.
	Screen  screen
	version semver.Version
	// running ends when the user interrupts the command, for the reason why.
	running context.Context
	stop    context.CancelCauseFunc
	why     error
}

// screen is the part of the engine that shows progress.
type screen interface {
	Log(ctx context.Context, severity diag.Severity, urn resource.URN, text string) error
	LogStatus(ctx context.Context, severity diag.Severity, urn resource.URN, text string) error
}

// NewBase returns the base of a provider that has the version of an official one. The
// host, which shows progress, may be nil. An operation that the user interrupts fails
// with the text interrupted.
func NewBase(host *provider.HostClient, version, interrupted string) Base {
	b := Base{version: semver.MustParse(version), why: errors.New(interrupted)}
	if host != nil { // as an interface, it would not be nil
		b.Screen = host
	}
	b.running, b.stop = context.WithCancelCause(context.Background())
	return b
}

// Handshake accepts any engine.
func (b *Base) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{}, nil
}

// GetPluginInfo returns the version.
func (b *Base) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{Version: &b.version}, nil
}

// DiffConfig never asks for a new provider, because a resource is the same under any
// of its settings, or shows the change itself.
func (b *Base) DiffConfig(context.Context, plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	return plugin.DiffResult{}, nil
}

// SignalCancellation ends the contexts of all operations.
func (b *Base) SignalCancellation(context.Context) error {
	b.stop(b.why)
	return nil
}

// During returns the context of an operation, which ends with its request and when the
// user interrupts the command.
func (b *Base) During(request context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(b.running)
	forget := context.AfterFunc(request, func() { cancel(context.Cause(request)) })
	return ctx, func() {
		forget()
		cancel(nil)
	}
}

// Line shows a line that stays in the command's output. The resource may be empty.
func (b *Base) Line(urn resource.URN, text string) {
	if b.Screen != nil {
		// Progress that cannot be shown is no reason to fail, here and in Status.
		_ = b.Screen.Log(context.Background(), diag.Info, urn, text)
	}
}

// Status shows a text next to a resource until the next one.
func (b *Base) Status(urn resource.URN, text string) {
	if b.Screen != nil {
		_ = b.Screen.LogStatus(context.Background(), diag.Info, urn, text)
	}
}
