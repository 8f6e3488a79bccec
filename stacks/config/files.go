package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Read returns the configuration of a stack to those outside of the program: what
// Pulumi.STACK.yaml sets, and the defaults of Pulumi.yaml. Keys are named as in the table,
// and values are as the CLI passes them. Encrypted values stay so, and only their keys are
// returned. read is os.ReadFile, or reads another commit.
func Read(read func(name string) ([]byte, error), stack string) (values map[string]string, secret []string, err error) {
	var project, chosen struct {
		Name   string
		Config map[string]any
	}
	own := "Pulumi." + path.Base(stack) + ".yaml" // of ORGANIZATION/STACK, too
	for name, into := range map[string]any{"Pulumi.yaml": &project, own: &chosen} {
		text, err := read(name)
		if name == own && errors.Is(err, fs.ErrNotExist) {
			continue // nothing is set
		}
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	values = map[string]string{}
	for key, declared := range project.Config {
		if declaration, ok := declared.(map[string]any); ok && declaration["default"] != nil { // else it is a setting of Pulumi itself
			values[key] = asText(declaration["default"])
		}
	}
	for key, value := range chosen.Config {
		key = strings.TrimPrefix(key, project.Name+":")
		if values[key] = asText(value); strings.Contains(values[key], `{"secure":"`) { // or a part of it
			delete(values, key)
			secret = append(secret, key)
		}
	}
	slices.Sort(secret)
	return values, secret, nil
}

// asText returns a value of a file as the CLI passes it.
func asText(value any) string {
	switch value.(type) {
	case nil:
		return ""
	case map[string]any, []any:
		text, _ := json.Marshal(value) // it comes from YAML
		return string(text)
	}
	return fmt.Sprint(value)
}
