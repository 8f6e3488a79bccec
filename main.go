// Command hello-timber is the Pulumi program: it takes the timber web service
// from the source code in app/ to a URL on Google Kubernetes Engine. What it
// declares stands in stacks/, what can be chosen in Pulumi.yaml.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks"
)

func main() {
	pulumi.Run(stacks.Deploy)
}
