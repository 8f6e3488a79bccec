package gcp

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// latencies are how long Google takes to create what the emulator creates in moments:
// medians of published runs of Terraform ("Creation complete
// after", in public repositories on GitHub, 2019 to 2026; of clusters 7, of node
// pools 4, of the others 1 to 3).
var latencies = map[string]time.Duration{
	serviceType:       27 * time.Second,
	accountType:       8 * time.Second,
	iamMemberType:     8 * time.Second,
	repositoryType:    12 * time.Second,
	repositoryIAMType: 8 * time.Second,
	clusterType:       272 * time.Second,
	nodePoolType:      94 * time.Second,
}

// latencyVariable is the environment variable that sets how much of Google's
// latencies the emulator adds: 1 is all of them, 0.1 a tenth. Without it nothing is
// added.
const latencyVariable = "EMULATOR_LATENCY"

func latencyScale() (float64, error) {
	value := os.Getenv(latencyVariable)
	if value == "" {
		return 0, nil
	}
	scale, err := strconv.ParseFloat(value, 64)
	if err != nil || !(scale >= 0 && scale <= 1) {
		return 0, fmt.Errorf("%s is %q, must be a number from 0 to 1. Fix: unset %[1]s", latencyVariable, value)
	}
	return scale, nil
}

// linger returns when a resource whose creation began at a time has taken as long
// as it would at Google.
func (g *google) linger(ctx context.Context, token string, began time.Time) {
	wait := time.Duration(float64(latencies[token])*g.latency) - time.Since(began)
	if wait <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}
