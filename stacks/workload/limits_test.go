package workload

import "testing"

// The quota never keeps a rollout's pods from starting: while the old ones end, there are
// as many new ones, and those that a rollout adds. The tutorial's change of replicas
// changes nothing else.
func TestPodQuota(t *testing.T) {
	for pods := 1; pods <= 100; pods++ {
		if needed := 2*pods + (pods+3)/4; podQuota(pods) < needed || podQuota(pods) > 3*needed && pods > 8 {
			t.Errorf("%d pods: the quota is %d, a rollout needs %d", pods, podQuota(pods), needed)
		}
	}
	if podQuota(1) != podQuota(3) {
		t.Errorf("1 pod has the quota %d, 3 have %d", podQuota(1), podQuota(3))
	}
}
