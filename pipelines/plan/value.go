package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

// leaves lists the values below v, without the engine's and the providers' own notes.
func leaves(path string, v any, as func(value string) Property) []Property {
	var list []Property
	switch v := plain(v).(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch {
			case strings.HasPrefix(key, "__"):
			case strings.ContainsAny(key, `."[]`):
				list = append(list, leaves(path+"["+strconv.Quote(key)+"]", v[key], as)...)
			case path == "":
				list = append(list, leaves(key, v[key], as)...)
			default:
				list = append(list, leaves(path+"."+key, v[key], as)...)
			}
		}
	case []any:
		for i, element := range v {
			list = append(list, leaves(fmt.Sprintf("%s[%d]", path, i), element, as)...)
		}
	default:
		p := as(run.MaskAt(path, show(v)))
		p.Path = path
		list = append(list, p)
	}
	return list
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
		v = plain(v)
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

// plain replaces the engine's form of a secret.
func plain(v any) any {
	if object, ok := v.(map[string]any); ok && object[resource.SigKey] == resource.SecretSig {
		return run.Hidden
	}
	return v
}

// plainAll replaces all secrets in a value.
func plainAll(v any) any {
	switch v := plain(v).(type) {
	case map[string]any:
		object := map[string]any{}
		for key, element := range v {
			object[key] = plainAll(element)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = plainAll(element)
		}
		return list
	default:
		return v
	}
}

func different(path string, replaces bool, before, after any) Property {
	p := Property{Path: path, Replaces: replaces}
	if before != nil {
		p.Old = run.MaskAt(path, show(before))
	}
	if after != nil {
		p.New = run.MaskAt(path, show(after))
	}
	return p
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

// show writes a value in one line.
func show(v any) string {
	if _, ok := v.(missing); ok {
		return "?"
	}
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plainAll(v)); err != nil {
		return "?"
	}
	text := strings.ReplaceAll(strings.TrimSpace(line.String()), `"`+plugin.UnknownStringValue+`"`, "known after the update")
	return run.Mask(text)
}
