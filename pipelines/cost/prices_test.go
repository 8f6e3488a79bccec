package cost

import (
	"math"
	"strings"
	"testing"
	"time"
)

// Every region has the same rows, each with plausible prices.
func TestPrices(t *testing.T) {
	if _, err := time.Parse(time.DateOnly, Date); err != nil {
		t.Errorf("prices.csv has no date: %v", err)
	}
	if len(prices) < 10 {
		t.Errorf("prices.csv has %d regions", len(prices))
	}
	for region, known := range prices {
		for _, family := range []string{"e2", "n1", "n2", "n2d", "t2d", "c3"} {
			if p := known[family]; p.list < 0.02 || p.list > 0.1 || p.spot <= 0 || p.spot >= p.list {
				t.Errorf("%s in %s: a vCPU costs %v", family, region, p)
			}
		}
		for _, kind := range []string{"pd-standard", "pd-balanced"} {
			if p := known[kind]; p.list < 0.03 || p.list > 0.2 || p.spot != 0 {
				t.Errorf("%s in %s: a GB costs %v", kind, region, p)
			}
		}
		if len(known) != 8 {
			t.Errorf("%s has %d prices", region, len(known))
		}
	}
}

// The numbers are those of the source, where each type has a price of its own.
func TestNode(t *testing.T) {
	for _, tt := range []struct {
		region, machine string
		spot            bool
		hourly          float64
	}{
		{"us-central1", "e2-micro", false, 0.0083764275},
		{"europe-west4", "e2-micro", true, 0.004616},
		{"asia-northeast1", "n1-standard-16", true, 0.39312},
		{"europe-west3", "n2-standard-32", true, 0.83456},
		{"australia-southeast1", "n2d-standard-224", true, 7.051072},
		{"asia-southeast1", "t2d-standard-16", true, 0.316032},
		{"europe-north1", "t2d-standard-16", false, 0.744208},
		{"asia-northeast1", "n1-standard-16", false, 0.975028 * 0.7},
	} {
		got, known := node(tt.region, tt.machine, tt.spot)
		if want := tt.hourly * hours; !known || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s in %s costs %f, %t, want %f", tt.machine, tt.region, got, known, want)
		}
	}
	for _, tt := range []struct{ region, machine string }{
		{"asia-east1", "e2-medium"}, {"", "e2-medium"}, {"europe-west1", ""}, {"europe-west1", "e2-custom-2-4096"}, {"europe-west1", "e2-highmem-2"},
		{"europe-west1", "c3-standard-4-lssd"}, {"europe-west1", "c4-standard-4"}, {"europe-west1", "pd-standard"}, {"europe-west1", "n1-standard-0"},
	} {
		for _, spot := range []bool{false, true} {
			if got, known := node(tt.region, tt.machine, spot); known {
				t.Errorf("%s in %q costs %f, want unknown", tt.machine, tt.region, got)
			}
		}
	}
	if got, known := disk("europe-west1", "hyperdisk-balanced"); known {
		t.Errorf("hyperdisk-balanced costs %f, want unknown", got)
	}
}

// A row that cannot be read is an error, not a price of nothing.
func TestParse(t *testing.T) {
	const head = "region,what,price,spot\n"
	for name, text := range map[string]string{
		"price":   head + "r,e2-medium,cheap,0.01\n",
		"spot":    head + "r,e2-medium,0.02,\n",
		"twice":   head + "r,e2-medium,0.02,0.01\nr,e2-small,0.01,0.005\n",
		"columns": head + "r,e2-medium,0.02\n",
		"empty":   "",
	} {
		if got, err := parse(text); err == nil {
			t.Errorf("%s: %v", name, got)
		} else if !strings.HasPrefix(err.Error(), "prices.csv: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
