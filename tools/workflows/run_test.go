package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nektos/act/pkg/model"
	"github.com/nektos/act/pkg/runner"
	"github.com/sirupsen/logrus"
)

// scenario is one event on GitHub, and what the rest of the world answers.
type scenario struct {
	// event is its name, and file the workflow that it starts; without a file, all
	// that name the event.
	event, file string
	// payload is GitHub's description of the event.
	payload map[string]any
	// ref is the branch or tag, by default main.
	ref string
	// off is a repository whose pipelines are not switched on.
	off bool
	// answers is what the stand-ins read, by the names in standins.go.
	answers map[string]string
	// attempt is how often the run was started, by default 1.
	attempt string
	// actor is who started the run, and again who ran it again; by default a person.
	actor, again string
	// edit changes a workflow before it runs.
	edit func(file, text string) string
}

const (
	repository = "acme/hello-timber"
	commit     = "0123456789abcdef0123456789abcdef01234567"
)

// places is pipelines/google.env as docs/pipelines.md writes it.
const places = "BACKEND=gs://acme-timber-\nPROVIDER=projects/1/locations/global/workloadIdentityPools/github/providers/hello-timber\nIDENTITIES=acme\nIMAGES=" + images + "\n"

// label is that of all jobs, which run on this machine.
const label = "ubuntu-24.04"

// run is a scenario that runs, or has run.
type run struct {
	// state is the folder where the stand-ins find the answers.
	state string
	mutex sync.Mutex
	// jobs are by their names: workflow/job, or caller/job.
	jobs map[string]*job
	// order is the place in the workflow files of workflow/job, and of a job that
	// calls a workflow.
	order map[string]string
	log   strings.Builder
	err   error
	done  chan struct{}
}

// job is what one job did, and where it is in the workflow files.
type job struct {
	result, place string
	lines         []string
}

// start runs a scenario. Two runs with the same folder of locks are of one repository.
func start(t *testing.T, s scenario, locks string) *run {
	t.Helper()
	r := &run{state: t.TempDir(), jobs: map[string]*job{}, order: map[string]string{}, done: make(chan struct{})}
	r.answer(t, s.answers)
	folder := t.TempDir()
	r.prepare(t, folder, s)
	config := s.config(t, folder, r.state, locks)
	planner, err := model.NewWorkflowPlanner(filepath.Join(folder, ".github", "workflows", s.file), true, false)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := planner.PlanEvent(s.event)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Stages) == 0 {
		t.Fatalf("%s starts nothing of %q", s.event, s.file)
	}
	executor, err := runner.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(runner.WithJobLoggerFactory(context.Background(), r), 5*time.Minute)
	go func() {
		defer close(r.done)
		defer cancel()
		r.err = executor.NewPlanExecutor(plan)(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	return r
}

func (s scenario) config(t *testing.T, folder, state, locks string) *runner.Config {
	t.Helper()
	event, err := json.Marshal(s.payload)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(state, "event.json")
	if err := os.WriteFile(path, event, 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	if !s.off {
		vars["PIPELINES"] = "on"
	}
	return &runner.Config{
		Workdir: folder, ActionCache: standIns{}, ActionCacheDir: t.TempDir(), NoSkipCheckout: true,
		EventName: s.event, EventPath: path, DefaultBranch: "main", GitHubInstance: "github.com",
		Actor: s.actor, Platforms: map[string]string{label: "-self-hosted"}, Vars: vars, Token: "token", LogOutput: true, AutoRemove: true,
		Env: map[string]string{
			"STATE": state, "LOCKS": locks, "REPOSITORY": folder,
			"GITHUB_API_URL": newHub(t, state), "GITHUB_REPOSITORY": repository, "SHA_REF": commit, "GITHUB_RUN_ATTEMPT": cmp.Or(s.attempt, "1"), "GITHUB_RUN_ID": "42",
			"GITHUB_TRIGGERING_ACTOR": cmp.Or(s.again, "ann"),
			"GITHUB_REF":              cmp.Or(s.ref, "refs/heads/main"),
		},
	}
}

// answer writes what the stand-ins read.
func (r *run) answer(t *testing.T, answers map[string]string) {
	t.Helper()
	for name, value := range answers {
		if err := os.WriteFile(filepath.Join(r.state, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wait waits until the run has ended, and returns what it did.
func (r *run) wait(t *testing.T) string {
	t.Helper()
	<-r.done
	result := "success"
	if r.err != nil {
		result = "failure"
	}
	return r.so() + "run: " + result + "\n"
}

// so is what the run has done so far, job by job.
func (r *run) so() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	names := slices.SortedFunc(maps.Keys(r.jobs), func(a, b string) int {
		return cmp.Or(strings.Compare(r.jobs[a].place, r.jobs[b].place), strings.Compare(a, b))
	})
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "%s: %s\n", name, r.jobs[name].result)
		for _, line := range r.jobs[name].lines {
			fmt.Fprintln(&text, "  "+line)
		}
	}
	return text.String()
}

// WithJobLogger makes the logger of one job, from which the run learns what happens.
func (r *run) WithJobLogger() *logrus.Logger {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	logger.SetLevel(logrus.DebugLevel) // a skipped job is reported at this level only
	logger.AddHook(r)
	return logger
}

// Levels are those that Fire gets.
func (r *run) Levels() []logrus.Level { return logrus.AllLevels }

// Fire notes what the stand-ins and the jobs report.
func (r *run) Fire(entry *logrus.Entry) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	name, place := r.find(strings.TrimSpace(fmt.Sprint(entry.Data["job"])))
	message := strings.TrimRight(entry.Message, "\r\n")
	if entry.Level <= logrus.InfoLevel {
		fmt.Fprintf(&r.log, "%s: %s\n", name, message)
	}
	note := func(line string) { r.job(name, place).lines = append(r.job(name, place).lines, line) }
	if line, ok := strings.CutPrefix(message, recorded); ok && entry.Data["raw_output"] == true {
		if result, ok := strings.CutPrefix(line, ended); ok {
			r.job(name, place).result = result
		} else {
			note(line)
		}
	}
	switch entry.Data["command"] {
	case "notice", "error":
		note(fmt.Sprintf("%s: %s", entry.Data["command"], entry.Data["arg"]))
	case "summary": // its first line, or the steps of a deployment
		first, rest, _ := strings.Cut(strings.TrimSpace(fmt.Sprint(entry.Data["content"])), "\n")
		if !strings.HasPrefix(first, "```") {
			note("summary: " + first)
		}
		for line := range strings.Lines(rest) {
			if step, ok := strings.CutPrefix(strings.TrimSpace(line), "TIME "); ok {
				note("summary: " + step)
			}
		}
	}
	// Of a job with steps, the last one knows better: act has one result for a whole matrix.
	if result, ok := entry.Data["jobResult"]; ok && r.job(name, place).result == "" {
		r.job(name, place).result = fmt.Sprint(result)
	}
	return nil
}

// ofMatrix is how act numbers the jobs of a matrix.
var ofMatrix = regexp.MustCompile(`-\d+$`)

// find splits what act calls a job, workflow/job or caller/workflow/job.
func (r *run) find(text string) (name, place string) {
	caller, inner, _ := strings.Cut(text, "/")
	_, name, called := strings.Cut(inner, "/")
	if !called {
		return text, r.order[ofMatrix.ReplaceAllString(text, "")]
	}
	return caller + "/" + name, r.order[caller] + r.order[inner]
}

func (r *run) job(name, place string) *job {
	if r.jobs[name] == nil {
		r.jobs[name] = &job{place: place}
	}
	return r.jobs[name]
}
