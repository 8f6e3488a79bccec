package target

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"hello-timber/stacks/config"
)

// relative finds files that a kubeconfig names relative to its own folder.
var relative = regexp.MustCompile(`"(?:certificate-authority|client-certificate|client-key|tokenFile)": "([^/"][^"]*)"|"command": "([^/"]+/[^"]*)"`)

// open looks for the context in the kubeconfig, as Pulumi's Kubernetes provider (4.25,
// parseKubeconfigString) does: ~ is the account's home, whatever HOME is.
func (e *existing) open() []config.Problem {
	refuse := func(rule, fix string) []config.Problem {
		return []config.Problem{{What: "kubeconfig " + e.Kubeconfig, Rule: rule, Fix: fix}}
	}
	if inHome, ok := strings.CutPrefix(e.Kubeconfig, "~/"); ok {
		account, err := user.Current()
		if err != nil {
			return refuse("cannot be found: "+err.Error(), e.set("kubeconfig", "/PATH"))
		}
		e.path = filepath.Join(account.HomeDir, inHome)
	}
	file, err := os.Open(e.path)
	if err != nil {
		return refuse("cannot be read: "+err.Error(), e.set("kubeconfig", `'~/.kube/config'`))
	}
	_ = file.Close()
	text, err := e.kubectl("config", "view", "--minify", "--context="+e.Context, "--output=json")
	if err != nil {
		names, errOfFile := e.kubectl("config", "get-contexts", "--output=name")
		known := strings.FieldsFunc(names, func(r rune) bool { return r == '\n' })
		if errOfFile == nil && !slices.Contains(known, e.Context) {
			return []config.Problem{{What: "context", Value: config.Show(e.Context),
				Rule: "is not in kubeconfig " + e.Kubeconfig + ", which has " + cmp.Or(strings.Join(known, ", "), "none"),
				Fix:  e.set("context", config.Quote(append(known, "CONTEXT")[0]))}}
		}
		return refuse("is refused by kubectl: "+err.Error(), "correct the file until this succeeds: "+e.command()+" config view --minify")
	}
	var files []string
	for _, match := range relative.FindAllStringSubmatch(text, -1) {
		files = append(files, match[1]+match[2])
	}
	if len(files) > 0 {
		return refuse("names "+strings.Join(files, ", ")+" relative to its own folder, where Pulumi does not look", "write absolute paths into it")
	}
	return nil
}

// set is the command that sets a key.
func (e *existing) set(key, value string) string {
	return "pulumi config set " + key + " " + value + " --stack " + e.ctx.Stack()
}

// command is kubectl with the kubeconfig and context, for a person to type.
func (e *existing) command() string {
	return "kubectl --kubeconfig " + config.Quote(e.Kubeconfig) + " --context " + config.Quote(e.Context)
}

func (e *existing) kubectl(args ...string) (string, error) {
	return e.run.Run(e.ctx.Context(), "kubectl", append([]string{"--kubeconfig=" + e.path}, args...)...)
}
