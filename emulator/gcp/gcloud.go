package gcp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"hello-timber/emulator/credentials"
	"hello-timber/emulator/home"
	"hello-timber/emulator/records"
)

const gcloudKnows = `the emulator's gcloud knows only
  gcloud container clusters list [--project=PROJECT]
  gcloud container clusters get-credentials NAME --location=LOCATION [--project=PROJECT]
  gcloud services enable|disable API --project=PROJECT
  gcloud services list --enabled --project=PROJECT --format=json
  gcloud projects describe PROJECT --format=json
  gcloud version --format=json
  gcloud auth list --filter=status:ACTIVE --format=json
  gcloud auth application-default login|revoke|print-access-token
  gcloud auth configure-docker [HOSTS]`

// Gcloud is the gcloud command, as much of it as this project's users need. Like
// the real one it reports progress on errOut and prints results on out.
func Gcloud(args []string, out, errOut io.Writer) error {
	dir, err := home.Dir()
	if err != nil {
		return err
	}
	book := records.Book{Dir: filepath.Join(dir, "google")}
	command := strings.Join(args, " ")
	for name, run := range map[string]func([]string) error{
		"container clusters list":            func(rest []string) error { return listClusters(book, rest, out) },
		"container clusters get-credentials": func(rest []string) error { return getCredentials(book, rest, errOut) },
		"services enable":                    func(rest []string) error { return switchAPI(book, rest, true) },
		"services disable":                   func(rest []string) error { return switchAPI(book, rest, false) },
		"services list":                      func(rest []string) error { return listAPIs(book, rest, out) },
		"projects describe":                  func(rest []string) error { return describeProject(rest, out) },
		"version": func([]string) error {
			return json.NewEncoder(out).Encode(map[string]string{"Google Cloud SDK": "the emulator's"})
		},
		"auth list": func([]string) error {
			return json.NewEncoder(out).Encode([]map[string]string{{"account": "user@localhost", "status": "ACTIVE"}})
		},
		"auth application-default print-access-token": func([]string) error {
			token, err := credentials.Default()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(out, token)
			return err
		},
		"auth application-default login":  func([]string) error { return credentials.Login() },
		"auth application-default revoke": func([]string) error { return credentials.Revoke() },
		"auth configure-docker": func([]string) error {
			_, err := fmt.Fprintln(errOut, "Nothing to configure: the emulator's registry is on this machine and Docker reaches it as it is.")
			return err
		},
	} {
		if command == name || strings.HasPrefix(command, name+" ") {
			return run(args[strings.Count(name, " ")+1:])
		}
	}
	return fmt.Errorf("%s\nthe emulator has no gcloud %s", gcloudKnows, command)
}

// arguments reads the argument NAME and flags, in any order.
func arguments(args []string) (name, project, location string, err error) {
	flags := flag.NewFlagSet("gcloud", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&project, "project", os.Getenv("CLOUDSDK_CORE_PROJECT"), "")
	for _, flag := range []string{"location", "zone", "region"} {
		flags.StringVar(&location, flag, "", "")
	}
	for rest := args; len(rest) > 0; {
		if err := flags.Parse(rest); err != nil {
			return "", "", "", fmt.Errorf("%w\n%s", err, gcloudKnows)
		}
		if rest = flags.Args(); len(rest) > 0 {
			if name != "" {
				return "", "", "", fmt.Errorf("unexpected argument %q\n%s", rest[0], gcloudKnows)
			}
			name, rest = rest[0], rest[1:]
		}
	}
	return name, project, location, nil
}

// switchAPI enables or disables an API.
func switchAPI(book records.Book, args []string, on bool) error {
	api, project, _, err := arguments(args)
	if err != nil {
		return err
	}
	if api == "" || project == "" {
		return errors.New("an API and --project are required\n" + gcloudKnows)
	}
	typ, there := serviceType, on
	if api == bootstrapAPI {
		typ, there = disabledType, !on
	}
	id := project + "/" + api
	if !there {
		return book.Delete(typ, id)
	}
	return book.Put(typ, records.Record{ID: id, Properties: map[string]any{"project": project, "service": api, "disableOnDestroy": true}})
}

// listAPIs lists the enabled APIs of a project in JSON, whatever the filter.
func listAPIs(book records.Book, args []string, out io.Writer) error {
	_, project, _, err := arguments(slices.DeleteFunc(args, func(arg string) bool {
		return arg == "--enabled" || arg == "--format=json" || strings.HasPrefix(arg, "--filter=")
	}))
	if err != nil {
		return err
	}
	type config struct {
		Name string `json:"name"`
	}
	services := []map[string]config{}
	add := func(api string) { services = append(services, map[string]config{"config": {api}}) }
	if _, disabled, err := book.Get(disabledType, project+"/"+bootstrapAPI); err != nil {
		return err
	} else if !disabled {
		add(bootstrapAPI)
	}
	enabled, err := book.List(serviceType)
	for _, r := range enabled {
		if str(r.Properties, "project") == project {
			add(str(r.Properties, "service"))
		}
	}
	return errors.Join(err, json.NewEncoder(out).Encode(services))
}

