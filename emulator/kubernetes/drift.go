package kubernetes

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// project is live reduced to what inputs set, so that only a change to one of
// these counts as drift: no default of the server's, no status. quantities
// says that the strings below are amounts such as 500m, which is the same as
// 0.5.
func project(live, inputs any, quantities bool) any {
	switch inputs := inputs.(type) {
	case map[string]any:
		if live, ok := live.(map[string]any); ok {
			result := map[string]any{}
			for key, input := range inputs {
				if value, ok := live[key]; ok {
					result[key] = project(value, input, quantities || slices.Contains([]string{"limits", "requests", "sizeLimit"}, key))
				} else if isEmpty(input) {
					result[key] = input // the server leaves out what is empty
				}
			}
			return result
		}
	case []any:
		if live, ok := live.([]any); ok {
			result := []any{}
			for i, value := range live {
				if i < len(inputs) {
					result = append(result, project(value, inputs[i], quantities))
				} else if _, ok := value.(map[string]any); !ok {
					result = append(result, value) // others may add objects to a list, but not plain values
				}
			}
			return result
		}
	case string:
		if live, ok := live.(string); ok && quantities {
			a, errA := resource.ParseQuantity(live)
			b, errB := resource.ParseQuantity(inputs)
			if errA == nil && errB == nil && a.Cmp(b) == 0 {
				return inputs
			}
		}
	}
	return live
}

func isEmpty(value any) bool {
	v := reflect.ValueOf(value)
	return !v.IsValid() || v.IsZero() || (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0
}

// readable gives a Secret back the stringData that the server turns into data.
func readable(live *unstructured.Unstructured, inputs map[string]any) map[string]any {
	data, ok := live.Object["data"].(map[string]any)
	if live.GetKind() != "Secret" || inputs["stringData"] == nil || !ok {
		return live.Object
	}
	result, plain := maps.Clone(live.Object), map[string]any{}
	for key, value := range data {
		if text, err := base64.StdEncoding.DecodeString(fmt.Sprint(value)); err == nil {
			plain[key] = string(text)
		}
	}
	result["stringData"] = plain
	return result
}

// imported is what a program would have to say to get live.
func imported(live *unstructured.Unstructured) map[string]any {
	inputs := live.DeepCopy().Object
	delete(inputs, "status")
	for _, key := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
		unstructured.RemoveNestedField(inputs, "metadata", key)
	}
	for _, key := range []string{"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"} {
		unstructured.RemoveNestedField(inputs, "metadata", "annotations", key)
	}
	return inputs
}
