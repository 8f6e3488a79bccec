package main

import (
	"regexp"
	"strings"
)

const hidden = "[secret]"

// secrets are the shapes of credentials that a provider or a build may print.
// Pulumi masks what the program marks as secret; this catches the rest.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE)[A-Z0-9 ]*-----.*?(?:-----END [A-Z0-9 ]+-----|$)`),
	regexp.MustCompile(`\bya29\.[\w.-]+`),
	regexp.MustCompile(`\bAIza[\w-]{30,}`),
	regexp.MustCompile(`\bGOCSPX-[\w-]+`),
	regexp.MustCompile(`\b(?:gh[oprsu]_\w{20,}|github_pat_\w{20,})`),
	regexp.MustCompile(`\bpul-[0-9a-f]{32,}`),
	regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?`),
	regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`),
	regexp.MustCompile(`\\?"auth\\?"\s*:\s*\\?"[\w.+/=-]+\\?"`), // a Docker config's login
}

var (
	// assigned is a name that says what its value is: password=…, "token": "…", Authorization: Bearer ….
	assigned = regexp.MustCompile(`(?i)(["']?[\w.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|authorization)[\w.-]*\\?["']?\s*[:=]\s*(?:bearer\s+|basic\s+)?)` +
		`(\\?"(?:[^"\\]|\\[^"])*\\?"|'[^']*'|[^\s"',;&{}\[\]][^\s"',;&}\]]*)`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[\w.~+/-]{12,}=*`)
	userinfo = regexp.MustCompile(`(://)[^\s/@:]*:[^\s/@]+@`)
)

// mask hides what looks like a credential.
func mask(text string) string {
	for _, shape := range secrets {
		text = shape.ReplaceAllString(text, hidden)
	}
	text = userinfo.ReplaceAllString(text, "${1}"+hidden+"@")
	text = assigned.ReplaceAllStringFunc(text, func(found string) string {
		parts := assigned.FindStringSubmatch(found)
		if strings.Trim(parts[2], `"'\`) == hidden || strings.HasPrefix(parts[2], hidden[:7]) {
			return found
		}
		return parts[1] + hidden
	})
	return bearer.ReplaceAllString(text, "${1} "+hidden)
}
