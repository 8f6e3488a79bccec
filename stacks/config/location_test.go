package config

import "testing"

func TestRegion(t *testing.T) {
	for location, want := range map[string]string{
		"europe-west1-d": "europe-west1", "europe-west1": "europe-west1", "northamerica-northeast2-a": "northamerica-northeast2", "europe-west12": "europe-west12", "": "",
	} {
		if got := Region(location); got != want {
			t.Errorf("Region(%q) = %q, want %q", location, got, want)
		}
		if got := IsZone(location); got != (want != location) {
			t.Errorf("IsZone(%q) = %t", location, got)
		}
	}
}
