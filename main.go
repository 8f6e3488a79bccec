// Command hello-timber is the Pulumi program: it takes the timber web service
// from the source code in app/ to a URL on Google Kubernetes Engine. Package
// stacks declares the resources, and Pulumi.yaml lists what can be chosen.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks"
)

func main() {
	pulumi.Run(stacks.Deploy)
}
