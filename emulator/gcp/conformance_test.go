package gcp

import (
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"hello-timber/emulator/conformance"
	"hello-timber/emulator/records"
	"hello-timber/emulator/wire"
)

// Every request that was recorded is answered as pulumi-gcp answered it. Resources
// are created, changed and deleted in the order of the recording, with nothing
// running behind the records.
func TestConformance(t *testing.T) {
	g, _ := isolated(t)
	server := wire.Server(g)
	if _, err := server.Handshake(t.Context(), &pulumirpc.ProviderHandshakeRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Configure(t.Context(), &pulumirpc.ConfigureRequest{
		Args: &structpb.Struct{Fields: map[string]*structpb.Value{"project": structpb.NewStringValue("timber-tutorial")}}, AcceptSecrets: true}); err != nil {
		t.Fatal(err)
	}
	// What the recording's project had enabled before.
	for _, api := range []api{certificateManager, kubernetesEngine} {
		if err := g.records.Put(serviceType, records.Record{ID: "timber-tutorial/" + api.host}); err != nil {
			t.Fatal(err)
		}
	}
	conformance.Replay{
		Exchanges: append(conformance.Load(t, "testdata/gcp-7.38.0.jsonl"), conformance.Load(t, "testdata/gcp-7.38.0-https.jsonl")...),
		Settings: []string{"accessToken", "artifactRegistryCustomEndpoint", "certificateManagerCustomEndpoint", "computeCustomEndpoint", "containerCustomEndpoint", "dnsCustomEndpoint",
			"iamCustomEndpoint", "resourceManagerCustomEndpoint", "serviceUsageCustomEndpoint"},
		MadeUp: []string{"clusterCaCertificate", "createTime", "data", "endpoint", "etag", "labelFingerprint", "managedInstanceGroupUrls", "masterVersion",
			"nodeVersion", "instanceGroupUrls", "goog-gke-node-pool-provisioning-model", "uniqueId", "updateTime", "version"},
		Known: []conformance.Difference{
			{Path: `response\.properties\.__meta`, Reason: "Notes that the bridge to Terraform keeps for itself."},
			{Methods: "Check", Path: `response\.inputs\.name`, Like: "(hello-)?timber-[0-9a-f]{7}",
				Reason: "The suffix comes from the engine's seed through frand 1.4, and here through 1.5, which draws other numbers."},
			{Type: clusterType, Path: `response\.properties\.nodeLocations`, Methods: "Create|Read",
				Reason: "The fake Google does not name a zonal cluster's zone, which Terraform's provider takes out of the list."},
			{Type: clusterType, Path: `response\.properties\.subnetwork`, Methods: "Create|Read", Like: "projects/timber-tutorial/regions/europe-west1(-d)?/subnetworks/default",
				Reason: "The fake Google takes a zone for a region; subnetworks are in regions."},
			{Type: clusterType, Path: `response\.properties\.project`, Methods: "Create", Reason: "Terraform plans no project for a cluster that names none. The program names it."},
			{Type: "gcp:certificatemanager/certificate:Certificate", Path: `response\.properties\.managed\.state`, Methods: "Read",
				Reason: "The fake Google never issues the certificate."},
			{Type: nodePoolType, Path: `response\.properties\.initialNodeCount`, Methods: "Update", Reason: "The fake Google changes it with the size. At Google it is what the pool began with."},
			{Type: nodePoolType, Path: `response\.properties\.nodeConfig\.(tags|resourceManagerTags)`, Methods: "Update", Reason: "Terraform plans an empty list where the state has none. Both mean none."},
		},
	}.Run(t, server)
}
