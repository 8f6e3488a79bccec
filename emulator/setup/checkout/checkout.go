//go:build linux

// Package checkout is one clone of the repository, with the folder in it that holds
// everything the emulator makes. It runs commands there and hashes sources. All other
// rooms of the set-up use it, and it uses none.
package checkout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Checkout is one clone of the repository with the emulator's folder in it.
type Checkout struct {
	// Root is the absolute path of the clone.
	Root string
	// Path is the user's PATH, without the emulator's folder.
	Path string
	// Plugins is where the user's own Pulumi keeps its plugins.
	Plugins string
}

// New finds the checkout that the current folder is in.
func New() (Checkout, error) {
	root, err := os.Getwd()
	if err != nil {
		return Checkout{}, err
	}
	for !Exists(filepath.Join(root, "emulator", "go.mod")) {
		if root == "/" {
			return Checkout{}, errors.New("this folder is not in a clone of hello-timber: it has no emulator/go.mod, nor has a folder above. Fix: cd into the clone")
		}
		root = filepath.Dir(root)
	}
	c := Checkout{Root: root}
	folders := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(f string) bool { return f == c.Home("bin") })
	c.Path = strings.Join(folders, ":")
	pulumi := os.Getenv("PULUMI_HOME")
	if pulumi == "" || pulumi == c.Home("pulumi") {
		user, err := os.UserHomeDir()
		if err != nil {
			return Checkout{}, err
		}
		pulumi = filepath.Join(user, ".pulumi")
	}
	c.Plugins = filepath.Join(pulumi, "plugins")
	return c, nil
}

// Home is a path inside the one folder that holds everything the emulator makes.
func (c Checkout) Home(path ...string) string {
	return filepath.Join(append([]string{c.Root, ".emulator"}, path...)...)
}

// Quote makes one word of text for a shell.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Command is a command to run in a folder of the checkout. An interrupt reaches
// it as the terminal's would.
func (c Checkout) Command(ctx context.Context, folder, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Join(c.Root, folder)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// Output runs a command and returns what it printed. Its error has what the command
// printed on stderr.
func (c Checkout) Output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := c.Command(ctx, "", name, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s %s: %s", name, strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// Installed is where an executable is on the user's own PATH; empty if nowhere.
func (c Checkout) Installed(name string) string {
	for _, folder := range filepath.SplitList(c.Path) {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return found
		}
	}
	return ""
}

// Exists reports whether there is a file or a folder.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Replace writes a file whole or not at all.
func Replace(path, content string, mode os.FileMode) error {
	if err := os.WriteFile(path+".new", []byte(content), mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Digest is a hash of names, executable bits and contents of files and folders.
// Tests and their data are left out, because nothing is built of them, and so are
// modules inside of a folder's.
func (c Checkout) Digest(sources []string, more ...string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", more)
	for _, source := range sources {
		root := filepath.Join(c.Root, source)
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && (entry.Name() == "testdata" || path != root && Exists(filepath.Join(path, "go.mod"))) {
				return filepath.SkipDir
			}
			if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(c.Root, path)
			fmt.Fprintf(sum, "%q %o %x\n", name, info.Mode()&0o100, sha256.Sum256(content))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
