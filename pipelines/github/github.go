// Package github is what is read and written on GitHub: the comment on a pull request, the
// issue about drift, releases, and the settings that the pipelines rely on.
package github

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hello-timber/pipelines/run"
)

// github is one repository on GitHub.
type github struct {
	api, repository, token string
	// pause waits between two attempts.
	pause func(context.Context, time.Duration) error
}

// post is a comment or an issue.
type post struct {
	ID          int64  `json:"id"`
	Number      int64  `json:"number"`
	URL         string `json:"html_url"`
	Body        string `json:"body"`
	PullRequest any    `json:"pull_request"`
	User        struct {
		Login string `json:"login"`
	} `json:"user"`
}

const (
	// perPage is the most that GitHub lists at once.
	perPage = 100
	// driftLabel is how the issue about drift is found, besides its marker and author.
	driftLabel = "drift"
)

func hubOf(p *run.Pipeline) (github, error) {
	repository, err := p.Named("GITHUB_REPOSITORY", run.IsRepo, "OWNER/NAME", "acme/hello-timber")
	if err != nil {
		return github{}, err
	}
	token := p.Env("GITHUB_TOKEN")
	if token == "" {
		return github{}, errors.New("GITHUB_TOKEN is not set. Fix: export GITHUB_TOKEN=$(gh auth token)")
	}
	return github{cmp.Or(p.Env("GITHUB_API_URL"), "https://api.github.com"), repository, token, p.Pause}, nil
}

// publish writes text into one of the posts at a path: the oldest of this token's
// own with the same marker, which it updates, or a new one with these fields. It
// returns where people find the post.
func (g github) publish(ctx context.Context, list, item, text string, fields map[string]any) (string, error) {
	own, err := g.own(ctx, list, text)
	if err != nil {
		return "", err
	}
	if len(own) > 0 {
		var now post
		err := g.call(ctx, http.MethodPatch, fmt.Sprintf(item, own[0].key(item)), map[string]any{"body": text}, &now)
		if !isStatus(err, http.StatusNotFound, http.StatusGone) {
			return now.URL, err
		}
	}
	path, _, _ := strings.Cut(list, "?")
	fields["body"] = text
	var now post
	if err := g.call(ctx, http.MethodPost, path, fields, &now); err != nil {
		return "", err
	}
	return now.URL, g.dedupe(ctx, list, item, text, now.ID)
}

// dedupe leaves one post where several runs posted at once: the oldest, with this run's
// text.
func (g github) dedupe(ctx context.Context, list, item, text string, mine int64) error {
	own, err := g.own(ctx, list, text)
	if err != nil || len(own) < 2 || !strings.Contains(list, "/comments") {
		return err
	}
	if mine != own[0].ID {
		if err := g.call(ctx, http.MethodPatch, fmt.Sprintf(item, own[0].ID), map[string]any{"body": text}, nil); err != nil {
			return err
		}
	}
	for _, extra := range own[1:] {
		if err := g.call(ctx, http.MethodDelete, fmt.Sprintf(item, extra.ID), nil, nil); !isStatus(err, http.StatusNotFound) && err != nil {
			return err
		}
	}
	return nil
}

// key is what names a post in an item's path: issues have numbers.
func (p post) key(item string) int64 {
	if strings.Contains(item, "/comments/") {
		return p.ID
	}
	return p.Number
}

