package target

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"hello-timber/stacks/config"
)

// kubeconfig is what the program reads of a kubeconfig: no credentials.
type kubeconfig struct {
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Authority string `json:"certificate-authority"`
		}
	}
	Users []struct {
		Name string
		User struct {
			Certificate string `json:"client-certificate"`
			Key         string `json:"client-key"`
			TokenFile   string `json:"tokenFile"`
			Exec        struct{ Command string }
		}
	}
}

// open looks for the context in the kubeconfig. It refuses a file that Pulumi's
// Kubernetes provider (4.25, parseKubeconfigString) would read in another way.
func (q *question) open() []config.Problem {
	file := "kubeconfig " + q.Kubeconfig
	refuse := func(rule, fix string) []config.Problem {
		return []config.Problem{{What: file, Rule: rule, Fix: fix}}
	}
	ofShell, err := q.locate()
	if err != nil {
		return refuse("cannot be found: "+err.Error(), q.set("kubeconfig", "/PATH"))
	}
	if ofShell != "" {
		return refuse("is "+ofShell+" for a shell, and "+q.path+" for Pulumi: HOME is not your account's home", q.set("kubeconfig", config.Quote(ofShell)))
	}
	if err := readable(q.path); err != nil {
		return refuse("cannot be read: "+err.Error(), q.set("kubeconfig", `'~/.kube/config'`))
	}
	text, err := q.kubectl("config", "view", "--output=json")
	var content kubeconfig
	if err == nil {
		err = json.Unmarshal([]byte(text), &content)
	}
	if err != nil {
		return refuse("is refused by kubectl: "+err.Error(), "correct the file until this succeeds: kubectl --kubeconfig "+config.Quote(q.Kubeconfig)+" config view")
	}
	var known []string
	for _, c := range content.Contexts {
		known = append(known, c.Name)
	}
	if !slices.Contains(known, q.Context) {
		example := "CONTEXT"
		if len(known) > 0 {
			example = config.Quote(known[0])
		}
		return []config.Problem{{What: "context", Value: config.Show(q.Context),
			Rule: "is not in " + file + ", which has " + cmp.Or(strings.Join(known, ", "), "none"), Fix: q.set("context", example)}}
	}
	if files, others := content.relative(q.Context); len(others) > 0 {
		return refuse("names "+strings.Join(append(files, others...), ", ")+" relative to its own folder, where Pulumi does not look", "write absolute paths into it")
	} else if len(files) > 0 {
		flat := q.Kubeconfig + "-flat"
		return refuse("names "+strings.Join(files, ", ")+" relative to its own folder, where Pulumi does not look",
			"(umask 077; "+q.command()+" config view --flatten --minify > "+config.Quote(flat)+") && "+
				q.set("kubeconfig", "'"+strings.ReplaceAll(flat, "'", `'\''`)+"'"))
	}
	return nil
}

// locate finds out which file the provider reads. It returns the path of another one
// that a shell would read, if there is one.
func (q *question) locate() (ofShell string, err error) {
	inHome, ok := strings.CutPrefix(q.Kubeconfig, "~/")
	if !ok {
		q.path = q.Kubeconfig
		return "", nil
	}
	account, err := user.Current()
	if err != nil {
		return "", err
	}
	q.path = filepath.Join(account.HomeDir, inHome)
	ofShell = filepath.Join(cmp.Or(os.Getenv("HOME"), account.HomeDir), inHome)
	if q.path == ofShell {
		return "", nil
	}
	a, err := os.Stat(q.path)
	b, errOfShell := os.Stat(ofShell)
	if err == nil && errOfShell == nil && os.SameFile(a, b) {
		return "", nil
	}
	return ofShell, nil
}

// relative lists the files of a context's cluster and user that the kubeconfig names by
// relative paths: those that kubectl config view --flatten puts into it, and others.
func (k *kubeconfig) relative(context string) (files, others []string) {
	add := func(list *[]string, path string) {
		if path != "" && !filepath.IsAbs(path) {
			*list = append(*list, path)
		}
	}
	for _, c := range k.Contexts {
		if c.Name != context {
			continue
		}
		for _, cluster := range k.Clusters {
			if cluster.Name == c.Context.Cluster {
				add(&files, cluster.Cluster.Authority)
			}
		}
		for _, u := range k.Users {
			if u.Name != c.Context.User {
				continue
			}
			add(&files, u.User.Certificate)
			add(&files, u.User.Key)
			add(&others, u.User.TokenFile)
			if command := u.User.Exec.Command; strings.ContainsRune(command, filepath.Separator) { // else it is in PATH
				add(&others, command)
			}
		}
	}
	return files, others
}

// readable returns why a file cannot be read, without its path.
func readable(path string) error {
	file, err := os.Open(path)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return failed.Err
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// command is kubectl with the kubeconfig and context, for a person to type.
func (q *question) command() string {
	return "kubectl --kubeconfig " + config.Quote(q.Kubeconfig) + " --context " + config.Quote(q.Context)
}

func (q *question) kubectl(args ...string) (string, error) {
	return q.run.Run(q.ctx.Context(), "kubectl", append([]string{"--kubeconfig=" + q.path}, args...)...)
}
