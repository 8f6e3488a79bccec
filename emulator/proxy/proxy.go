// Package proxy knows the variables that name proxies.
package proxy

import (
	"cmp"
	"strings"
)

// Build returns what the build of an image gets of an environment: the proxies and their
// exemptions, each in both spellings, because apt-get reads only small letters and other
// programs only capitals. Docker keeps these build arguments out of images and caches.
func Build(get func(string) string) map[string]string {
	variables := map[string]string{}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		small := strings.ToLower(name)
		if value := cmp.Or(get(small), get(name)); value != "" {
			variables[name], variables[small] = value, value
		}
	}
	return variables
}
