package workload

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Labels returns the labels of every object of the service name, a part of partOf, as
// https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
// recommends, and its owner if there is one.
func Labels(name, partOf, owner string) pulumi.StringMap {
	return owned(pulumi.StringMap{
		"app.kubernetes.io/name":       pulumi.String(name),
		"app.kubernetes.io/part-of":    pulumi.String(partOf),
		"app.kubernetes.io/managed-by": pulumi.String("pulumi"),
	}, owner)
}

// podSelector tells the service's pods from others of the namespace. A
// Deployment's selector cannot be changed, so it is no more than that.
func podSelector(name string) pulumi.StringMap {
	return pulumi.StringMap{"app.kubernetes.io/name": pulumi.String(name)}
}

// owned adds the label owner, unless it is empty.
func owned(labels pulumi.StringMap, owner string) pulumi.StringMap {
	if owner != "" {
		labels["owner"] = pulumi.String(owner)
	}
	return labels
}
