// Command metrics is Kubernetes' metrics-server, from whose figures a
// HorizontalPodAutoscaler decides. It is a program of its own, because only stacks
// with an autoscaler need it and it imports 400 packages more than network does.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

func main() {
	os.Exit(cli.Run(app.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())))
}
