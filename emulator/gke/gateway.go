package gke

import "context"

// enableGateways adds the Gateway API, which setup puts beside the programs.
const enableGateways = `set -e
k() { kubectl --kubeconfig /etc/kubernetes/super-admin.conf "$@" > /dev/null; }
k apply --server-side --force-conflicts --filename /opt/emulator/gateway-api
k wait --for=condition=Established --filename /opt/emulator/gateway-api
k apply --server-side --force-conflicts --filename - <<END
{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: gke-l7-global-external-managed},
 spec: {controllerName: networking.gke.io/gateway}}
END`

// EnableGateways adds the Gateway API to a cluster, with GKE's class and policies.
func (m *Machines) EnableGateways(ctx context.Context, cluster string) error {
	_, err := m.exec(ctx, cluster, "bash", "-c", enableGateways)
	return err
}
