package plan

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// fingerprint is the same for two previews that would do the same to the same state,
// and another one for every difference that a person could mind. The engine's events
// have no plaintext of a secret. A secret that differs shows in what stores it: the
// config file and the state. The state is the key, so that a reader of the fingerprint,
// who has no state, cannot try what it was made of. A stack that was never deployed has
// an empty key and nothing to hide: its secrets are ciphertext in the config file.
func (r *Recorder) fingerprint(state []byte, configFile, image string) (string, error) {
	steps := make([]apitype.StepEventMetadata, len(r.steps))
	var names []string
	for i, step := range r.steps {
		// The outputs of a preview are guesses. Those of the state are in the key.
		step.Old, step.New = withoutOutputs(step.Old), withoutOutputs(step.New)
		step.Keys, step.Diffs = slices.Sorted(slices.Values(step.Keys)), slices.Sorted(slices.Values(step.Diffs))
		steps[i] = step
		if name := drawnName(step); name != "" {
			names = append(names, name, "\x00"+step.URN+"\x00") // which is in no JSON
		}
	}
	// Resources are updated side by side, in any order; the steps of one are in order.
	slices.SortStableFunc(steps, func(a, b apitype.StepEventMetadata) int { return cmp.Compare(a.URN, b.URN) })
	text, err := json.Marshal(struct {
		Commit, Image, ConfigFile string
		Steps                     []apitype.StepEventMetadata
	}{r.Plan.Commit, image, configFile, steps})
	if err != nil {
		return "", err
	}
	hash := hmac.New(sha256.New, state)
	hash.Write([]byte(strings.NewReplacer(names...).Replace(string(text))))
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func withoutOutputs(s *apitype.StepEventStateMetadata) *apitype.StepEventStateMetadata {
	if s == nil {
		return nil
	}
	inputs := *s
	inputs.Outputs = nil
	return &inputs
}

// drawnName is the name with a random suffix that the engine has drawn for a new
// resource in this preview, or empty. It draws another one in each preview and for the
// update. Bridged providers note it in __defaults, the Kubernetes provider in an annotation.
func drawnName(step apitype.StepEventMetadata) string {
	nameOf := func(s *apitype.StepEventStateMetadata) (name string, drawn bool) {
		if s == nil {
			return "", false
		}
		if name, _ = s.Inputs["name"].(string); name != "" {
			defaults, _ := s.Inputs["__defaults"].([]any)
			return name, slices.Contains(defaults, any("name"))
		}
		metadata, _ := s.Inputs["metadata"].(map[string]any)
		name, _ = metadata["name"].(string)
		annotations, _ := metadata["annotations"].(map[string]any)
		return name, annotations["pulumi.com/autonamed"] == "true"
	}
	before, _ := nameOf(step.Old)
	if name, drawn := nameOf(step.New); drawn && name != before {
		return name
	}
	return ""
}
