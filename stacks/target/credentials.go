package target

import (
	"cmp"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// login is how to get credentials that both the gcp provider and the kubeconfig's plugin use.
const login = "gcloud auth application-default login"

// checkCredentials refuses credentials that only the gcp provider uses: the
// kubeconfig's plugin knows the Application Default Credentials alone. Google's part
// would be created, and then the cluster would refuse everything.
func checkCredentials(ctx *pulumi.Context) error {
	var problems []config.Problem
	refuse := func(what, unset string) {
		fix := unset + " && " + login
		if strings.Contains(strings.ToLower(what), "impersonate") {
			fix += " --impersonate-service-account SERVICE_ACCOUNT"
		}
		problems = append(problems, config.Problem{
			What: what, Rule: "is set, but gives no access to the cluster, which takes Application Default Credentials only", Fix: fix,
		})
	}
	for _, key := range []string{"gcp:credentials", "gcp:accessToken", "gcp:impersonateServiceAccount"} {
		if value, _ := ctx.GetConfig(key); value != "" {
			refuse(key, "pulumi config rm "+key+" --stack "+ctx.Stack())
		}
	}
	// The provider reads each of these, too. The same file under both names is fine.
	for _, variable := range []string{
		"GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",
	} {
		if value := os.Getenv(variable); value != "" && value != cmp.Or(os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"), "-") {
			refuse(variable, "unset "+variable)
		}
	}
	return config.Problems("the credentials of stack "+ctx.Stack()+" have errors", problems...)
}
