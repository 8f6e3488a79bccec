package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// watch returns hooks for the end of a rollout. After one that fails, the engine ends the
// program. Pulumi's error says which pods are not ready, and of one that ended, why. The hook
// adds what a pod says while it runs, and the way back.
func (r *registration) watch() (pulumi.ResourceOption, error) {
	if r.Ask == nil {
		return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{}), nil
	}
	complete, err := r.ctx.RegisterResourceHook("all pods are new", func(done *pulumi.ResourceHookArgs) error {
		return r.complete(string(done.ID))
	}, nil)
	if err != nil {
		return nil, err
	}
	failed, err := r.ctx.RegisterErrorHook("pods that are not ready", func(failed *pulumi.ErrorHookArgs) (retry bool, err error) {
		if failed.FailedOperation == "delete" {
			return false, nil
		}
		text := r.podsSay()
		if failed.FailedOperation == "update" && os.Getenv("PULUMI_AUTOMATION_API") == "" { // make deploy returns by itself
			text += "\nIf a config value is the cause, set it back first. To return to the image that ran before: make deploy STACK=" + r.ctx.Stack() + " IMAGE=deployed"
		}
		_ = r.ctx.Log.Error(text, nil)
		return false, nil
	})
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{
		AfterUpdate: []*pulumi.ResourceHook{complete}, OnError: []*pulumi.ErrorHook{failed}}), err
}

// complete waits until all pods of a Deployment are new ones. Pulumi's provider (4.25) does so,
// too. But if the API server's cache is a moment behind, the Deployment that it sees first is
// that of before, and it takes that one's rollout for this one.
func (r *registration) complete(id string) error {
	_, name, _ := strings.Cut(id, "/")
	for deadline := time.Now().Add(r.rolloutTimeout()); ; time.Sleep(time.Second) {
		var is struct {
			Metadata struct{ Generation int }
			Spec     struct{ Replicas int }
			Status   struct{ ObservedGeneration, Replicas, UpdatedReplicas, AvailableReplicas int }
		}
		text, err := r.Ask("/apis/apps/v1/namespaces/" + r.Namespace + "/deployments/" + name)
		if err == nil {
			err = json.Unmarshal([]byte(text), &is)
		}
		switch {
		case err != nil:
			return r.ctx.Log.Warn(config.Printable("whether all pods are new is not known: "+err.Error()), nil)
		case is.Status.ObservedGeneration >= is.Metadata.Generation && is.Status.Replicas == is.Status.UpdatedReplicas &&
			min(is.Status.UpdatedReplicas, is.Status.AvailableReplicas) >= is.Spec.Replicas:
			return nil
		case time.Now().After(deadline):
			return errors.New(r.podsSay())
		}
	}
}

// found is a pod or an event.
type found struct {
	Metadata        struct{ Name, CreationTimestamp string }
	InvolvedObject  struct{ Kind, Name string }
	Reason, Message string
}

// podsSay is the newest pod's events and the end of its log, and why others could not be
// created, for example by a quota. The engine hides the config's secrets in it.
func (r *registration) podsSay() string {
	path := "/api/v1/namespaces/" + r.Namespace
	list := func(path string) (list struct{ Items []found }, err error) {
		text, err := r.Ask(path)
		if err == nil {
			err = json.Unmarshal([]byte(text), &list)
		}
		return list, err
	}
	pods, err := list(path + "/pods")
	if err != nil || len(pods.Items) == 0 {
		return config.Printable(fmt.Sprintf("The cluster knows %d pods (error: %v)", len(pods.Items), err))
	}
	newest := slices.MaxFunc(pods.Items, func(a, b found) int {
		return strings.Compare(a.Metadata.CreationTimestamp, b.Metadata.CreationTimestamp)
	}).Metadata.Name
	text := "Pod " + newest + ":"
	warnings, err := list(path + "/events?fieldSelector=type%3DWarning")
	for _, event := range warnings.Items {
		if event.InvolvedObject.Name == newest || event.InvolvedObject.Kind == "ReplicaSet" {
			text += "\n" + event.Reason + ": " + event.Message
		}
	}
	log, failed := r.Ask(path + "/pods/" + newest + "/log?tailLines=10&limitBytes=10000") // a line may have any length
	if err := errors.Join(err, failed); err != nil {
		log += err.Error()
	}
	return config.Printable(text + "\nThe end of its log:\n" + strings.TrimSpace(log))
}
