package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// github is one repository on GitHub.
type github struct {
	api, repository, token string
}

// post is a comment or an issue.
type post struct {
	ID      int64  `json:"id"`
	Number  int    `json:"number"`
	URL     string `json:"html_url"`
	Body    string `json:"body"`
	PullReq any    `json:"pull_request"`
}

// perPage is the most that GitHub lists at once.
const perPage = 100

// label is what the issue about drift is found by, besides its marker.
const label = "drift"

// comment writes the comment of a pull request that starts with the same line
// as the text, or adds it. It returns where people find it.
func (g github) comment(ctx context.Context, pullRequest, text string) (string, error) {
	if _, err := strconv.ParseUint(pullRequest, 10, 32); err != nil {
		return "", errors.New("PULL_REQUEST must be its number")
	}
	path := "/issues/" + pullRequest + "/comments"
	old, err := g.find(ctx, path+"?", text)
	if err != nil {
		return "", err
	}
	method := http.MethodPost
	if old != nil {
		method, path = http.MethodPatch, fmt.Sprintf("/issues/comments/%d", old.ID)
	}
	var now post
	err = g.call(ctx, method, path, map[string]any{"body": text}, &now)
	return now.URL, err
}

// issue writes the open issue that starts with the same line as the text, or
// opens one. With nothing wrong it closes the issue, if there is one.
func (g github) issue(ctx context.Context, title, text string, wrong bool) (string, error) {
	old, err := g.find(ctx, "/issues?state=open&labels="+label+"&", text)
	if err != nil {
		return "", err
	}
	method, path, fields := http.MethodPost, "/issues", map[string]any{"title": title, "body": text, "labels": []string{label}}
	if old != nil {
		method, path, fields = http.MethodPatch, fmt.Sprintf("/issues/%d", old.Number), map[string]any{"body": text}
		if !wrong {
			fields["state"] = "closed"
		}
	} else if !wrong {
		return "nothing to report", nil
	}
	var now post
	err = g.call(ctx, method, path, fields, &now)
	return now.URL, err
}

// find returns what starts with the same line as the text, or nil.
func (g github) find(ctx context.Context, path, text string) (*post, error) {
	marker, _, _ := strings.Cut(text, "\n")
	for page := 1; ; page++ {
		var posts []post
		if err := g.call(ctx, http.MethodGet, fmt.Sprintf("%sper_page=%d&page=%d", path, perPage, page), nil, &posts); err != nil {
			return nil, err
		}
		for _, p := range posts {
			if p.PullReq == nil && strings.HasPrefix(p.Body, marker) { // GitHub lists pull requests among the issues
				return &p, nil
			}
		}
		if len(posts) < perPage {
			return nil, nil
		}
	}
}

var client = &http.Client{Timeout: 30 * time.Second}

// call calls GitHub's API. Its error says what GitHub said.
func (g github) call(ctx context.Context, method, path string, in, out any) error {
	if strings.Count(g.repository, "/") != 1 || g.token == "" {
		return errors.New("GITHUB_REPOSITORY must be OWNER/NAME, and GITHUB_TOKEN set")
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, g.api+"/repos/"+g.repository+path, body)
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
		return fmt.Errorf("%s %s: %s: %s", method, request.URL.Path, response.Status, text)
	}
	return json.Unmarshal(text, out)
}
