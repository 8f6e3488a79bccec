package run

import (
	"bytes"
	"io"
	"regexp"
	"strings"
)

// Hidden is shown in place of a secret.
const Hidden = "[secret]"

// secrets are the shapes of credentials that a provider or a build may print.
// Pulumi masks what the program marks as secret; this catches the rest.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE)[A-Z0-9 ]*-----.*?(?:-----END [A-Z0-9 ]+-----|$)`),
	regexp.MustCompile(`\bLS0tLS1CRUdJTi[\w+/]+=*`),                         // the same in base64
	regexp.MustCompile(`\bya29\.[\w.-]+`),                                   // Google's access token,
	regexp.MustCompile(`\b1//0[\w-]{20,}`),                                  // refresh token,
	regexp.MustCompile(`\bAIza[\w-]{30,}`),                                  // API key
	regexp.MustCompile(`\bGOCSPX-[\w-]+`),                                   // and client secret
	regexp.MustCompile(`\b(?:gh[oprsu]_\w{20,}|github_pat_\w{20,})`),        // GitHub
	regexp.MustCompile(`\bgl[a-z]{2,6}-[\w.-]{20,}`),                        // GitLab
	regexp.MustCompile(`\b(?:pul-[0-9a-f]{32,}|npm_\w{30,})`),               // Pulumi, npm
	regexp.MustCompile(`\b(?:pypi|dckr_pat|dckr_oat|xox[a-z]|xapp)-[\w-]+`), // PyPI, Docker Hub, Slack
	regexp.MustCompile(`\bdckr_[a-z]+_[\w-]{20,}`),                          // Docker Hub
	regexp.MustCompile(`\b[prs]k_(?:live|test)_\w{10,}`),                    // Stripe
	regexp.MustCompile(`\bhv[brs]\.[\w-]{20,}`),                             // Vault
	regexp.MustCompile(`\bsk-[\w-]{20,}`),                                   // OpenAI, Anthropic
	regexp.MustCompile(`\bSG\.[\w-]{16,}\.[\w-]{16,}`),                      // SendGrid
	regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?`),            // a JSON Web Token
	regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`),                     // AWS
	regexp.MustCompile(`\\?"auth\\?"\s*:\s*\\?"[\w.+/=-]+\\?"`),             // a Docker config's login
	regexp.MustCompile(`\b(?:AGE-SECRET-KEY-1|do[opr]_v1_|hf_)\w{20,}`),     // age, DigitalOcean, Hugging Face
	regexp.MustCompile(`\b(?:glsa_|whsec_|ATATT3)[\w=+/-]{20,}`),            // Grafana, Stripe's webhooks, Atlassian
}

const (
	// says is a name that says what its value is, wherever it is in a longer one, and
	// saysShort one that is also part of other words.
	says      = `[\w.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|(?:private|access|account|auth|encryption|license|session|signing)[_-]?key|authorization|credential)[\w.-]*`
	saysShort = `(?:\b|_|db)(?:pass|pwd|sig)`
	// saidValue is quoted, also inside a quoted text or one inside that, or ends with the
	// word. The end of a quoted one may be cut off.
	saidValue = `("(?:[^"\\]|\\(?s:.))*(?:"|$)|\\"(?:[^"\\]|\\\\\\"|\\[^"])*(?:\\"|$)|\\{2,}"[^"]*(?:"|$)|'[^']*'|[^\s"',;&{}\[\]][^\s"',;&}\]]*)`
)

