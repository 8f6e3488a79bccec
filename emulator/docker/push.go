package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/pkg/jsonmessage"

	"hello-timber/emulator/credentials"
	"hello-timber/emulator/gke"
)

// registryAddress is where images of *-docker.pkg.dev are pushed: 127.0.0.1:PORT.
var registryAddress = gke.RegistryAddress

// push sends an image to its registry and returns its name there, by digest.
func (p *dockerProvider) push(ctx context.Context, in inputs, log *log) (string, error) {
	named, err := reference.ParseNormalizedNamed(in.ImageName)
	if err != nil {
		return "", err
	}
	named = reference.TagNameOnly(named)
	host, target := reference.Domain(named), named.String()
	auth := registry.AuthConfig{Username: in.Registry.Username, Password: in.Registry.Password}
	if auth.Username == "" || auth.Password == "" {
		if auth, err = ownLogin(host); err != nil {
			return "", err
		}
	}
	if strings.HasSuffix(host, "-docker.pkg.dev") {
		address, err := registryAddress(ctx)
		if err != nil {
			return "", err
		}
		target = address + strings.TrimPrefix(target, host)
		if err := p.engine.ImageTag(ctx, in.ImageName, target); err != nil {
			return "", err
		}
		// Only the user's own name stays in `docker images`; a second one is no failure.
		defer func() { _, _ = p.engine.ImageRemove(context.WithoutCancel(ctx), target, image.RemoveOptions{}) }()
	}
	encoded, err := registry.EncodeAuthConfig(auth)
	if err != nil {
		return "", err
	}
	stream, err := p.engine.ImagePush(ctx, target, image.PushOptions{RegistryAuth: encoded})
	if err != nil {
		return "", err
	}
	defer stream.Close()
	digest, err := readPush(stream, log.status)
	if err != nil {
		return "", fmt.Errorf("push: %w%s", err, fix(err, named, string(log.urn.Stack())))
	}
	log.line("pushed " + named.Name() + "@" + digest)
	return named.Name() + "@" + digest, nil
}

// ownLogin is Docker's own login at a registry. At Google's, gcloud's helper would return the
// access token, which in the emulator is the emulator's.
func ownLogin(host string) (registry.AuthConfig, error) {
	if strings.HasSuffix(host, "-docker.pkg.dev") {
		token, err := credentials.Token()
		return registry.AuthConfig{Username: "oauth2accesstoken", Password: token}, err
	}
	login, err := config.LoadDefaultConfigFile(os.Stderr).GetAuthConfig(host)
	return registry.AuthConfig(login), err
}

// pushed is the last line of a push. The classic image store repeats the digest in
// a message of its own, the containerd image store does not (moby#48331).
var pushed = regexp.MustCompile(`: digest: (sha256:[0-9a-f]{64}) size: [0-9]+$`)

// readPush reports each message of the engine's answer to a push and returns the
// pushed digest, or the error that the answer ends with.
func readPush(stream io.Reader, status func(string)) (digest string, err error) {
	for decoder := json.NewDecoder(stream); ; {
		var message jsonmessage.JSONMessage
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		if message.Error != nil {
			return "", message.Error
		}
		if found := pushed.FindStringSubmatch(message.Status); found != nil {
			digest = found[1]
		}
		if message.Status != "" {
			status(strings.TrimSpace("push: " + message.ID + " " + message.Status))
		}
	}
	if digest == "" {
		return "", errors.New("the engine reported no digest for the pushed image; it is not Docker Engine 20.10 or newer. Fix: docker context use default")
	}
	return digest, nil
}

// The words in which registries refuse a push, after each image store's own.
var (
	immutable    = regexp.MustCompile(`(?i)immutability`)
	missing      = regexp.MustCompile(`(?i)name unknown|repository "[^"]*" not found`)
	unauthorized = regexp.MustCompile(`(?i)unauthorized|no basic auth credentials`)
	lastNumber   = regexp.MustCompile(`[0-9]+$`)
)

// fix is what helps against a registry's refusal to take an image of a stack.
func fix(refusal error, image reference.Named, stack string) string {
	switch text := refusal.Error(); {
	case immutable.MatchString(text):
		tag := ""
		if tagged, ok := image.(reference.Tagged); ok {
			tag = tagged.Tag()
		}
		next := lastNumber.ReplaceAllStringFunc(tag, func(number string) string {
			n, _ := strconv.ParseUint(number, 10, 64) // what is no number is followed by 1
			return strconv.FormatUint(n+1, 10)
		})
		return fmt.Sprintf("\nAnother image was pushed as %s. Fix: pulumi config set imageVersion %s --stack %s", tag, next, stack)
	case missing.MatchString(text):
		return fmt.Sprintf("\nThe repository was deleted outside of Pulumi. Fix: pulumi up --refresh --stack %s", stack)
	case unauthorized.MatchString(text) && strings.HasSuffix(reference.Domain(image), "-docker.pkg.dev"):
		return "\nThe registry does not accept the credentials. Fix: gcloud auth application-default login"
	case unauthorized.MatchString(text):
		return "\nThe registry does not accept the credentials. Fix: docker login " + reference.Domain(image)
	}
	return ""
}
