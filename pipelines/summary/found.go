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

// file has the plans that summary found, for comment, which publishes them in another job:
// the program of a pull request must neither have the token nor write the text.
const file = "bin/plans.json"

func keep(p *run.Pipeline, plans []plan.Plan) error {
	text, err := json.MarshalIndent(plans, "", "\t")
	path := filepath.Join(p.Folder, file)
	return errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o600))
}

// Found are the plans of STACKS that summary found. One that is missing, or of another
// commit, is one that failed. A pull request's program may have written anything, so what
// is not a plan of this program is refused.
func Found(p *run.Pipeline) ([]plan.Plan, error) {
	names, err := p.Stacks()
	if err != nil {
		return nil, err
	}
	var kept, plans []plan.Plan
	text, missing := p.Read(file)
	if missing == nil {
		missing = json.Unmarshal(text, &kept)
	} else if errors.Is(missing, os.ErrNotExist) {
		missing = errors.New("there is no preview: an earlier step of the run failed, such as the login to Google Cloud")
	}
	for _, name := range names {
		at, wrong := slices.IndexFunc(kept, func(found plan.Plan) bool { return found.Stack == name }), missing
		switch {
		case wrong != nil:
		case at < 0 || !isPlain(kept[at]):
			wrong = errors.New("the stored result is not what make summary writes")
		case kept[at].Commit != p.Env("COMMIT"):
			wrong = fmt.Errorf("the stored result is of commit %q, not of this run", kept[at].Commit)
		}
		if wrong != nil {
			plans = append(plans, plan.Plan{Stack: name, Failed: true, Errors: []string{wrong.Error()}})
		} else {
			plans = append(plans, kept[at])
		}
	}
	return plans, nil
}

// isCost has nothing that Markdown knows: items of a cost are printed as they are.
var isCost = regexp.MustCompile(`^([a-zA-Z0-9 ×$,:()–-]|\.[0-9])*$`).MatchString

// isPlain reports whether what is printed as it is can be of a plan of this program.
func isPlain(found plan.Plan) bool {
	items := slices.Concat(found.Costs.Before.Items(), found.Costs.After.Items())
	return !slices.ContainsFunc(items, func(item string) bool { return !isCost(item) }) &&
		!slices.ContainsFunc(found.Changes, func(c plan.Change) bool { return !slices.Contains(plan.Ops, c.Op) })
}
