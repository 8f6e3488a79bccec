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

// TypeAndName reads a URN. A text that is none is shown as it is.
func TypeAndName(text string) (typ, name string) {
	u := urn.URN(text)
	if !u.IsValid() {
		return "", text
	}
	return string(u.Type()), u.Name()
}

// leaves visits the values below v, without the engine's and the providers' own notes.
func leaves(path resource.PropertyPath, v any, visit func(path string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !strings.HasPrefix(key, "__") {
				leaves(append(path, key), v[key], visit)
			}
		}
	case []any:
		for i, element := range v {
			leaves(append(path, i), element, visit)
		}
	default:
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

// Longest is how many bytes of one value are shown where there is little room.
const Longest = 300

// Cut leaves of long values the part around their first difference, so that two of
// them never look the same.
func (p Property) Cut() Property {
	from := 0
	if p.Old != "" && p.New != "" && max(len(p.Old), len(p.New)) > Longest {
		for from < min(len(p.Old), len(p.New)) && p.Old[from] == p.New[from] {
			from++
		}
		from = max(0, from-Longest/3)
	}
	p.Old, p.New = cut(p.Old, from), cut(p.New, from)
	return p
}

// cut shows the part of a value that begins at a byte.
func cut(text string, from int) string {
	start, end := "", ""
	if from > 0 {
		start = "…"
	}
	if len(text) > from+Longest {
		text, end = text[:from+Longest], "…"
	}
	return start + strings.ToValidUTF8(text[min(from, len(text)):], "") + end
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