// describeProject describes a project in JSON. In the emulator every project exists.
func describeProject(args []string, out io.Writer) error {
	project, _, _, err := arguments(slices.DeleteFunc(args, func(arg string) bool { return arg == "--format=json" }))
	if err != nil {
		return err
	}
	if project == "" {
		return errors.New("a project is required\n" + gcloudKnows)
	}
	return json.NewEncoder(out).Encode(map[string]string{"projectId": project, "lifecycleState": "ACTIVE"})
}

// selectClusters returns the clusters that match the arguments.
func selectClusters(book records.Book, args []string) ([]records.Record, error) {
	name, project, location, err := arguments(args)
	if err != nil {
		return nil, err
	}
	all, err := book.List(clusterType)
	var fitting []records.Record
	for _, r := range all {
		if cluster := clusterOf(r.Properties); (name == "" || name == cluster.Name) && (location == "" || location == cluster.Location) && (project == "" || project == cluster.Project) {
			fitting = append(fitting, r)
		}
	}
	return fitting, err
}

func listClusters(book records.Book, args []string, out io.Writer) error {
	fitting, err := selectClusters(book, args)
	if err != nil {
		return err
	}
	pools, err := book.List(nodePoolType)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tLOCATION\tMASTER_VERSION\tMASTER_IP\tMACHINE_TYPE\tNODE_VERSION\tNUM_NODES\tSTATUS")
	for _, r := range fitting {
		nodes, machines, status := 0, "", "RUNNING"
		for _, p := range pools {
			if strings.HasPrefix(p.ID, r.ID+"/") {
				pool := poolOf(p.Properties)
				nodes, machines = nodes+pool.NodesPerZone*len(pool.Zones), pool.MachineType
			}
		}
		if r.Properties[maker] != nil {
			status = "PROVISIONING"
		}
		cluster := clusterOf(r.Properties)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", cluster.Name, cluster.Location, version, str(r.Properties, "endpoint"), machines, version, nodes, status)
	}
	return table.Flush()
}

func getCredentials(book records.Book, args []string, errOut io.Writer) error {
	if len(args) == 0 {
		return errors.New("gcloud container clusters get-credentials needs the name of a cluster. Fix: gcloud container clusters list")
	}
	fitting, err := selectClusters(book, args)
	if err != nil {
		return err
	}
	if len(fitting) != 1 {
		return fmt.Errorf("%d clusters match %s. Fix: gcloud container clusters list", len(fitting), strings.Join(args, " "))
	}
	fmt.Fprintln(errOut, "Fetching cluster endpoint and auth data.")
	if err := writeKubeconfig(fitting[0].Properties); err != nil {
		return err
	}
	_, err = fmt.Fprintf(errOut, "kubeconfig entry generated for %s.\n", clusterOf(fitting[0].Properties).Name)
	return err
}

// writeKubeconfig adds a cluster to the kubeconfig, and makes it the current one.
func writeKubeconfig(properties map[string]any) error {
	cluster := clusterOf(properties)
	auth, _ := properties["masterAuth"].(map[string]any)
	ca, err := base64.StdEncoding.DecodeString(str(auth, "clusterCaCertificate"))
	if err != nil || len(ca) == 0 {
		return errors.Join(err, fmt.Errorf("the cluster %s is still being created", cluster.Name))
	}
	options := clientcmd.NewDefaultPathOptions()
	config, err := options.GetStartingConfig()
	if err != nil {
		return err
	}
	context := "gke_" + cluster.Project + "_" + cluster.Location + "_" + cluster.Name
	config.Clusters[context] = &api.Cluster{Server: "https://" + str(properties, "endpoint"), CertificateAuthorityData: ca}
	config.AuthInfos[context] = &api.AuthInfo{Exec: &api.ExecConfig{
		APIVersion:         "client.authentication.k8s.io/v1beta1",
		Command:            "gke-gcloud-auth-plugin",
		InstallHint:        "gke-gcloud-auth-plugin is in the emulator's bin folder, which must be in PATH",
		ProvideClusterInfo: true,
		InteractiveMode:    api.IfAvailableExecInteractiveMode,
	}}
	config.Contexts[context] = &api.Context{Cluster: context, AuthInfo: context}
	config.CurrentContext = context
	return clientcmd.ModifyConfig(options, *config, true)
}
