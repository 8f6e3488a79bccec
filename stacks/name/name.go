// Package name says what a stack may be called. A typed name becomes part of paths, so
// pipelines/ and emulator/setup check it. The latter imports no package that has to be
// downloaded.
package name

import "regexp"

// IsStack reports whether a text keeps Rule.
var IsStack = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`).MatchString

// Rule completes the sentence: it is not …
const Rule = "a stack's name (1 to 40 lowercase letters, digits and inner hyphens)"
