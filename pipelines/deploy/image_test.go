package deploy_test

import (
	"regexp"
	"strings"
	"testing"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/run/runtest"
)

// The image of a promotion is that of the commit which is promoted.
func TestImage(t *testing.T) {
	elsewhere := "[2001:db8::5]:5000/team/timber-tutorial@" + runtest.Digest1 // as the registry of an existing cluster
	r := runtest.New(t)
	r.Pulumi.Stacks["odd"].State = runtest.StateWith(elsewhere, "", "", "")
	r.Pulumi.Stacks["prod"].Head, r.Pulumi.Stacks["prod"].Result = "0123456789", "failed"
	// What runs after a return is not what the commit built.
	r.Pulumi.Stacks["dev"].Head, r.Pulumi.Stacks["dev"].Message = "0123456789", "Return to "+imageV1
	for _, tt := range []struct{ env, out, want string }{
		{"STACK=staging", imageV1 + "\n", ""},
		{"STACK=odd COMMIT=-", elsewhere + "\n", ""},
		{"STACK=prod", "", `is "failed", not succeeded`},
		{"STACK=dev", "", `is "returned", not succeeded`},
		{"STACK=staging COMMIT=9999999", "", "commit 9999999"},
		{"STACK=fresh COMMIT=-", "", "runs no image"},
		{"STACK=forbidden COMMIT=-", "", "403 Forbidden"},
	} {
		if out, _ := r.Try(tt.env, tt.want, deploy.Image, strings.Fields(tt.env)...); out != tt.out {
			t.Errorf("%s: got %q", tt.env, out)
		}
	}
}

// Promotion accepts what main's sign workflow signed on main, in dev's repository.
func TestVerify(t *testing.T) {
	tools := t.TempDir()
	for _, tool := range []string{"gh", "gcloud"} {
		runtest.Script(t, tools, tool, "echo "+tool+" \"$@\" >> "+tools+"/calls\n[ ! -e "+tools+"/refuse ] || [ "+tool+" = gcloud ]")
	}
	r := runtest.New(t, "IMAGE="+imageV1)
	verify := func(images, complaint string) {
		t.Helper()
		r.Write(run.GoogleFile, "IMAGES="+images+"\n")
		r.Try(images, complaint, deploy.Verify, "IMAGES="+runtest.Repository)
	}
	verify(runtest.Repository, "")
	const exact = "gh attestation verify oci://" + imageV1 + " --repo o/r --cert-identity https://github.com/o/r/.github/workflows/sign.yml@refs/heads/main" +
		" --cert-oidc-issuer https://token.actions.githubusercontent.com --source-ref refs/heads/main --predicate-type https://slsa.dev/provenance/v1\n"
	if calls := runtest.Read(t, tools+"/calls"); !strings.HasSuffix(calls, exact) {
		t.Errorf("ran %q, want %q", calls, exact)
	}
	runtest.Write(t, tools+"/refuse", "")
	verify(runtest.Repository, "does not attest")
	verify("europe-west1-docker.pkg.dev/evil/hello-timber-dev/timber-tutorial", "where dev pushes")
	verify("", `is not in ""`)
}

// A change of app/ needs a new imageVersion, if tags are immutable, whatever the project's name.
func TestVersion(t *testing.T) {
	r := runtest.New(t)
	git(t, r.Folder, "init", "--quiet", "--initial-branch=main")
	r.Write("Pulumi.yaml", regexp.MustCompile(`(?m)^name: .*`).ReplaceAllString(runtest.Read(t, "../../Pulumi.yaml"), "name: shop"))
	for _, step := range []struct{ app, config, base, want string }{
		{"one", "immutableTags: true\n  shop:imageVersion: v1", "HEAD", ""},
		{"one", "immutableTags: true\n  shop:imageVersion: v1\n  shop:replicas: 2", "HEAD~1", ""},
		{"two", "immutableTags: true\n  shop:imageVersion: v1", "HEAD~1", "imageVersion of dev is still v1"},
		{"three", "immutableTags: true\n  shop:imageVersion: v2", "HEAD~1", ""},
		{"four", "immutableTags: false\n  shop:imageVersion: v2", "HEAD~1", ""},
		{"five", "imageVersion: v2", "HEAD~1", "imageVersion of dev is still v2"},
		{"default", "replicas: 1", "HEAD~1", ""},
		{"default again", "replicas: 1", "HEAD~1", "imageVersion of dev is still v1"},
		{"six", "imageVersion: v3", "none", "compare app/ with none"},
	} {
		r.Write("app/main.go", step.app)
		r.Write("Pulumi.dev.yaml", "config:\n  shop:"+step.config+"\n")
		git(t, r.Folder, "add", ".")
		git(t, r.Folder, "commit", "--quiet", "--message", "step")
		r.Try(step.app, step.want, deploy.Version, "BASE="+step.base)
	}
}
