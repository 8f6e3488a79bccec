package gcp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hello-timber/emulator/credentials"
)

// AuthPlugin is gke-gcloud-auth-plugin: it prints the credential that kubectl and
// client-go send to an emulated cluster.
func AuthPlugin(args []string, out io.Writer) error {
	for _, arg := range args {
		if arg == "--version" {
			_, err := fmt.Fprintln(out, "Kubernetes v"+kubernetes+"-emulator")
			return err
		}
		if strings.TrimSuffix(arg, "=true") != "--use_application_default_credentials" {
			return fmt.Errorf("the emulator's gke-gcloud-auth-plugin knows only --use_application_default_credentials and --version, not %s", arg)
		}
	}
	token, err := credentials.Default()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(clientauth.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauth.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauth.ExecCredentialStatus{Token: token},
	})
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
	config.Clusters[context] = &clientcmdapi.Cluster{Server: "https://" + str(properties, "endpoint"), CertificateAuthorityData: ca}
	config.AuthInfos[context] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
		APIVersion:         clientauth.SchemeGroupVersion.String(),
		Command:            "gke-gcloud-auth-plugin",
		InstallHint:        "gke-gcloud-auth-plugin is in the emulator's bin folder, which must be in PATH",
		ProvideClusterInfo: true,
		InteractiveMode:    clientcmdapi.IfAvailableExecInteractiveMode,
	}}
	config.Contexts[context] = &clientcmdapi.Context{Cluster: context, AuthInfo: context}
	config.CurrentContext = context
	return clientcmd.ModifyConfig(options, *config, true)
}
