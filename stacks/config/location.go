package config

import "regexp"

// ZonesPerRegion is how many zones of a region GKE uses by default.
const ZonesPerRegion = 3

var zoneSuffix = regexp.MustCompile(`-[a-z]$`)

// IsZone reports whether a location is a zone, such as europe-west1-d, and not a whole
// region, such as europe-west1.
func IsZone(location string) bool { return zoneSuffix.MatchString(location) }

// Region returns the region of a zone, and a region as it is.
func Region(location string) string { return zoneSuffix.ReplaceAllString(location, "") }
