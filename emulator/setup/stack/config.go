//go:build linux

package stack

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/host"
	"hello-timber/emulator/setup/progress"
	"hello-timber/stacks/name"
)

var (
	projectLine = regexp.MustCompile(`(?m)^(\s+)gcp:project:.*$`)
	// keyLines say how a stack's secrets are encrypted.
	keyLines = regexp.MustCompile(`(?m)^(encryptionsalt|encryptedkey|secretsprovider):.*\n?`)
)

// Name is a stack's name.
type Name string

// check refuses a typed text that is no stack's name, before it is part of a path.
func check(variable, text, example string) error {
	if name.IsStack(text) {
		return nil
	}
	return fmt.Errorf("%s: %q is not %s. Fix: export %s=%s", variable, text, name.Rule, variable, example)
}

// Make makes what pulumi needs before up: a passphrase, the stack, and its config
// file. Stacks may start at the same time, and all have one passphrase.
func (s Name) Make(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	config := s.config(c)
	if !checkout.Exists(c.Home("passphrase")) {
		if err := checkout.Replace(c.Home("passphrase"), rand.Text(), 0o600); err != nil {
			return err
		}
		// A config file that is older than .emulator has the salt of a lost passphrase.
		if text, err := os.ReadFile(config); err == nil {
			if err := s.writeConfig(c, string(text)); err != nil {
				return err
			}
		}
	}
	if !checkout.Exists(config) {
		from := cmp.Or(os.Getenv("FROM"), "dev")
		if err := check("FROM", from, "dev"); err != nil {
			return err
		}
		text, err := os.ReadFile(Name(from).config(c))
		if err != nil {
			return fmt.Errorf("FROM: stack %q, whose config the new stack %s would start from, has none: %w. Fix: export FROM=dev", from, s, err)
		}
		if onExisting.Match(text) {
			return fmt.Errorf("FROM: stack %s runs on an existing cluster, where %s would, too. Fix: export FROM=dev", from, s)
		}
		if err := s.writeConfig(c, s.localConfig(string(text))); err != nil {
			return err
		}
	}
	p.Say("selecting " + string(s))
	_, err = c.Output(ctx, "pulumi", "stack", "select", "--create", "--non-interactive", string(s))
	return err
}

// config is the path of the stack's config file.
func (s Name) config(c checkout.Checkout) string {
	return filepath.Join(c.Root, "Pulumi."+string(s)+".yaml")
}

// onExisting finds the key that has a stack run on an existing cluster.
var onExisting = regexp.MustCompile(`(?m)^\s+[^:#]+:kubeconfig:\s*['"]?[^\s'"]`)

// autoscaler finds the key that gives a stack an autoscaler.
var autoscaler = regexp.MustCompile(`(?m)^\s+[^:#]+:maxReplicas:\s*['"]?[1-9]`)

// Autoscaled reports whether a stack has an autoscaler.
func (s Name) Autoscaled(c checkout.Checkout) (bool, error) {
	config, err := os.ReadFile(s.config(c))
	return autoscaler.Match(config), err
}

// localConfig turns another stack's config into that of a stack on this machine.
func (s Name) localConfig(text string) string {
	project := "gcp:project: hello-timber-" + string(s)
	if projectLine.MatchString(text) {
		return projectLine.ReplaceAllString(text, "${1}"+project)
	}
	return strings.Replace(text, "config:\n", "config:\n  "+project+"\n", 1)
}

// writeConfig writes a config file without the secrets that another key encrypts, and
// prints how to set them.
func (s Name) writeConfig(c checkout.Checkout, text string) error {
	text, secrets := withoutSecrets(keyLines.ReplaceAllString(text, ""))
	if len(secrets) > 0 {
		var set strings.Builder
		for _, name := range secrets {
			fmt.Fprintf(&set, " && pulumi config set --secret --path %s --stack %s", checkout.Quote(name), s)
		}
		host.Finding{What: "secrets", Optional: true, Says: "left out of " + filepath.Base(s.config(c)) + ", because this stack has another key: " + strings.Join(secrets, ", "),
			Fix: fmt.Sprintf(`cd %s && eval "$(make -s env STACK=%s)"%s`, checkout.Quote(c.Root), s, &set)}.Print(os.Stderr)
	}
	return checkout.Replace(s.config(c), text, 0o644)
}

var (
	// configKey is a key of the config with all of its value, as pulumi writes them.
	configKey = regexp.MustCompile(`(?m)^  ([^\s#].*?):(?: .*)?\n(?:    .*\n)*`)
	// secretEntry is an entry of an object that is encrypted, and secret any such value.
	secretEntry = regexp.MustCompile(`(?m)^    (\S.*?):\n      secure: .*\n`)
	secret      = regexp.MustCompile(`(?m)^ +(?:- )?secure: `)
)

// withoutSecrets takes the encrypted values out of a config file that pulumi wrote, and
// returns their paths. A key goes whole if nothing of it is left, or one is further inside.
func withoutSecrets(text string) (rest string, paths []string) {
	rest = configKey.ReplaceAllStringFunc(text, func(whole string) string {
		key := configKey.FindStringSubmatch(whole)[1]
		var entries []string
		left := secretEntry.ReplaceAllStringFunc(whole, func(entry string) string {
			name := strings.Trim(secretEntry.FindStringSubmatch(entry)[1], `'"`)
			if strings.Contains(name, ".") {
				entries = append(entries, key+`["`+name+`"]`)
			} else {
				entries = append(entries, key+"."+name)
			}
			return ""
		})
		if secret.MatchString(left) {
			paths = append(paths, key)
			return ""
		}
		paths = append(paths, entries...)
		if len(entries) > 0 && strings.Count(left, "\n") == 1 {
			return ""
		}
		return left
	})
	return rest, paths
}
