//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	projectLine = regexp.MustCompile(`(?m)^(\s+)gcp:project:.*$`)
	// keyLines say how a stack's secrets are encrypted.
	keyLines = regexp.MustCompile(`(?m)^(encryptionsalt|encryptedkey|secretsprovider):.*\n?`)
)

// makeStack makes what pulumi needs before up: a passphrase, the stack, and its config
// file. Stacks may start at the same time, and all have one passphrase.
func makeStack(ctx context.Context, c checkout) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	config := filepath.Join(c.root, "Pulumi."+c.stack+".yaml")
	if !exists(c.home("passphrase")) {
		if err := replace(c.home("passphrase"), rand.Text(), 0o600); err != nil {
			return err
		}
		// A config file that is older than .emulator has the salt of a lost passphrase.
		if text, err := os.ReadFile(config); err == nil {
			if err := c.writeConfig(config, string(text)); err != nil {
				return err
			}
		}
	}
	if !exists(config) {
		text, err := os.ReadFile(filepath.Join(c.root, "Pulumi."+c.from+".yaml"))
		if err != nil {
			return err
		}
		if err := c.writeConfig(config, localConfig(string(text), c.stack)); err != nil {
			return err
		}
	}
	return c.watched(ctx, "stack", func(ctx context.Context, p *progress) error {
		p.say("selecting " + c.stack)
		_, err := c.output(ctx, "pulumi", "stack", "select", "--create", "--non-interactive", c.stack)
		return err
	})
}

// localConfig turns another stack's config into that of a stack on this machine.
func localConfig(text, stack string) string {
	project := "gcp:project: hello-timber-" + stack
	if projectLine.MatchString(text) {
		return projectLine.ReplaceAllString(text, "${1}"+project)
	}
	return strings.Replace(text, "config:\n", "config:\n  "+project+"\n", 1)
}

// writeConfig writes a config file without the secrets that another key encrypts, and
// prints how to set them.
func (c checkout) writeConfig(path, text string) error {
	text, secrets := withoutSecrets(keyLines.ReplaceAllString(text, ""))
	if len(secrets) > 0 {
		var set strings.Builder
		for _, name := range secrets {
			fmt.Fprintf(&set, " && pulumi config set --secret --path %s --stack %s", quote(name), c.stack)
		}
		finding{what: "secrets", optional: true, says: "left out of " + filepath.Base(path) + ", because this stack has another key: " + strings.Join(secrets, ", "),
			fix: fmt.Sprintf(`cd %s && eval "$(make -s env STACK=%s)"%s`, quote(c.root), c.stack, &set)}.print(os.Stderr)
	}
	return replace(path, text, 0o644)
}

var configLine = regexp.MustCompile(`^( *)(- +)?['"]?([^#'"\s].*?)['"]?:(?:\s.*)?$`)

// withoutSecrets takes the encrypted values out of a config file that pulumi wrote, and
// returns their paths. A list or an object of nothing else goes with them.
func withoutSecrets(text string) (rest string, paths []string) {
	type key struct {
		name                         string
		indent, start, kept, dropped int
	}
	var lines []string
	var open []key // from the file's first level to the line before
	leave := func(indent int) {
		for len(open) > 0 && open[len(open)-1].indent >= indent {
			k := open[len(open)-1]
			open = open[:len(open)-1]
			switch {
			case len(open) == 0: // config: itself
			case k.dropped > 0 && k.kept == 0:
				lines = lines[:k.start]
				open[len(open)-1].dropped++
			default:
				open[len(open)-1].kept++
			}
		}
	}
	for line := range strings.Lines(text) {
		m := configLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m != nil {
			leave(len(m[1] + m[2]))
			if m[3] == "secure" && len(open) > 1 {
				path := open[1].name
				for _, k := range open[2:] {
					path += map[bool]string{true: `["` + k.name + `"]`, false: "." + k.name}[strings.Contains(k.name, ".")]
				}
				paths = append(paths, path)
				open[len(open)-1].dropped++
				continue
			}
			open = append(open, key{name: m[3], indent: len(m[1] + m[2]), start: len(lines)})
		} else if text := strings.TrimSpace(line); strings.HasPrefix(text, "#") {
			leave(strings.Index(line, "#"))
		} else if len(open) > 0 && text != "" {
			open[len(open)-1].kept++
		}
		lines = append(lines, line)
	}
	leave(0)
	return strings.Join(lines, ""), paths
}

// answer gets the tutorial's page from the stack's URL and prints it.
func answer(ctx context.Context, c checkout) error {
	var page string
	if err := c.watched(ctx, "answer", func(ctx context.Context, p *progress) (err error) {
		p.say("reading the stack's output")
		page, err = c.page(ctx, p)
		return err
	}); err != nil {
		return err
	}
	fmt.Print(page)
	if f := policies(c.host()); f.fix != "" { // once more, below all that make up printed
		f.print(os.Stderr)
	}
	return nil
}