// assigned are values with a name: in each, the last group is the value.
var assigned = []*regexp.Regexp{
	// password=…, "token": "…", ?sig=…, Authorization: Bearer …
	regexp.MustCompile(`(?i)(["']?(?:` + says + `|` + saysShort + `)\\*["']?\s*(?::=|=>|[:=])\s*(?:(?:bearer|basic|digest|token)\s+)?)` + saidValue),
	// --password …
	regexp.MustCompile(`(?i)((?:^|[^\w-])--?(?:` + says + `|[\w-]*` + saysShort + `)\s+)("[^"]*"|'[^']*'|[^\s"'-][^\s"']*)`),
	// "token": {"value": "…"}, and {"name": "TOKEN", "value": "…"}
	regexp.MustCompile(`(?i)(\\?"` + says + `\\?"\s*:\s*\{[^{}]*?\\?"(?:value|plaintext|data)\\?"\s*:\s*)` + saidValue),
	regexp.MustCompile(`(?i)(\\?"name\\?"\s*:\s*\\?"` + says + `\\?"\s*,\s*\\?"value\\?"\s*:\s*)` + saidValue),
	// - name: TOKEN, and value: … in the next line
	regexp.MustCompile(`(?i)(\bname:\s*["']?` + says + `["']?\s*\n\s*value:\s*)` + saidValue),
	// Cookie: …; …
	regexp.MustCompile(`(?i)(\b(?:set-)?cookie\\?["']?\s*[:=]\s*)([^\r\n]+)`),
	// https://user:…@host, the password with whatever is in it, and https://…@host
	regexp.MustCompile(`(://)([^\s/@:"']*:[^\s"'<>]+)@`),
	regexp.MustCompile(`(://)([^\s/@"']+)@`),
	// The host of an address that is a secret shows who gets what is sent there.
	regexp.MustCompile(`(?i)(\bhttps://(?:hooks\.[\w.]+|discord(?:app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com)/)([\w/@-]+)`),
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)([\w.~+/-]{12,}=*)`),
	// …&X-Goog-Signature=…, and curl --user me:…, but no user's and group's numbers
	regexp.MustCompile(`(?i)(\b(?:[\w-]*-)?signature=)([^\s"'&,;]+)`),
	regexp.MustCompile(`(\s(?:-u|--user|--proxy-user)[ =]["']?[^\s:"']+:)([^\s"']*[^\s"'\d][^\s"']*)`),
}

// port begins the rest of an address whose host has no user: https://host:443/…@…
var port = regexp.MustCompile(`^[^\s:/@]+:\d+/`)

// Mask hides what looks like a credential.
func Mask(text string) string {
	for _, shape := range secrets {
		text = shape.ReplaceAllString(text, Hidden)
	}
	for _, shape := range assigned {
		text = shape.ReplaceAllStringFunc(text, func(found string) string {
			at := shape.FindStringSubmatchIndex(found)
			switch value := found[at[4]:at[5]]; {
			case port.MatchString(value), strings.HasPrefix(strings.TrimLeft(value, `"'\`), Hidden[:7]), value == "true", value == "false", value == "null":
				return found
			}
			return found[:at[4]] + Hidden + found[at[5]:]
		})
	}
	return text
}

// masked hides what looks like a credential in what a command prints, line by line.
type masked struct {
	to   io.Writer
	rest []byte // of the last line
}

// longestKey is more than a private key has.
const longestKey = 64 << 10

func (m *masked) Write(text []byte) (int, error) {
	m.rest = append(m.rest, text...)
	end := bytes.LastIndexByte(m.rest, '\n') + 1
	begin := bytes.LastIndex(m.rest[:end], []byte("-----BEGIN "))
	if begin >= 0 && end-begin < longestKey && !bytes.Contains(m.rest[begin:end], []byte("-----END ")) {
		end = begin // the lines of a key are hidden together
	}
	_, err := io.WriteString(m.to, Mask(string(m.rest[:end])))
	m.rest = append([]byte(nil), m.rest[end:]...)
	return len(text), err
}

// flush writes a last line that does not end.
func (m *masked) flush() { _, _ = io.WriteString(m.to, Mask(string(m.rest))) }

var secretPath = regexp.MustCompile(`(?i)(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|authorization|credentials?)(?:"\])?$`).MatchString

// MaskAt hides the text of a property whose path says that it is a secret.
func MaskAt(path, text string) string {
	if secretPath(path) && strings.HasPrefix(text, `"`) && text != `"`+Hidden+`"` {
		return Hidden
	}
	return text
}
