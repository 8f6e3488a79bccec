package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"

	"hello-timber/pipelines/run"
)

// ChangeOf is a change of the resource with this URN. A text that is none is shown as it is.
func ChangeOf(op Op, text string) Change {
	u := urn.URN(text)
	if !u.IsValid() {
		return Change{Op: op, Name: text}
	}
	return Change{Op: op, Type: string(u.Type()), Name: u.Name()}
}

// notes are the engine's and the providers' own names in a resource's inputs; __defaults is also
// below. A file of the user's, such as __main__.py in a ConfigMap, is none.
var notes = []string{"__fieldManager", "__initialApiVersion", "__inputs", "__internal", "__meta", "__provider"}

// leaves visits the values below v, without notes. An object or list with nothing in it is one,
// too: in a network policy, {} is everyone.
func leaves(path resource.PropertyPath, v any, visit func(path string, v any)) {
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if key != "__defaults" && (len(path) > 0 || !slices.Contains(notes, key)) {
			leaves(append(path, key), object[key], visit)
		}
	}
	for i, element := range list {
		leaves(append(path, i), element, visit)
	}
	if !isObject && !isList || len(object)+len(list) == 0 && len(path) > 0 {
		visit(path.String(), v)
	}
}

// missing is a value that the event does not have.
type missing struct{}

// value is what is at a path such as a.b[0]["c.d"] of a resource's inputs or
// outputs, or of the others if these have none.
func value(s *apitype.StepEventStateMetadata, path string, inputs bool) any {
	keys, err := resource.ParsePropertyPath(path)
	if s == nil || err != nil {
		return missing{}
	}
	sides := []map[string]any{s.Inputs, s.Outputs}
	if !inputs {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if found := below(side, keys); found != nil {
			return found
		}
	}
	return missing{}
}

// below follows a path. What is below a secret is a secret.
func below(v any, keys resource.PropertyPath) any {
	for _, key := range keys {
		if v == run.Hidden {
			return v
		}
		switch key := key.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[key]
		case int:
			list, _ := v.([]any)
			if key < 0 || key >= len(list) {
				return nil
			}
			v = list[key]
		}
	}
	return v
}

// hideIn hides the secrets of a state.
func hideIn(s *apitype.StepEventStateMetadata) *apitype.StepEventStateMetadata {
	if s == nil {
		return nil
	}
	shown := *s
	shown.Inputs, _ = hide(s.Inputs).(map[string]any)
	shown.Outputs, _ = hide(s.Outputs).(map[string]any)
	return &shown
}

// hide replaces the engine's form of secrets in a value.
func hide(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v[resource.SigKey] == resource.SecretSig {
			return run.Hidden
		}
		object := map[string]any{}
		for key, element := range v {
			object[key] = hide(element)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = hide(element)
		}
		return list
	}
	return v
}

// show writes the value at a path in one line, masked.
func show(path string, v any) string {
	if _, ok := v.(missing); ok {
		return "?"
	}
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "?"
	}
	text := strings.ReplaceAll(strings.TrimSpace(line.String()), `"`+plugin.UnknownStringValue+`"`, "known after the update")
	return run.MaskAt(path, run.Mask(text))
}