// page waits until the stack's URL answers, and returns what to print about that.
func (c checkout) page(ctx context.Context, p *progress) (string, error) {
	url, err := c.output(ctx, "pulumi", "stack", "output", "url")
	if err != nil {
		return "", err
	}
	url += "/index"
	p.say("waiting for " + url)
	client := &http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		status, body, err := get(ctx, client, url)
		if err == nil {
			return fmt.Sprintf("\n%s answers %s\n%s\n", url, status, body), nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return "", fmt.Errorf("the service does not answer: %w. Fix: look at its pods: %s", err, c.podsCommand())
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) (status string, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.Status, body, err
}

// podsCommand lists the stack's pods from any folder. The stack's output is the
// command that writes the kubeconfig.
func (c checkout) podsCommand() string {
	return fmt.Sprintf(`cd %s && eval "$(make -s env STACK=%s)" && eval "$(pulumi stack output kubectl)" && kubectl get pods --all-namespaces`, quote(c.root), c.stack)
}

// things are what a checkout makes with Docker, in the order in which it can be removed.
var things = []struct {
	kind         string
	list, remove []string
}{
	{"container", []string{"ps", "--all", "--format={{.Names}}"}, []string{"rm", "--force", "--volumes"}},
	{"network", []string{"network", "ls", "--format={{.Name}}"}, []string{"network", "rm"}},
	{"volume", []string{"volume", "ls", "--format={{.Name}}"}, []string{"volume", "rm", "--force"}},
	{"image", listImages, []string{"image", "rm", "--force"}},
}

// leftovers lists what passes one of some filters, for each the newest first: an image
// can be removed only after those that are made from it.
func (c checkout) leftovers(ctx context.Context, list []string, filters ...string) ([]string, error) {
	var names []string
	for _, filter := range filters {
		text, err := c.output(ctx, "docker", append(slices.Clone(list), "--filter="+filter)...)
		if err != nil {
			return nil, err
		}
		for name := range strings.FieldsSeq(text) {
			if !slices.Contains(names, name) { // an image is listed once for each of its tags
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// label marks every container, network and volume of this checkout.
func (c checkout) label() string { return "label=hello-timber.emulator=" + c.home() }

// populated names the stacks that still have resources.
func (c checkout) populated(ctx context.Context) ([]string, error) {
	if !exists(c.home("state", ".pulumi")) {
		return nil, nil
	}
	text, err := c.output(ctx, "pulumi", "stack", "ls", "--json")
	if err != nil {
		return nil, err
	}
	var stacks []struct {
		Name          string
		ResourceCount int
	}
	err = json.Unmarshal([]byte(text), &stacks)
	var names []string
	for _, s := range stacks {
		if s.ResourceCount > 0 {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// gone reports after a destroy whether anything is left on this machine.
func gone(ctx context.Context, c checkout) error {
	says := "nothing is left running"
	err := c.watched(ctx, "gone", func(ctx context.Context, p *progress) error {
		p.say("reading the stacks")
		stacks, err := c.populated(ctx)
		if err != nil {
			return err
		}
		if len(stacks) > 0 {
			says = "still up: " + strings.Join(stacks, ", ")
			return nil
		}
		for _, thing := range things {
			p.say("looking for each " + thing.kind)
			left, err := c.leftovers(ctx, thing.list, c.label())
			if err != nil {
				return err
			}
			if len(left) > 0 {
				return fmt.Errorf("left behind: %s %s. Fix: make clean", thing.kind, strings.Join(left, " "))
			}
		}
		return nil
	})
	if err == nil {
		fmt.Println(says)
	}
	return err
}

// listImages lists the images that pass a filter.
var listImages = []string{"image", "ls", "--quiet"}

// imageFilters find the emulator's images, and what the engine keeps of those that it
// built for the emulated projects, which are named as their stacks are.
var imageFilters = []string{"label=" + imageLabel, "reference=*-docker.pkg.dev/hello-timber-*/*/*"}

// clean removes everything that the emulator made: containers, networks, volumes,
// images, the folder, and the config files of this machine's stacks.
func clean(ctx context.Context, c checkout) error {
	return c.watched(ctx, "clean", c.removeAll)
}

func (c checkout) removeAll(ctx context.Context, p *progress) error {
	p.say("reading the stacks")
	stacks, err := c.populated(ctx)
	if err == nil && len(stacks) > 0 {
		err = fmt.Errorf("still up: %s. Fix: make down STACK=%s", strings.Join(stacks, ", "), stacks[0])
	}
	if err != nil {
		return err
	}
	for _, thing := range things {
		filters := []string{c.label()}
		if thing.kind == "image" {
			filters = imageFilters
		}
		left, err := c.leftovers(ctx, thing.list, filters...)
		if err != nil {
			return err
		}
		for _, name := range left {
			p.say("removing the " + thing.kind + " " + name)
			_, err := c.output(ctx, "docker", append(thing.remove, name)...)
			if thing.kind == "image" && err != nil {
				p.view.print(err.Error()) // another checkout's containers run it
			} else if err != nil {
				return err
			}
		}
	}
	p.say("removing .emulator")
	configs, err := filepath.Glob(filepath.Join(c.root, "Pulumi.local*.yaml"))
	for _, path := range append(configs, filepath.Join(c.root, "bin"), c.home()) {
		if err == nil {
			err = os.RemoveAll(path)
		}
	}
	return err
}
