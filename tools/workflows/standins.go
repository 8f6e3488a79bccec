// Command workflows is what the jobs of .github/workflows call when go test runs them
// on this machine, with act and without containers. What costs a cluster or needs
// GitHub only reports how it was called; the rest is the repository's own.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// commands are the stand-ins, each under the name of what it replaces.
var commands = map[string]func(args []string) error{
	"action": action, "curl": curl, "docker": docker, "gcloud": gcloud, "gh": gh, "github": gitHub, "make": makeTarget,
	"node": node, "pipelines": pipelines, "pulumi": pulumi, "sudo": sudo,
}

func main() {
	command := commands[filepath.Base(os.Args[0])]
	if command == nil {
		fmt.Fprintln(os.Stderr, "this program is started by go test, under the name of what it replaces")
		os.Exit(2)
	}
	if err := command(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

const (
	// images is the repository that dev pushes to.
	images = "europe-west1-docker.pkg.dev/acme-timber-dev/hello-timber-dev/timber-tutorial"
	// built is the image that dev builds, earlier is one that ran before.
	built   = images + "@sha256:1111111111111111111111111111111111111111111111111111111111111111"
	earlier = images + "@sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

const (
	// recorded begins a line with which a stand-in reports how it was called.
	recorded = "» "
	// ended begins the line with a job's result.
	ended = "ended: "
)

// say prints a line that the run notes.
func say(format string, args ...any) { fmt.Println(recorded + fmt.Sprintf(format, args...)) }

// answer is what the scenario says about a name, or empty.
func answer(name string) string {
	text, err := os.ReadFile(filepath.Join(os.Getenv("STATE"), name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return string(text)
}

// fails reports whether the scenario lets a command fail.
func fails(command string) error {
	if slices.Contains(strings.Split(answer("fails"), ", "), command) {
		return errors.New(command + " fails in this scenario")
	}
	return nil
}

// may fails without the permissions that a job's token needs.
func may(permissions ...string) error {
	granted := strings.Fields(os.Getenv("MAY"))
	for _, permission := range permissions {
		name, _, _ := strings.Cut(permission, ":")
		if !slices.Contains(granted, permission) && !slices.Contains(granted, name+":write") {
			say("refused without %s", permission)
			return fmt.Errorf("the job does not have the permission %s", permission)
		}
	}
	return nil
}

// set hands values to later steps.
func set(variable string, values ...string) error {
	file, err := os.OpenFile(os.Getenv(variable), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, strings.Join(values, "\n"))
	return errors.Join(err, file.Close())
}

// node is where act looks for it in each job, though no action here needs it.
func node([]string) error {
	fmt.Println(os.Args[0])
	return nil
}

// gitHub is what GitHub does around the steps of a job. A reviewer's answer comes
// after the lock, so that a job which waits for one keeps others waiting.
func gitHub(args []string) error {
	group := os.Getenv("GROUP")
	lock := filepath.Join(os.Getenv("LOCKS"), group)
	if args[0] == "end" {
		say("%s%s", ended, os.Getenv("STATUS"))
		if url := os.Getenv("URL"); url != "" && os.Getenv("STATUS") == "success" {
			say("url %s", url)
		}
		if group == "" {
			return nil
		}
		return os.Remove(lock)
	}
	line := "on " + os.Getenv("RUNNER")
	if environment := os.Getenv("ENVIRONMENT"); environment != "" {
		line += ", environment " + environment
	}
	if group != "" {
		line += ", lock " + group
		if err := until(func() (bool, error) {
			err := os.Mkdir(lock, 0o700)
			return err == nil, err
		}, os.ErrExist); err != nil {
			return err
		}
	}
	say("%s, may %s", line, cmp.Or(os.Getenv("MAY"), "nothing"))
	if os.Getenv("ENVIRONMENT") == "prod-approval" {
		if err := approval(); err != nil {
			return err
		}
	}
	return set("GITHUB_ENV", "MAY="+os.Getenv("MAY"))
}

// approval waits for the reviewer.
func approval() error {
	said := ""
	if err := until(func() (bool, error) {
		said = cmp.Or(answer("reviewer"), "approves")
		return said != "waits", nil
	}, nil); err != nil {
		return err
	}
	say("the reviewer %s", said)
	if said != "approves" {
		return errors.New("not approved")
	}
	return nil
}

// until tries something until it succeeds, or fails with another error than one
// that passes.
func until(done func() (bool, error), passes error) error {
	for end := time.Now().Add(4 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok, err := done(); ok || err != nil && !errors.Is(err, passes) {
			return err
		}
	}
	return errors.New("it lasts too long")
}

// actions are those that the workflows use: their inputs that matter here, and the
// permissions that they need.
var actions = map[string]struct{ inputs, permissions []string }{
	"actions/attest":                     {[]string{"subject-name", "subject-digest", "sbom-path"}, []string{"id-token:write", "attestations:write"}},
	"actions/checkout":                   {[]string{"fetch-depth", "ref"}, []string{"contents:read"}},
	"actions/download-artifact":          {[]string{"name", "pattern", "artifact-ids", "path"}, nil},
	"actions/setup-go":                   {},
	"actions/upload-artifact":            {[]string{"name", "path"}, nil},
	"google-github-actions/auth":         {[]string{"service_account"}, []string{"id-token:write"}},
	"google-github-actions/setup-gcloud": {},
}

// action is any action. Only a checkout, a login and those for artifacts do something.
func action(args []string) error {
	name := args[0]
	var inputs map[string]string
	if err := json.Unmarshal([]byte(os.Getenv("INPUTS")), &inputs); err != nil {
		return err
	}
	line := name
	for _, input := range actions[name].inputs {
		if inputs[input] != "" {
			line += " " + input + "=" + inputs[input]
		}
	}
	say("%s", line)
	if err := errors.Join(may(actions[name].permissions...), fails(name)); err != nil {
		return err
	}
	switch name {
	case "actions/checkout":
		return copyTree(os.Getenv("REPOSITORY"), ".")
	case "actions/upload-artifact":
		return errors.Join(set("GITHUB_OUTPUT", "artifact-id="+inputs["name"]), // a number on GitHub
			passOn(inputs["path"], filepath.Join(os.Getenv("STATE"), "artifacts", inputs["name"])))
	case "actions/download-artifact":
		return passOn(filepath.Join(os.Getenv("STATE"), "artifacts", cmp.Or(inputs["name"], inputs["pattern"], inputs["artifact-ids"])), inputs["path"])
	case "google-github-actions/auth":
		account, _, _ := strings.Cut(strings.TrimPrefix(inputs["service_account"], "timber-"), "@acme.iam.gserviceaccount.com")
		return set("GITHUB_ENV", "ACCOUNT="+account)
	}
	return nil
}

// passOn copies a folder, or a file into one, if there is any.
func passOn(from, to string) error {
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		to = filepath.Join(to, filepath.Base(from))
	}
	return errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), copyTree(from, to))
}

// cli is an archive of the Pulumi CLI, without a file.
func cli() []byte {
	var archive bytes.Buffer
	w := gzip.NewWriter(&archive)
	_, err := w.Write(make([]byte, 1024))
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return archive.Bytes()
}

// curl downloads the CLI, or what has taken its place.
func curl(args []string) error {
	address := args[len(args)-1]
	say("curl %s", address)
	archive := cli()
	if answer("forged") != "" { // another one, which is as good to tar
		archive = append(archive, cli()...)
	}
	return os.WriteFile(filepath.Base(address), archive, 0o600)
}

// docker exports an empty image, and creates no folder for it.
func docker(args []string) error {
	say("docker %s", strings.Join(args, " "))
	if args[0] == "export" {
		return os.WriteFile(args[len(args)-1], make([]byte, 1024), 0o600)
	}
	return nil
}

func gcloud(args []string) error {
	say("gcloud %s", strings.Join(args, " "))
	return fails("gcloud")
}

func gh(args []string) error {
	switch {
	case args[0] == "api" && strings.Contains(args[1], "/compare/main..."): // with a tag
		fmt.Println(cmp.Or(answer("compared"), "behind"))
	case args[0] == "api": // the commit of the run with a tag
		fmt.Println(cmp.Or(answer("moved"), "identical"))
	default:
		say("gh %s", strings.Join(args, " "))
	}
	if notes, err := os.ReadFile("notes.md"); err == nil {
		say("notes %q", notes)
	}
	if os.Getenv("GH_TOKEN") == "" {
		return errors.New("gh has no GH_TOKEN")
	}
	return errors.Join(may(map[string]string{"attestation": "attestations:read", "api": "contents:read", "release": "contents:write"}[args[0]]), fails("gh"))
}

// makeTarget is make. Targets that are no command of pipelines are only noted: some take
// an hour.
func makeTarget(args []string) error {
	text, err := os.ReadFile("Makefile")
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), "$(PIPELINES) "+args[0]+"\n") {
		say("make %s", strings.Join(args, " "))
		return fails(args[0])
	}
	command := exec.Command(filepath.Join(folder(), "original-make"), append(args, "PIPELINES="+filepath.Join(folder(), "pipelines"))...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// sudo runs a command as the user of the tests.
func sudo(args []string) error {
	command := exec.Command(args[0], args[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// folder is the folder of a stand-in that runs.
func folder() string { return filepath.Dir(os.Args[0]) }

// read are the variables that pipelines reads, but for FROM, which has a meaning on
// this machine only.
var read = []string{"STACK", "STACKS", "IMAGE", "APPROVED", "ROLLBACK", "CONFIRM", "BASE", "COMMIT", "PULL_REQUEST", "GITHUB_TOKEN"}

// pipelines is the program that the make targets call. What needs no stack
// is the program itself, whose GitHub is in hub_test.go.
func pipelines(args []string) error {
	line, account := "pipelines "+args[0], os.Getenv("ACCOUNT")
	if account != "" {
		line += " as " + account
	}
	separator := ": "
	for _, name := range read {
		value, given := os.LookupEnv(name)
		if !given || name == "STACK" && value == "local" || name == "ROLLBACK" && value == "" { // make's default, and no rollback
			continue
		}
		if value == "" || strings.Contains(value, " ") {
			value = fmt.Sprintf("%q", value)
		}
		line += separator + name + "=" + value
		separator = " "
	}
	say("%s", line)
	stack := os.Getenv("STACK")
	if err := errors.Join(may(needed[args[0]]...), fails(args[0]+" "+stack)); err != nil {
		return err
	}
	if account == "" && slices.Contains([]string{"summary", "deploy", "destroy"}, args[0]) {
		return errors.New("the job has no credential of Google")
	}
	switch args[0] {
	case "summary":
		return errors.Join(keep(strings.Fields(cmp.Or(os.Getenv("STACKS"), stack))),
			set("GITHUB_OUTPUT", "changes="+cmp.Or(answer("changes"), "true"), "plan=of-"+stack))
	case "sbom":
		_, err := os.Stat(filepath.Join("bin", "image.tar"))
		return errors.Join(err, set("GITHUB_OUTPUT", "found=true"))
	case "deploy":
		return deploy(stack)
	case "version":
		return nil
	case "destroy":
		if os.Getenv("CONFIRM") == stack {
			return nil
		}
	}
	return original(args)
}

// needed are the permissions that commands need.
var needed = map[string][]string{
	"comment": {"pull-requests:write"}, "issue": {"issues:write"},
}

// keep writes plans as the program does, for the command that publishes them.
func keep(stacks []string) error {
	var plans []map[string]any
	for _, stack := range stacks {
		plans = append(plans, map[string]any{"Stack": stack, "Commit": os.Getenv("COMMIT"), "Changes": []any{map[string]any{"Op": "changed"}}})
	}
	text, err := json.Marshal(plans)
	return errors.Join(err, os.MkdirAll("bin", 0o755), os.WriteFile(filepath.Join("bin", "plans.json"), text, 0o600))
}

// pulumi is the CLI for the nightly check, of stacks that were never deployed.
func pulumi(args []string) error {
	switch {
	case args[0] == "version":
		fmt.Println("v3.250.0")
	case slices.Contains(args, "export"):
		if os.Getenv("ACCOUNT") == "" {
			return errors.New("no credential of Google")
		}
		fmt.Println(`{"version": 3, "deployment": {}}`)
		return fails("pulumi " + os.Getenv("STACK"))
	}
	return nil
}

// original is the program itself. Noted are its complaint, and what it writes on
// GitHub.
func original(args []string) error {
	command := exec.Command(filepath.Join(folder(), "original-pipelines"), args...)
	var complaint bytes.Buffer
	command.Stdout, command.Stderr = os.Stdout, &complaint
	// Jobs of a matrix write at the same time, so each call has an address of its own.
	written := fmt.Sprintf("written-%d", os.Getpid())
	command.Env = append(os.Environ(), "GITHUB_API_URL="+os.Getenv("GITHUB_API_URL")+"/"+written)
	err := command.Run()
	for line := range strings.Lines(complaint.String()) {
		if fmt.Print(line); err != nil && !strings.HasPrefix(line, recorded) {
			say("%s", strings.TrimSpace(line))
		}
	}
	for line := range strings.Lines(answer(written)) {
		say("%s", strings.TrimSpace(line))
	}
	return err
}

// deploy reports what a deployment does. One that undoes itself has the summary that the
// program writes.
func deploy(stack string) error {
	if answer("returns") == stack {
		text, err := os.ReadFile(filepath.Join("pipelines", "deploy", "testdata", "returned.golden.md"))
		return errors.Join(err, set("GITHUB_STEP_SUMMARY", string(text)), errors.New("the new version failed"))
	}
	image, isNew := os.Getenv("IMAGE"), answer("built")
	if image == "configured" {
		image, isNew = built, cmp.Or(isNew, "true")
	}
	name, digest, _ := strings.Cut(image, "@")
	return set("GITHUB_OUTPUT", "image="+image, "name="+name, "digest="+digest, "built="+isNew, "url=http://"+stack+".example.com")
}

// copyTree copies a file or a folder.
func copyTree(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
