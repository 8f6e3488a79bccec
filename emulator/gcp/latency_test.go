package gcp

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

func TestLatencyVariable(t *testing.T) {
	for value, want := range map[string]string{"": "", "0.1": "", "1": "", "2": "from 0 to 1", "-1": "from 0 to 1", "NaN": "from 0 to 1", "fast": `is "fast"`} {
		g := start(t, nil).google
		t.Setenv(latencyVariable, value)
		_, err := g.Configure(t.Context(), plugin.ConfigureRequest{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%s: %v", latencyVariable, value, err)
		}
		t.Setenv(latencyVariable, "")
	}
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &google{latency: 0.5}
		took := func(ctx context.Context, token string, already time.Duration) time.Duration {
			began := time.Now()
			g.linger(ctx, token, began.Add(-already))
			return time.Since(began)
		}
		if got, want := took(t.Context(), clusterType, time.Minute), latencies[clusterType]/2-time.Minute; got != want {
			t.Errorf("a cluster whose making took a minute lingers %s, want %s", got, want)
		}
		if got := took(t.Context(), clusterType, time.Hour); got != 0 {
			t.Errorf("a cluster whose making took an hour lingers %s", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := took(ctx, clusterType, 0); got != 0 {
			t.Errorf("who is interrupted lingers %s", got)
		}
		g.latency = 0
		if got := took(t.Context(), clusterType, 0); got != 0 {
			t.Errorf("without latency it lingers %s", got)
		}
	})
}
