package gcp

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// defaults is where the bridge between Pulumi and Terraform's providers keeps
// which inputs it chose.
const defaults = "__defaults"

func autonamed(inputs resource.PropertyMap) bool {
	return slices.ContainsFunc(items(inputs[defaults]), func(v resource.PropertyValue) bool {
		return v.IsString() && v.StringValue() == "name"
	})
}

// check fills in defaults and reports every property that is unknown, missing or
// malformed.
func (s *schema) check(req plugin.CheckRequest, report func(reason string)) (resource.PropertyMap, error) {
	in := req.News.Copy()
	delete(in, defaults)
	var chosen []string
	if s.named && in["name"].IsNull() {
		chosen = append(chosen, "name")
		if in["name"] = req.Olds["name"]; !autonamed(req.Olds) {
			name, err := resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", 7, 0, nil)
			if err != nil {
				return nil, err
			}
			in["name"] = resource.NewProperty(name)
		}
	}
	return s.checkFields(s.fields, "", in, chosen, report), nil
}

func (s *schema) checkFields(fs fields, path string, in resource.PropertyMap, chosen []string, report func(reason string)) resource.PropertyMap {
	for _, key := range in.StableKeys() {
		f, known := fs[string(key)]
		// A default comes back in the inputs of before, where their changes are ignored.
		isDefault := f.preset != nil && in[key].DeepEquals(resource.NewPropertyValue(f.preset))
		if !known || f.is(output) || f.is(refused) && !isDefault {
			report(fmt.Sprintf("the emulator's %s has no property %s", s.token, path+string(key)))
			continue
		}
		in[key] = s.checkValue(f, path+string(key), in[key], report)
	}
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		f, key := fs[name], resource.PropertyKey(name)
		if !in[key].IsNull() {
			continue
		}
		if f.preset != nil {
			in[key] = resource.NewPropertyValue(f.preset)
			chosen = append(chosen, name)
		} else if f.is(required) {
			report("Missing required property '" + path + name + "'")
		}
	}
	slices.Sort(chosen)
	list := make([]resource.PropertyValue, len(chosen))
	for i, name := range chosen {
		list[i] = resource.NewProperty(name)
	}
	in[defaults] = resource.NewProperty(list)
	return in
}

func (s *schema) checkValue(f field, at string, value resource.PropertyValue, report func(reason string)) resource.PropertyValue {
	if rule, ok := rules[at]; ok && value.IsString() {
		if reason := rule(value.StringValue()); reason != "" {
			report(reason)
		}
	}
	switch {
	case f.fields == nil:
	case value.IsObject():
		return resource.NewProperty(s.checkObject(f, at, value.ObjectValue(), report))
	case value.IsArray():
		list := make([]resource.PropertyValue, len(value.ArrayValue()))
		for i, element := range value.ArrayValue() {
			if list[i] = element; element.IsObject() {
				list[i] = resource.NewProperty(s.checkObject(f, fmt.Sprintf("%s[%d]", at, i), element.ObjectValue(), report))
			}
		}
		return resource.NewProperty(list)
	}
	return value
}

func (s *schema) checkObject(f field, at string, in resource.PropertyMap, report func(reason string)) resource.PropertyMap {
	in = in.Copy()
	delete(in, defaults)
	return s.checkFields(f.fields, at+".", in, nil, report)
}

var (
	accountID = regexp.MustCompile(`^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$`)
	principal = regexp.MustCompile(`(.+:.+|projectOwners|projectReaders|projectWriters|allUsers|allAuthenticatedUsers)`)
	lowercase = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// rules are what Terraform checks before it asks Google, by property and in its
// words (google-beta 5.42.0); the same for every type that has the property. They
// return nothing if all is well. Everything else is refused by Google: see refuse.go.
var rules = map[string]func(value string) string{
	"accountId": func(value string) string {
		return unless(accountID.MatchString(value), `"account_id" (%q) doesn't match regexp %q`, value, accountID)
	},
	"member": func(value string) string {
		return unless(principal.MatchString(value), "invalid value for member (IAM members must have one of the values outlined here: "+
			"https://cloud.google.com/billing/docs/reference/rest/v1/Policy#Binding)")
	},
	"service": func(value string) string {
		return unless(strings.Contains(value, "."), "expected %s to be a domain like serviceusage.googleapis.com", value)
	},
	"name": func(value string) string {
		return cmp.Or(
			unless(len(value) <= 40, `"name" cannot be longer than 40 characters`),
			unless(lowercase.MatchString(value), `"name" can only contain lowercase letters, numbers and hyphens`),
			unless(value[0] >= 'a', `"name" must start with a letter`),
			unless(value[len(value)-1] != '-', `"name" must end with a number or a letter`))
	},
	"privateClusterConfig.masterIpv4CidrBlock": func(value string) string {
		const name = "private_cluster_config.0.master_ipv4_cidr_block"
		_, block, err := net.ParseCIDR(value)
		if err != nil {
			return unless(value == "", "expected %s to contain a valid Value, got: %s with err: %s", name, value, err)
		}
		bits, _ := block.Mask.Size()
		return cmp.Or(
			unless(value == block.String(), "expected %s to contain a valid network Value, expected %s, got %s", name, block, value),
			unless(bits == 28, "expected %q to contain a network Value with between 28 and 28 significant bits, got: %d", name, bits))
	},
	"format": func(value string) string {
		return unless(strings.EqualFold(value, "DOCKER"), "the emulator's repositories are DOCKER, not %s", value)
	},
}

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}
