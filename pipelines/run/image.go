package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/stacks/config"
)

// ImageType is that of an image which the stack builds.
const ImageType = "docker:index/image:Image"

// Chosen is how one run of pulumi gets the image that IMAGE asks for.
type Chosen struct {
	// Config is a copy of the stack's config with the image, or empty for the stack's
	// own: the image of one run is not a change of the stack's file.
	Config string
	// Image is the one that runs then; empty if the stack's own config decides.
	Image string
	// Keep are resources to leave as they are: an image that would be built otherwise.
	Keep []string
}

// ChooseImage is the image that is asked for, in the form of ImageRequest.
func (p *Pipeline) ChooseImage(ctx context.Context, s *auto.Stack, image string) (Chosen, error) {
	if image == Configured {
		return Chosen{}, nil
	}
	if image == Deployed {
		now, err := Runs(ctx, s)
		switch {
		case err != nil || now.Image == "":
			return Chosen{}, err
		case now.BuiltBy != "":
			// It stays in the state. Otherwise the next update would build it once more, and
			// push it under a tag that may be immutable.
			return Chosen{Image: now.Image, Keep: []string{now.BuiltBy}}, nil
		}
		image = now.Image
	}
	text, err := p.OwnConfig(s.Name())
	if err != nil {
		return Chosen{}, err
	}
	path, err := filepath.Abs(filepath.Join(p.Folder, "bin", "config", s.Name()+".yaml"))
	if err != nil {
		return Chosen{}, err
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o600)); err != nil {
		return Chosen{}, err
	}
	if err := s.SetConfigWithOptions(ctx, "image", auto.ConfigValue{Value: image}, &auto.ConfigOptions{ConfigFile: path}); err != nil {
		return Chosen{}, Failure("set the image of stack "+s.Name(), err)
	}
	return Chosen{Config: path, Image: image}, nil
}

// OwnConfig is a stack's config file.
func (p *Pipeline) OwnConfig(stack string) ([]byte, error) {
	return p.Read("Pulumi." + stack + ".yaml")
}

// Running is the image that a stack runs now, empty if nothing has been deployed or all
// of it was destroyed, and the resource that built it, if that is in the stack.
type Running struct {
	Image, BuiltBy, URL string
	Killed              bool // an update was, so that the state may differ from the cloud
}

// FailedCheck is the tag of a stack about an image that was ready, and wrong: its digest,
// and the image that ran before.
const FailedCheck = "failed-check"

// imageOfPods is where a Deployment has its image.
var imageOfPods = resource.PropertyPath{"spec", "template", "spec", "containers", 0, "image"}

// Runs returns what a stack runs: the image of the last rollout that was complete, never
// that of a failed one. The Deployment has it, unless its rollout failed. The stack's
// output then still has the one before, or, after a failed check, the tag.
func Runs(ctx context.Context, s *auto.Stack) (Running, error) {
	state, err := StateOf(ctx, s)
	if err != nil {
		return Running{}, err
	}
	now := Running{Killed: len(state.PendingOperations) > 0}
	empty, built := true, map[string]string{}
	for _, r := range state.Resources {
		empty = empty && r.Type == resource.RootStackType
		switch r.Type {
		case resource.RootStackType:
			if image, ok := r.Outputs["image"].(string); ok && now.Image == "" {
				now.Image = image
			}
			now.URL, _ = r.Outputs["url"].(string)
		case ImageType:
			if image, ok := r.Outputs["repoDigest"].(string); ok {
				built[image] = string(r.URN)
			}
		case "kubernetes:apps/v1:Deployment":
			if len(r.InitErrors) > 0 { // it was created or changed, but did not get ready
				continue
			}
			inputs := resource.NewProperty(resource.NewPropertyMapFromMap(r.Inputs))
			if image, ok := imageOfPods.Get(inputs); ok && image.IsString() {
				now.Image = image.StringValue()
			}
		}
	}
	tags, err := s.ListTags(ctx)
	if err != nil {
		return Running{}, Failure("read the tags of stack "+s.Name(), err)
	}
	if wrong, before, ok := strings.Cut(tags[FailedCheck], " "); ok && strings.HasSuffix(now.Image, wrong) {
		now.Image = before
	}
	if (!empty || now.Image != "") && !config.IsImage(now.Image) {
		return Running{}, fmt.Errorf("stack %s: no rollout was ever complete (its output image is %q). Fix: make deploy STACK=%s IMAGE=NAME@sha256:HEX",
			s.Name(), now.Image, s.Name())
	}
	now.BuiltBy = built[now.Image]
	return now, nil
}

// StateOf reads a stack's state.
func StateOf(ctx context.Context, s *auto.Stack) (now apitype.DeploymentV3, err error) {
	exported, err := s.Export(ctx)
	if err != nil {
		return now, Failure("read the state of stack "+s.Name(), err)
	}
	if len(exported.Deployment) == 0 { // never deployed
		return now, nil
	}
	if err := json.Unmarshal(exported.Deployment, &now); err != nil {
		return now, fmt.Errorf("read the state of stack %s: %w", s.Name(), err)
	}
	return now, nil
}
