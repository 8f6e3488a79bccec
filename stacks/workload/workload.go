// Package workload declares everything of a stack that is on its cluster.
//
// It is a package of its own because of the compiler: a package that names any of
// the Kubernetes SDK's types takes seconds to compile, and an edit of target or image
// should not compile it again (docs/benchmarks.md).
package workload

import (
	"strings"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// Args are the arguments of New.
type Args struct {
	Namespace string // fixed, because people type it
	PartOf    string // the application that the service is a part of, a label
	Owner     string // the team that is responsible, a label; may be empty

	Image    pulumi.StringInput // name with digest
	Version  string             // shown as a label of the pods
	Platform string             // that the image is built for, such as linux/amd64

	PullGrant  pulumi.Resource // the nodes' right to pull the image; nil if the stack does not grant it
	PullSecret string          // a Docker config with a login to pull with; may be empty
	Protect    bool            // refuse to delete or replace what serves
	MoreNodes  bool            // the cluster adds nodes for pods that find no place
	Gateway    *Gateway        // nil without a domain

	// Ask reads a path of the cluster's API; nil for no error hook.
	Ask func(path string) (string, error)
	// Taken returns an error if others have a namespace; nil if the cluster is the stack's own.
	Taken func(namespace string) error

	Service config.Service
}

// Workload is a service on a cluster, with its namespace and policies.
type Workload struct {
	pulumi.ResourceState

	// URL is http://ADDRESS, or empty as long as the Service has no address, or https://DOMAIN.
	URL pulumi.StringOutput
	// Record leads the domain to its Gateway, as a line of a zone file.
	Record pulumi.StringOutput
	// Image is what the pods run, by digest. It depends on the Deployment, and so has no
	// value if the rollout fails: the stack keeps the output of the last complete one.
	Image pulumi.StringOutput
	// Namespace is where the pods are.
	Namespace pulumi.StringOutput
}

// New registers the workload. It needs a kubernetes provider among opts.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Workload, error) {
	w := &Workload{}
	if err := ctx.RegisterComponentResource("hello-timber:workload:Workload", name, w, opts...); err != nil {
		return nil, err
	}
	r := &registration{Args: args, ctx: ctx, name: name, child: []pulumi.ResourceOption{pulumi.Parent(w)}, readySeconds: settleSeconds, drainDelay: nodesLearn}
	if args.Gateway != nil {
		r.readySeconds, r.drainDelay = googleReady, googleLearns
	}
	namespace, err := r.namespace()
	if err != nil {
		return nil, err
	}
	// Names of objects stay unset, so that Pulumi adds a random suffix: with a fixed
	// name, a replacement would have to delete the old object first.
	r.meta = &metav1.ObjectMetaArgs{Namespace: namespace.Metadata.Name().Elem(), Labels: r.labels(), Annotations: annotations()}
	policy, err := r.networkPolicies()
	if err != nil {
		return nil, err
	}
	quota, err := r.limits()
	if err != nil {
		return nil, err
	}
	service, err := r.service()
	if err != nil {
		return nil, err
	}
	w.URL = service.Status.ApplyT(url).(pulumi.StringOutput)
	var some []pulumi.Resource
	if args.Gateway != nil {
		if w.URL, w.Record, some, err = r.gateway(service); err != nil {
			return nil, err
		}
	}
	deployment, err := r.deployment(policy, quota, some)
	if err != nil {
		return nil, err
	}
	w.Image = pulumi.All(args.Image, deployment.ID()).ApplyT(func(all []any) string { return all[0].(string) }).(pulumi.StringOutput)
	w.Namespace = namespace.Metadata.Name().Elem()
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{"url": w.URL})
}

// registration is what the parts of a workload have in common.
type registration struct {
	*Args
	ctx   *pulumi.Context
	name  string
	meta  *metav1.ObjectMetaArgs
	child []pulumi.ResourceOption

	readySeconds int // that a pod must stay ready to count
	drainDelay   int // seconds that a stopping pod still takes new connections
}

// serving returns the options of objects that every stack has, and whose loss is noticed
// at once. Not among them is what an ordinary change adds, removes or replaces, such as
// an autoscaler or a Secret. One of these must depend on it: otherwise a destroy of a
// protected stack would delete it before it is refused.
func (r *registration) serving(opts ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return append(append(opts, r.child...), pulumi.Protect(r.Protect))
}

// replaced returns the options of an object that a domain changes: it is replaced, and the
// old one deleted last, so that the service answers without the domain until it does with
// it. Neither may be protected for that. The other way, the object changes as it is.
func (r *registration) replaced(property string) []pulumi.ResourceOption {
	return append(r.child, pulumi.ReplaceOnChanges([]string{property}))
}

// labels returns the labels of every object, as recommended by
// https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
func (r *registration) labels() pulumi.StringMap {
	return r.owned(pulumi.StringMap{
		"app.kubernetes.io/name":       pulumi.String(r.name),
		"app.kubernetes.io/part-of":    pulumi.String(r.PartOf),
		"app.kubernetes.io/managed-by": pulumi.String("pulumi"),
	})
}

// annotations returns the annotations of every object. An update undoes manual edits,
// such as kubectl scale. Without patchForce, every later update would end in a conflict
// with them (pulumi-kubernetes#2569).
func annotations() pulumi.StringMap {
	return pulumi.StringMap{"pulumi.com/patchForce": pulumi.String("true")}
}

// owned adds the label owner if there is one.
func (r *registration) owned(labels pulumi.StringMap) pulumi.StringMap {
	if r.Owner != "" {
		labels["owner"] = pulumi.String(r.Owner)
	}
	return labels
}

// selector returns the labels that only the service's pods have. A Deployment's
// selector cannot be changed, so nothing else is in it.
func (r *registration) selector() pulumi.StringMap {
	return pulumi.StringMap{"app.kubernetes.io/name": pulumi.String(r.name)}
}

func (r *registration) podSelector() *metav1.LabelSelectorArgs {
	return &metav1.LabelSelectorArgs{MatchLabels: r.selector()}
}

// nodeSelector selects the nodes that can run the image: a cluster may have nodes
// with other processors, or get some.
func (r *registration) nodeSelector() pulumi.StringMap {
	system, architecture, _ := strings.Cut(r.Platform, "/")
	return pulumi.StringMap{"kubernetes.io/os": pulumi.String(system), "kubernetes.io/arch": pulumi.String(architecture)}
}
