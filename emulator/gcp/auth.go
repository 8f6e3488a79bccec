package gcp

import (
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"

	"hello-timber/emulator/credentials"
)

// AuthPlugin is gke-gcloud-auth-plugin: it prints the credential that kubectl and
// client-go send to an emulated cluster.
func AuthPlugin(args []string, out io.Writer) error {
	for _, arg := range args {
		switch arg {
		case "--version":
			_, err := fmt.Fprintln(out, "Kubernetes v1.34.4-emulator")
			return err
		case "--use_application_default_credentials", "--use_application_default_credentials=true":
		default:
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
