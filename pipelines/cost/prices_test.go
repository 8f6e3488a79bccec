package cost

import (
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

var pricing = flag.String("pricing", "", "the source's pricing.yml, whose prices replace those in prices.csv")

// Every region has the same rows, each with plausible prices.
func TestPrices(t *testing.T) {
	if _, err := time.Parse(time.DateOnly, Date); err != nil {
		t.Errorf("prices.csv has no date: %v", err)
	}
	if rows := strings.Count(regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(table, ""), "\n") - 1; len(prices) < 10 || rows != 10*len(prices) {
		t.Errorf("prices.csv has %d regions and %d rows", len(prices), rows)
	}
	for region, known := range prices {
		for _, family := range []string{"e2", "n1", "n2", "n2d", "t2d", "c3", "c2d", "c3d"} {
			if p := known[family]; p.list < 0.02 || p.list > 0.1 || p.spot <= 0 || p.spot >= p.list {
				t.Errorf("%s in %s: a vCPU costs %v", family, region, p)
			}
		}
		for _, kind := range []string{"pd-standard", "pd-balanced"} {
			if p := known[kind]; p.list < 0.03 || p.list > 0.2 || p.spot != 0 {
				t.Errorf("%s in %s: a GB costs %v", kind, region, p)
			}
		}
		if len(known) != 10 {
			t.Errorf("%s has %d prices", region, len(known))
		}
	}
}

// The numbers are those of the source, where each type has a price of its own.
func TestNode(t *testing.T) {
	fixed(t)
	for _, tt := range []struct {
		region, machine string
		spot            bool
		hourly          float64
	}{
		{"europe-west1", "e2-micro", false, 0.0092144325},
		{"europe-west1", "e2-micro", true, 0.0051665},
		{"europe-west1", "n1-standard-16", false, 0.836028 * 0.7},
		{"europe-west1", "n1-standard-16", true, 0.40076},
		{"europe-west1", "c3d-standard-60", true, 0.80988},
		{"us-central1", "n2-standard-16", false, 0.776944 * 0.8002},
		{"us-central1", "n2-standard-16", true, 0.445888},
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

// source is what prices.csv takes from the source's file.
type source struct {
	About   struct{ Timestamp int64 }
	Compute struct {
		Instance map[string]struct {
			Cost map[string]struct {
				Hour, Month float64
				Spot        float64 `yaml:"hour_spot"`
			}
		}
		Storage map[string]struct {
			Cost map[string]struct{ Month float64 }
		}
	}
}

// renew is the table with the source's date and prices. It fails if the source does
// not have one, or if the sizes of a family do not cost in proportion.
func (s source) renew(table string) (string, error) {
	date := time.Unix(s.About.Timestamp, 0).UTC().Format(time.DateOnly)
	lines := strings.Split(strings.TrimSpace(strings.Replace(table, day.FindString(table), date, 1)), "\n")
	for i, line := range lines {
		fields := strings.Split(line, ",")
		if strings.HasPrefix(line, "#") || fields[0] == "region" {
			continue
		}
		region, what := fields[0], fields[1]
		disk := s.Compute.Storage[map[string]string{"pd-standard": "hdd", "pd-balanced": "balanced"}[what]].Cost[region].Month
		node := s.Compute.Instance[what].Cost[region]
		family, vCPUs := size(what)
		switch {
		case family == "" && disk > 0:
			lines[i] = fmt.Sprintf("%s,%s,%s,", region, what, decimal(disk))
		case family != "" && node.Hour > 0 && node.Spot > 0:
			lines[i] = fmt.Sprintf("%s,%s,%s,%s", region, what, decimal(node.Hour), decimal(node.Spot))
			if err := s.proportional(region, family, price{node.Hour / vCPUs, node.Spot / vCPUs}); err != nil {
				return "", err
			}
		default:
			return "", fmt.Errorf("no price of %s in %s", what, region)
		}
	}
	return strings.Join(lines, "\n") + "\n", nil
}

func (s source) proportional(region, family string, perVCPU price) error {
	same := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*b }
	for machineType, is := range s.Compute.Instance {
		of, vCPUs := size(machineType)
		there := is.Cost[region]
		if of != family || there.Hour == 0 || there.Spot == 0 {
			continue
		}
		left, discounted := sustained[family]
		if !discounted {
			left = 1
		}
		if !same(there.Hour, perVCPU.list*vCPUs) || !same(there.Spot, perVCPU.spot*vCPUs) || !same(there.Month, there.Hour*hours*left) {
			return fmt.Errorf("%s in %s costs %v, which is not %g times %v", machineType, region, there, vCPUs, perVCPU)
		}
	}
	return nil
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// With -pricing the table gets the prices of that file.
func TestRenew(t *testing.T) {
	const row = "# of 2026-08-20\nregion,what,price,spot\nr,n1-standard-1,1,1\nr,pd-standard,1,\n"
	const yml = "about: {timestamp: 1787277600}\ncompute: {instance: {n1-standard-1: {cost: {r: {hour: 0.05, hour_spot: 0.02, month: 25.55}}}, n1-standard-2: {cost: {r: {hour: 0.1, hour_spot: 0.04, month: 51.1}}}}, storage: {hdd: {cost: {r: {month: 0.06}}}}}"
	for _, tt := range []struct{ from, to, want string }{
		{"", "", "# of 2026-08-21\nregion,what,price,spot\nr,n1-standard-1,0.05,0.02\nr,pd-standard,0.06,\n"},
		{"hdd", "ssd", "no price of pd-standard in r"},
		{"hour_spot: 0.02,", "", "no price of n1-standard-1 in r"},
		{"0.04", "0.05", "n1-standard-2 in r costs"},
		{"51.1", "73", "n1-standard-2 in r costs"},
	} {
		var s source
		if err := yaml.Unmarshal([]byte(strings.Replace(yml, tt.from, tt.to, 1)), &s); err != nil {
			t.Fatal(err)
		}
		got, err := s.renew(row)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q for %q: got %q, want %q", tt.to, tt.from, got, tt.want)
		}
	}
	if *pricing == "" {
		return
	}
	text, err := os.ReadFile(*pricing)
	if err != nil {
		t.Fatal(err)
	}
	var s source
	if err := yaml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	renewed, err := s.renew(table)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("prices.csv", []byte(renewed), 0o644); err != nil {
		t.Fatal(err)
	}
}
