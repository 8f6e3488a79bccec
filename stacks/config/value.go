package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// value is the type of a key, and how its text is checked and stored.
type value struct {
	typ  string // as in Pulumi.yaml
	rule string // completes "VALUE is not …"
	// read stores the value. It returns false if the value breaks the rule.
	read func(text string) bool
}

// text is a value that is stored as it is.
func text(field *string, rule string, ok func(string) bool) value {
	return value{"string", rule, func(text string) bool {
		*field = text
		return ok(text)
	}}
}

// number is a whole number from 1 to limit.
func number(field *int, limit int) value {
	return value{"integer", fmt.Sprintf("a whole number from 1 to %d", limit), func(text string) bool {
		n, err := strconv.Atoi(text)
		*field = n
		return err == nil && n <= limit && isWholeNumber(text)
	}}
}

// orNone also accepts 0, which leaves the field as it is.
func orNone(v value) value {
	return value{v.typ, v.rule + ", or 0 for none", func(text string) bool { return text == "0" || v.read(text) }}
}

func boolean(field *bool) value {
	return value{"boolean", "true or false", func(text string) bool {
		*field = text == "true"
		return text == "true" || text == "false"
	}}
}

// list is values separated by commas. It is sorted, so that another order in the
// configuration is not a change. The texts in none are an empty list.
func list(field *[]string, rule string, ok func(string) bool, none ...string) value {
	return value{"string", rule, func(text string) bool {
		if slices.Contains(none, text) {
			return true
		}
		items := strings.Split(text, ",")
		slices.Sort(items)
		*field = slices.Compact(items)
		return !slices.ContainsFunc(*field, func(item string) bool { return !ok(item) })
	}}
}

// pair is two different values separated by a comma, in this order, or empty.
func pair(first, second *string, rule string, ok func(string) bool) value {
	return value{"string", rule, func(text string) bool {
		*first, *second, _ = strings.Cut(text, ",")
		return text == "" || ok(*first) && ok(*second) && *first != *second
	}}
}

// variables is names with values. Numbers are kept as they are written. A value
// that is not text, number or boolean becomes noValue, which checkEnvironment refuses.
func variables(field *map[string]string) value {
	return value{"object", "names with values", func(text string) bool {
		var values map[string]any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&values); err != nil {
			return false
		}
		for name, v := range values {
			if *field == nil {
				*field = map[string]string{}
			}
			switch v.(type) {
			case string, json.Number, bool:
				(*field)[name] = fmt.Sprint(v)
			default:
				(*field)[name] = noValue
			}
		}
		return true
	}}
}

// noValue cannot be the value of an environment variable.
const noValue = "\x00"
