package cost

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed prices.csv
var table string

var day = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// Date is the day of the prices.
var Date = day.FindString(table)

// Fix replaces the prices. Tests have prices of their own, so that new ones change no test.
func Fix(text string) { Date, prices = day.FindString(text), parse(text) }

const (
	// hours are those of a month.
	hours = 730.0
	// controlPlane is per hour. Google waives it for one zonal cluster of a billing account.
	controlPlane = 0.10
	// forwarding is per hour for the first five forwarding rules together, in
	// us-central1. The source has no prices of other regions.
	forwarding = 0.025
)

// price is of a vCPU with its memory by the hour, or of a GB by the month.
type price struct{ list, spot float64 }

// prices are those of a region, by family of machine types or type of disk.
var prices = parse(table)

// parse reads a table.
func parse(text string) map[string]map[string]price {
	reader := csv.NewReader(strings.NewReader(text))
	reader.Comment, reader.FieldsPerRecord = '#', 4
	rows := must(reader.ReadAll())
	prices := map[string]map[string]price{}
	for _, row := range rows[1:] { // the first has the columns' names
		region, what, vCPUs := row[0], row[1], 1.0
		p := price{list: must(strconv.ParseFloat(row[2], 64))}
		if family, n := size(what); family != "" {
			what, vCPUs, p.spot = family, n, must(strconv.ParseFloat(row[3], 64))
		}
		if prices[region] == nil {
			prices[region] = map[string]price{}
		}
		prices[region][what] = price{p.list / vCPUs, p.spot / vCPUs}
	}
	return prices
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Errorf("prices.csv: %w", err))
	}
	return value
}

var (
	// shared are the vCPUs of the types that share one. Google charges for that part.
	shared   = map[string]float64{"e2-micro": 0.25, "e2-small": 0.5, "e2-medium": 1}
	standard = regexp.MustCompile(`^([a-z][0-9][a-z]?)-standard-([1-9][0-9]{0,2})$`)
	// sustained is what is left of the price of a node that runs all month: Google's
	// sustained-use discount.
	sustained = map[string]float64{"n1": 0.7, "n2": 0.8002, "n2d": 0.8002}
)

// size is a machine type's family and number of vCPUs, or "" for types that do not
// cost in proportion to the standard ones: with more or less memory, or with disks.
func size(machineType string) (family string, vCPUs float64) {
	if n := shared[machineType]; n > 0 {
		return "e2", n
	}
	found := standard.FindStringSubmatch(machineType)
	if found == nil {
		return "", 0
	}
	vCPUs, _ = strconv.ParseFloat(found[2], 64) // digits
	return found[1], vCPUs
}

// node is what a node costs that runs all month.
func node(region, machineType string, spot bool) (month float64, known bool) {
	family, vCPUs := size(machineType)
	p, known := prices[region][family]
	if spot {
		return p.spot * vCPUs * hours, known
	}
	if left, discounted := sustained[family]; discounted {
		p.list *= left
	}
	return p.list * vCPUs * hours, known
}

// disk is what a GB costs a month. Disks of spot nodes have no other price.
func disk(region, diskType string) (month float64, known bool) {
	p, known := prices[region][diskType]
	return p.list, known
}
