// Package github is what is read and written on GitHub: the comment on a pull request, the
// issue about drift, and the settings that the pipelines rely on.
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
	"strings"
	"time"

	"hello-timber/pipelines/run"
)

// hub is one repository on GitHub.
type hub struct {
	api, repository, token string
	// pause waits between two attempts.
	pause func(context.Context, time.Duration) error
}

func open(p *run.Pipeline) (hub, error) {
	repository, err := p.Named("GITHUB_REPOSITORY", run.IsRepo, "OWNER/NAME", "acme/hello-timber")
	if err != nil {
		return hub{}, err
	}
	token := p.Env("GITHUB_TOKEN")
	if token == "" {
		return hub{}, errors.New("GITHUB_TOKEN is not set. Fix: export GITHUB_TOKEN=$(gh auth token)")
	}
	return hub{cmp.Or(p.Env("GITHUB_API_URL"), "https://api.github.com"), repository, token, p.Pause}, nil
}

// post is a comment, which has an ID in its path, or an issue, which has a number.
type post struct {
	ID, Number  int64
	URL         string `json:"html_url"`
	Body        string
	PullRequest any `json:"pull_request"`
	User        struct{ Login string }
}

func (p post) path(item string) string { return fmt.Sprintf(item, cmp.Or(p.Number, p.ID)) }

// publish writes text into one of the posts in a list: the oldest of this token's own with
// the same marker, or a new one with these fields. It returns where people find the post.
func (h hub) publish(ctx context.Context, list, item, text string, fields map[string]any) (string, error) {
	own, err := h.own(ctx, list, text)
	if err != nil {
		return "", err
	}
	method := http.MethodPost
	path, _, _ := strings.Cut(list, "?")
	if len(own) > 0 {
		method, path, fields = http.MethodPatch, own[0].path(item), map[string]any{}
	}
	fields["body"] = text
	var now post
	err = h.call(ctx, method, path, fields, &now)
	return now.URL, err
}

// perPage is the most that GitHub lists at once.
const perPage = 100

// own lists this token's posts that start with the same line as the text, the oldest
// first. Anyone may write a marker, but not under this name.
func (h hub) own(ctx context.Context, list, text string) ([]post, error) {
	marker, _, _ := strings.Cut(text, "\n")
	login, err := h.login(ctx)
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
		if err := h.call(ctx, http.MethodGet, fmt.Sprintf("%s%sper_page=%d&page=%d", list, separator, perPage, page), nil, &posts); err != nil {
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
func (h hub) login(ctx context.Context) (string, error) {
	var answer struct {
		Data struct {
			Viewer struct{ Login string }
		}
		Errors []struct{ Message string }
	}
	// GitHub Enterprise Server has /api/v3 and /api/graphql.
	err := h.request(ctx, http.MethodPost, strings.TrimSuffix(h.api, "/v3")+"/graphql", map[string]string{"query": "{ viewer { login } }"}, &answer)
	if err == nil && answer.Data.Viewer.Login == "" {
		err = fmt.Errorf("GITHUB_TOKEN: GitHub does not say whose it is: %v", answer.Errors)
	}
	return answer.Data.Viewer.Login, err
}

// call calls the API of this repository.
func (h hub) call(ctx context.Context, method, path string, in, out any) error {
	return h.request(ctx, method, h.api+"/repos/"+h.repository+path, in, out)
}

// lastPause ends a minute of attempts, which is as long as a rate limit lasts.
const lastPause = 32 * time.Second

// request tries again what may pass: errors of the network and of GitHub's servers, and
// rate limits.
func (h hub) request(ctx context.Context, method, address string, in, out any) error {
	for pause := 2 * time.Second; ; pause *= 2 {
		passes, err := h.once(ctx, method, address, in, out)
		if err == nil || !passes || pause > lastPause || ctx.Err() != nil {
			return err
		}
		if err := h.pause(ctx, pause); err != nil {
			return err
		}
	}
}

var client = &http.Client{Timeout: 30 * time.Second}

func (h hub) once(ctx context.Context, method, address string, in, out any) (passes bool, err error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return false, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, address, &body)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("Authorization", "Bearer "+h.token)
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	response, err := client.Do(request)
	if err != nil {
		return true, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return true, err
	}
	code := response.StatusCode
	if code >= http.StatusMultipleChoices {
		limited := code == http.StatusForbidden && (response.Header.Get("Retry-After") != "" ||
			response.Header.Get("X-RateLimit-Remaining") == "0" || strings.Contains(string(text), "rate limit"))
		return limited || code == http.StatusTooManyRequests || code >= http.StatusInternalServerError,
			fmt.Errorf("%s %s: %s: %s", method, request.URL.Path, response.Status, text)
	}
	return true, json.Unmarshal(text, out)
}
