package stacks

import "testing"

// TestRegistryIsInTheClustersRegion: pulls are fast, and free.
func TestRegistryIsInTheClustersRegion(t *testing.T) {
	for _, location := range []string{"us-central1-a", "us-central1"} {
		c, _ := deployDev(t, map[string]string{"hello-timber:location": location})
		want(t, c.inputs(t, typeRepository), "location", "us-central1")
		want(t, c.inputs(t, typeReader), "location", "us-central1")
		want(t, c.inputs(t, typeImage), "registry.server", "us-central1-docker.pkg.dev")
	}
}
