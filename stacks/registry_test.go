package stacks

import (
	"fmt"
	"testing"
)

// TestRegistryIsInTheClustersRegion: pulls are fast, and free.
func TestRegistryIsInTheClustersRegion(t *testing.T) {
	for _, location := range []string{"us-central1-a", "us-central1"} {
		c, _ := deployDev(t, map[string]string{"hello-timber:location": location})
		want(t, c.inputs(t, typeRepository), "location", "us-central1")
		want(t, c.inputs(t, typeReader), "location", "us-central1")
		want(t, c.inputs(t, typeImage), "registry.server", "us-central1-docker.pkg.dev")
	}
}

func TestImmutableTags(t *testing.T) {
	for _, immutable := range []bool{true, false} {
		c, _ := deployDev(t, map[string]string{"hello-timber:immutableTags": fmt.Sprint(immutable)})
		want(t, c.inputs(t, typeRepository), "dockerConfig.immutableTags", immutable)
	}
}

// TestCleanupDeletesNothingThatMayRun: all deletions are of old versions without a
// tag, and the last versions are kept whether they have one or not.
func TestCleanupDeletesNothingThatMayRun(t *testing.T) {
	c, _ := deployDev(t, nil)
	inputs := c.inputs(t, typeRepository)
	want(t, inputs, "cleanupPolicyDryRun", false)
	kept := 0.0
	for _, policy := range inputs["cleanupPolicies"].ArrayValue() {
		p := policy.ObjectValue()
		switch p["action"].StringValue() {
		case "DELETE":
			want(t, p, "condition.tagState", "UNTAGGED")
			want(t, p, "condition.olderThan", "2592000s")
		case "KEEP":
			kept = p["mostRecentVersions"].ObjectValue()["keepCount"].NumberValue()
		}
	}
	if kept < 2 { // a rollout runs the old and the new
		t.Errorf("%v versions are kept", kept)
	}
}

// TestReaderOfTheImagesRepository: the nodes may read the repository that they
// pull from, which is another stack's after a promotion, and no other.
func TestReaderOfTheImagesRepository(t *testing.T) {
	for image, want := range map[string][3]string{
		"":         {"my-project", "europe-west1", "hello-timber-dev"},
		testDigest: {"my-project", "europe-west1", "hello-timber-dev"},
		promoted:   {"staging-project", "europe-west4", "hello-timber-staging"},
	} {
		c, _ := deployDev(t, map[string]string{"hello-timber:image": image})
		reader := c.inputs(t, typeReader) // there is but one
		if got := [3]string{reader["project"].StringValue(), reader["location"].StringValue(), reader["repository"].StringValue()}; got != want {
			t.Errorf("image %q: the nodes may read %v, want %v", image, got, want)
		}
		if !c.dependencies(t, typeReader)[typeRepository+" hello-timber"] {
			t.Errorf("image %q: the right to read does not wait for the repository", image)
		}
	}
}