// own lists this token's posts that start with the same line as the text, the
// oldest first. Anyone may write a marker, but not under this name.
func (g github) own(ctx context.Context, list, text string) ([]post, error) {
	marker, _, _ := strings.Cut(text, "\n")
	login, err := g.login(ctx)
	if err != nil {
		return nil, err
	}
	separator := "?"
	if strings.Contains(list, "?") {
		separator = "&"
	}
	var own []post
	for page := 1; ; page++ {
		var posts []post
		if err := g.call(ctx, http.MethodGet, fmt.Sprintf("%s%sper_page=%d&page=%d", list, separator, perPage, page), nil, &posts); err != nil {
			return nil, err
		}
		for _, p := range posts {
			first, _, _ := strings.Cut(p.Body, "\n")
			// GitHub lists pull requests among the issues.
			if p.PullRequest == nil && strings.TrimSpace(first) == marker && p.User.Login == login {
				own = append(own, p)
			}
		}
		if len(posts) < perPage {
			slices.SortFunc(own, func(a, b post) int { return cmp.Compare(a.ID, b.ID) })
			return own, nil
		}
	}
}

// login is who this token writes as. GET /user refuses the tokens of GitHub Apps, and
// GitHub Actions is one.
func (g github) login(ctx context.Context) (string, error) {
	var answer struct {
		Data struct {
			Viewer struct{ Login string }
		}
		Errors []struct{ Message string }
	}
	// GitHub Enterprise Server has /api/v3 and /api/graphql.
	err := g.request(ctx, http.MethodPost, strings.TrimSuffix(g.api, "/v3")+"/graphql", map[string]string{"query": "{ viewer { login } }"}, &answer)
	if err == nil && answer.Data.Viewer.Login == "" {
		err = fmt.Errorf("GITHUB_TOKEN: GitHub does not say whose it is: %v", answer.Errors)
	}
	return answer.Data.Viewer.Login, err
}

// endsWith reports whether a pull request's last commit is this one.
func (g github) endsWith(ctx context.Context, number, commit string) (bool, error) {
	var pull struct{ Head struct{ SHA string } }
	err := g.call(ctx, http.MethodGet, "/pulls/"+number, nil, &pull)
	return strings.HasPrefix(pull.Head.SHA, commit), err
}

// status is an answer that is no success.
type status struct {
	code          int
	limited       bool
	after         time.Duration
	method, path  string
	title, answer string
}

func (s *status) Error() string {
	return fmt.Sprintf("%s %s: %s: %s", s.method, s.path, s.title, s.answer)
}

func isStatus(err error, codes ...int) bool {
	var s *status
	return errors.As(err, &s) && slices.Contains(codes, s.code) && !s.limited
}

// call calls the API of this repository.
func (g github) call(ctx context.Context, method, path string, in, out any) error {
	return g.request(ctx, method, g.api+"/repos/"+g.repository+path, in, out)
}

// attempts is how often a call is tried, with pauses that double.
const attempts = 6

// request tries again what may pass: errors of the network and of GitHub's
// servers, and rate limits, for as long as GitHub asks for.
func (g github) request(ctx context.Context, method, address string, in, out any) error {
	wait := 2 * time.Second
	for attempt := 1; ; attempt++ {
		err := g.once(ctx, method, address, in, out)
		var answer *status
		passing := err != nil && (!errors.As(err, &answer) || answer.limited || answer.code >= 500)
		if !passing || attempt == attempts || ctx.Err() != nil {
			return err
		}
		pause := wait
		if answer != nil && answer.after > 0 {
			pause = min(answer.after, 2*time.Minute)
		}
		if err := g.pause(ctx, pause); err != nil {
			return err
		}
		wait *= 2
	}
}

var client = &http.Client{Timeout: 30 * time.Second}

func (g github) once(ctx context.Context, method, address string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("Authorization", "Bearer "+g.token)
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return newStatus(request, response, string(text))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func newStatus(request *http.Request, response *http.Response, answer string) *status {
	s := &status{code: response.StatusCode, method: request.Method, path: request.URL.Path, title: response.Status, answer: answer}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err == nil {
		s.after = time.Duration(seconds) * time.Second
	}
	s.limited = s.code == http.StatusTooManyRequests || s.code == http.StatusForbidden &&
		(err == nil || response.Header.Get("X-RateLimit-Remaining") == "0" || strings.Contains(answer, "rate limit"))
	return s
}
