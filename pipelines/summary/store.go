package summary

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
)

// store keeps a plan for the command that publishes it.
func store(p *run.Pipeline, kind string, found plan.Plan) error {
	text, err := json.MarshalIndent(found, "", "\t")
	path := filepath.Join(p.Folder, "bin", kind, found.Stack+".json")
	return errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o600))
}

// Stored reads plans. One that is missing, or of another commit, is one that
// failed: the steps that should have made it did not get that far. A pull request's
// program may have written anything, so what is not a plan of this program is refused.
func Stored(p *run.Pipeline, kind string) ([]plan.Plan, error) {
	names, err := p.Stacks()
	if err != nil {
		return nil, err
	}
	var plans []plan.Plan
	for _, name := range names {
		var found plan.Plan
		text, err := os.ReadFile(filepath.Join(p.Folder, "bin", kind, name+".json"))
		if err == nil {
			err = json.Unmarshal(text, &found)
		}
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = errors.New("pulumi was not started: an earlier step of the run failed, such as the login to Google Cloud")
		case err == nil && found.Commit != p.Env("COMMIT"):
			err = fmt.Errorf("the stored result is of commit %q, not of this run", found.Commit)
		case err == nil && !isOf(found, name):
			err = errors.New("the stored result is not what make summary or make drift writes")
		}
		if err != nil {
			found = plan.Plan{Stack: name, Failed: true, Errors: []string{err.Error()}}
		}
		plans = append(plans, found)
	}
	return plans, nil
}

// isCost has nothing that Markdown knows: items of a cost are printed as they are.
var isCost = regexp.MustCompile(`^([a-zA-Z0-9 ×$,:()–-]|\.[0-9])*$`).MatchString

// isOf reports whether what is printed as it is can be of a plan of this stack.
func isOf(p plan.Plan, stack string) bool {
	items := slices.Concat(p.Costs.Before.Items(), p.Costs.After.Items())
	return p.Stack == stack && !slices.ContainsFunc(items, func(item string) bool { return !isCost(item) }) &&
		!slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return !slices.Contains(plan.Ops, c.Op) })
}
