package run

import (
	"io"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for text, secret := range map[string]string{
		"token ya29.a0AfH6SMB-x_y.z expired":                                   "a0AfH6SMB",
		"login failed: password=hunter2, try again":                            "hunter2",
		`{"password": "hunter2", "user": "me"}`:                                "hunter2",
		`{\"password\": \"hunter2\"}`:                                          "hunter2",
		"DB_PASSWORD: hunter2":                                                 "hunter2",
		"Authorization: Bearer abcdefghijklmnop":                               "abcdefghijklmnop",
		"GET https://user:hunter2@proxy.example/x":                             "hunter2",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": "MIIE",
		"-----BEGIN PRIVATE KEY-----\nMIIE, cut":                               "MIIE",
		"ghp_abcdefghijklmnopqrstuvwxyz0123456789":                             "abcdefghij",
		"jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end":            "c2lnbmF0dXJl",
		`{"auths": {"registry.example.com": {"auth": "dXNlcjpodW50ZXIy"}}}`:    "dXNlcjpod",
		`{\"auth\": \"dXNlcjpodW50ZXIy\"}`:                                     "dXNlcjpod",
		"key AIzaSyA-abcdefghijklmnopqrstuvwxyz01234":                          "abcdefghij",
		"mysql --password hunter2 --host db":                                   "hunter2",
		"login --token 'hunter two'":                                           "two",
		"tool -db-pass hunter2":                                                "hunter2",
		"user=me pwd=hunter2;":                                                 "hunter2",
		"DB_PASS=hunter2":                                                      "hunter2",
		"https://a.blob.core.windows.net/x?sv=1&sig=hunter2%3D&se=2":           "hunter2",
		"Cookie: session=hunter2; theme=dark":                                  "hunter2",
		"set-cookie: theme=dark; session=hunter2":                              "hunter2",
		"Authorization: Token hunter2":                                         "hunter2",
		"fetch https://hunter2@example.com/x":                                  "hunter2",
		"postgres://me:hun/ter2@db/x":                                          "ter2",
		"postgres://me:hun@ter2@db/x":                                          "ter2",
		"secret=hun/ter2 end":                                                  "ter2",
		`{"token":{"value":"hunter2"}}`:                                        "hunter2",
		`{"token": {"id": 1, "value": "hunter2"}}`:                             "hunter2",
		`[{"name":"DB_PASSWORD","value":"hunter2"}]`:                           "hunter2",
		"AccountKey=hunter2==;EndpointSuffix=x":                                "hunter2",
		"glpat-abcdefghij0123456789":                                           "abcdefghij",
		"glrt-t1_abcdefghij0123456789":                                         "abcdefghij",
		"client GOCSPX-abcdefghij0123456789":                                   "abcdefghij",
		"key AKIAABCDEFGHIJ012345 of AWS":                                      "ABCDEFGHIJ",
		"curl -H 'X: Bearer abcdefghijklmnop'":                                 "abcdefghijklmnop",
		"npm_abcdefghijklmnopqrstuvwxyz0123456789":                             "abcdefghij",
		"xoxb-123456789012-abcdefghij":                                         "abcdefghij",
		"sk_live_abcdefghij0123456789":                                         "abcdefghij",
		"hvs.abcdefghij0123456789abcdefghij":                                   "abcdefghij",
		"1//0gabcdefghij0123456789-abcdefghij":                                 "abcdefghij",
		"dckr_pat_abcdefghij0123456789":                                        "abcdefghij",
		"sk-ant-api03-abcdefghij0123456789":                                    "abcdefghij",
		"SG.abcdefghij0123456789.abcdefghij0123456789":                         "abcdefghij",
		"pypi-AgEIcHlwaS5vcmcabcdefghij":                                       "abcdefghij",
		"https://hooks.slack.com/services/T0/B0/abcdefghij":                    "abcdefghij",
		`{"password": "a\"hunter2"}`:                                           "hunter2",
		`"{\"password\":\"a\\\"hunter2\"}"`:                                    "hunter2",
		`{"a":"{\"b\":\"{\\\"password\\\":\\\"hunter2\\\"}\"}"}`:               "hunter2",
		`password="hunter2, cut`:                                               "hunter2",
		"https://storage.example.com/x?X-Goog-Signature=hunter2&X=1":           "hunter2",
		"curl --user me:hunter2 https://example.com":                           "hunter2",
		"SESSION_KEY=hunter2":                                                  "hunter2",
		`"signingKey": "hunter2"`:                                              "hunter2",
		"glsa_abcdefghij0123456789":                                            "abcdefghij",
		"https://discord.com/api/webhooks/1/abcdefghij":                        "abcdefghij",
		"https://acme.webhook.office.com/webhookb2/abcdefghij@x":               "abcdefghij",
		"data LS0tLS1CRUdJTiBSU0E=":                                            "UdJTiBSU0",
		"X-Auth-Key: hunter2":                                                  "hunter2",
		"token => 'hunter2'":                                                   "hunter2",
		`token := "hunter2"`:                                                   "hunter2",
		"- name: DB_PASSWORD\n  value: hunter2":                                "hunter2",
		"dbpass=hunter2":                                                       "hunter2",
		"AGE-SECRET-KEY-1ABCDEFGHIJKLMNOPQRSTUVWXYZ":                           "ABCDEFGHIJ",
		"dop_v1_abcdefghij0123456789":                                          "abcdefghij",
		"hf_abcdefghijklmnopqrstuvwxyz":                                        "abcdefghij",
	} {
		if masked := Mask(text); strings.Contains(masked, secret) || !strings.Contains(masked, Hidden) {
			t.Errorf("%q becomes %q", text, masked)
		}
	}
	for _, harmless := range []string{
		"replicas: 0 is not a whole number from 1 to 100", `Deployment "timber" exceeded its progress deadline`,
		"europe-west1-docker.pkg.dev/p/r/timber@sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", `secrets "environment" is forbidden`, `{"imagePullSecrets":[{"name":"pull"}]}`,
		`{"automountServiceAccountToken":false}`, "bypass=1, design: new, 3 passed: yes", "https://example.com/a/@scope/b", "https://example.com:443/x@v1", "https://example.com:8080/x",
		"go get example.com/x@v1.2.3", "mail me@example.com", "task-abcdefghij0123456789-0123456789", "pulumi up --stack dev", `{"secret":{"items":[]}}`,
		"docker run -u 65532:65532 timber", "the signature is of main", `kubectl: "gcloud container clusters get-credentials timber-1 --zone z"`,
	} {
		if masked := Mask(harmless); masked != harmless {
			t.Errorf("%q becomes %q", harmless, masked)
		}
	}
}

// The approver of an address that is a secret sees its host.
func TestMaskShowsHosts(t *testing.T) {
	if got := Mask("https://hooks.example.com/T0/B0"); got != "https://hooks.example.com/"+Hidden {
		t.Errorf("got %s", got)
	}
}

// What a command prints is hidden also if it comes in parts, and all of it comes.
func TestMasked(t *testing.T) {
	const text = "first\npassword=hunter2\n-----BEGIN PRIVATE KEY-----\nhunter2\nhunter2\n-----END PRIVATE KEY-----\nrest, token: hunter2"
	for _, size := range []int{1, 7, 1000} {
		var shown strings.Builder
		w := &masked{to: &shown}
		for rest := text; rest != ""; {
			part := rest[:min(size, len(rest))]
			if n, err := io.WriteString(w, part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
			rest = rest[len(part):]
		}
		w.flush()
		if want := "first\npassword=[secret]\n[secret]\nrest, token: [secret]"; shown.String() != want {
			t.Errorf("in parts of %d: %q, want %q", size, shown.String(), want)
		}
	}
}
