//go:build linux

// Command setup prepares this machine for the emulator: it checks what is needed,
// downloads or compiles what is missing, and makes the stacks of this machine. It uses
// only the standard library, so that it runs seconds after a clone.
//
// With DOWNLOAD=never everything is compiled. DOWNLOAD_MIRROR is the address of a web
// server that has the publishers' files under the publishers' paths.
//
// What is checked must be what is used later:
//
//	checked                         used by                             how the two agree
//	docker info                     the docker command, and Docker's    env sets DOCKER_HOST to the engine of
//	                                library in the providers            the docker command's context
//	free space                      go build, docker build, downloads   go env, docker info and TMPDIR name the
//	                                                                    folders; each file system counts once
//	inotify: limits, root's use     kubelet, containerd and others, as  rootless engines are refused, so root in
//	                                root in the nodes                   a node is root here
//	secrets of a new stack's config pulumi, with .emulator/passphrase   those of another key are left out
//	HTTP_PROXY, http_proxy, …       apt-get in the node image's build,  proxy.Build passes both spellings
//	                                the service's own build
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

var commands = map[string]func(context.Context, checkout) error{
	"answer":  answer,
	"browser": browser,
	"build":   build,
	"clean":   clean,
	"doctor":  doctor,
	"env":     printEnv,
	"gone":    gone,
	"metrics": metrics,
	"stack":   makeStack,
}

// checkout is one clone of the repository with the emulator's folder in it.
type checkout struct {
	// root is the absolute path of the clone.
	root string
	// path is the user's PATH, without the emulator's folder.
	path string
	// plugins is where the user's own Pulumi keeps its plugins.
	plugins string
	// downloads is what build need not compile.
	downloads downloads
	// stack is the stack that a command is about, from the one whose config file it starts from.
	stack, from string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, append(os.Args[1:], "", "", ""))
	if ctx.Err() != nil {
		err = errors.New("interrupted; run the same command again to continue")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("usage: setup %s [STACK [FROM]]", strings.Join(slices.Sorted(maps.Keys(commands)), "|"))
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	for !exists(filepath.Join(root, "emulator", "go.mod")) {
		if root == "/" {
			return errors.New("this folder is not in a clone of hello-timber: it has no emulator/go.mod, nor has a folder above. Fix: cd into the clone")
		}
		root = filepath.Dir(root)
	}
	c := checkout{root: root, stack: args[1], from: args[2]}
	folders := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(f string) bool { return f == c.home("bin") })
	c.path = strings.Join(folders, ":")
	pulumi := os.Getenv("PULUMI_HOME")
	if pulumi == "" || pulumi == c.home("pulumi") {
		user, err := os.UserHomeDir()
		if err != nil {
			return err
		}
		pulumi = filepath.Join(user, ".pulumi")
	}
	c.plugins = filepath.Join(pulumi, "plugins")
	for name, value := range c.env(ctx) {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if folder := os.Getenv("GOTMPDIR"); folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	// It would win over the passphrase's file.
	if err := os.Unsetenv("PULUMI_CONFIG_PASSPHRASE"); err != nil {
		return err
	}
	return command(ctx, c)
}

// home is a path inside the one folder that holds everything the emulator makes.
func (c checkout) home(path ...string) string {
	return filepath.Join(append([]string{c.root, ".emulator"}, path...)...)
}

// env is the environment in which the ordinary pulumi and kubectl use the emulator.
func (c checkout) env(ctx context.Context) map[string]string {
	// Pulumi decodes it, so percent signs, hashes and question marks must be encoded.
	backend := url.URL{Scheme: "file", Path: c.home("state")}
	variables := map[string]string{
		"PATH":                          c.home("bin") + ":" + c.path,
		"PULUMI_HOME":                   c.home("pulumi"),
		"PULUMI_BACKEND_URL":            backend.String(),
		"PULUMI_CONFIG_PASSPHRASE_FILE": c.home("passphrase"),
		"PULUMI_STACK":                  c.stack,
		"PULUMI_SKIP_UPDATE_CHECK":      "true",
		// Pulumi reports a missing plugin at once and does not look for it on the internet.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		// The emulator's Google Cloud provider writes it when it creates the stack's cluster.
		"KUBECONFIG": c.home("kubeconfig-" + c.stack),
	}
	// From the Makefile, which says why.
	for _, name := range []string{"CGO_ENABLED", "GOFLAGS", "GOGC", "GOWORK"} {
		variables[name] = os.Getenv(name)
	}
	if os.Getenv("GOTMPDIR") == "" && !startsPrograms(os.TempDir()) {
		variables["GOTMPDIR"] = filepath.Join(c.root, "bin", "tmp")
	}
	if proxied(os.Getenv) {
		text, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{json .}}").Output()
		exempt := noProxy(os.Getenv, readEngine(string(text), err).pools())
		variables["NO_PROXY"], variables["no_proxy"] = exempt, exempt
	}
	// The docker command knows contexts, libraries only this variable.
	host, err := exec.CommandContext(ctx, "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").Output()
	if text := strings.TrimSpace(string(host)); err == nil && text != "unix:///var/run/docker.sock" {
		variables["DOCKER_HOST"] = text
	}
	return variables
}

// printEnv prints env for a shell: eval "$(make -s env)".
func printEnv(ctx context.Context, c checkout) error {
	variables := c.env(ctx)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Printf("export %s=%s\n", name, quote(variables[name]))
	}
	fmt.Println("unset PULUMI_CONFIG_PASSPHRASE")
	return nil
}

// quote makes one word of text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// command is a command to run in a folder of the checkout. An interrupt reaches
// it as the terminal's would.
func (c checkout) command(ctx context.Context, folder, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Join(c.root, folder)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// output runs a command and returns what it printed. Its error has what the command
// printed on stderr.
func (c checkout) output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := c.command(ctx, "", name, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s %s: %s", name, strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// installed is where an executable is on the user's own PATH or in one more folder; empty if nowhere.
func (c checkout) installed(name string, more ...string) string {
	for _, folder := range append(filepath.SplitList(c.path), more...) {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return found
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// replace writes a file whole or not at all.
func replace(path, content string, mode os.FileMode) error {
	if err := os.WriteFile(path+".new", []byte(content), mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
