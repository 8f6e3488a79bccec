package gcp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hello-timber/emulator/records"
)

// table lists the resource types and the properties that they accept: each type
// with the form of its ids and the API that must be enabled to make one. Behind
// a property: ! it is required; ^ a change of it forces replacement; ~ Google
// fills it in, so that leaving it out is no change; =V is its default; {...} are
// the properties of the object, or of each object of the list.
//
// Source: the schemas of Terraform's google-beta 5.42.0, which pulumi-gcp 7.38.0
// is made of.
const table = `
gcp:projects/service:Service {project}/{service} -
	service!^ project~^ disableOnDestroy=true disableDependentServices

gcp:projects/iAMMember:IAMMember {project}/{role}/{member} -
	project!^ role!^ member!^

gcp:serviceaccount/account:Account projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com iam.googleapis.com
	accountId!^ project~^ displayName description disabled=false

gcp:artifactregistry/repository:Repository projects/{project}/locations/{location}/repositories/{repositoryId} artifactregistry.googleapis.com
	repositoryId!^ location!^ format!^ project~^ mode=STANDARD_REPOSITORY^ description labels
	dockerConfig{ immutableTags } cleanupPolicyDryRun
	cleanupPolicies{
		id! action
		condition{ tagState=ANY tagPrefixes versionNamePrefixes packageNamePrefixes olderThan newerThan }
		mostRecentVersions{ keepCount packageNamePrefixes }
	}

gcp:artifactregistry/repositoryIamMember:RepositoryIamMember projects/{project}/locations/{location}/repositories/{repository}/{role}/{member} artifactregistry.googleapis.com
	repository!^ location!^ project~^ role!^ member!^

gcp:container/cluster:Cluster projects/{project}/locations/{location}/clusters/{name} container.googleapis.com
	name!^ location!^ project~^ description^ resourceLabels deletionProtection=true
	removeDefaultNodePool! initialNodeCount!^
	network=default^ subnetwork~^ networkingMode~^ datapathProvider~^ enableIntranodeVisibility~
	ipAllocationPolicy~^{
		clusterIpv4CidrBlock~^ servicesIpv4CidrBlock~^ clusterSecondaryRangeName~^
		servicesSecondaryRangeName~^ stackType=IPV4^
	}
	privateClusterConfig~{
		enablePrivateNodes^ enablePrivateEndpoint masterIpv4CidrBlock~^ privateEndpointSubnetwork^
		masterGlobalAccessConfig~{ enabled! }
	}
	masterAuthorizedNetworksConfig~{ cidrBlocks{ cidrBlock! displayName } gcpPublicCidrsAccessEnabled~ }
	masterAuth~{ clientCertificateConfig!^{ issueClientCertificate!^ } }
	workloadIdentityConfig~{ workloadPool } releaseChannel~{ channel! }
	enableShieldedNodes=true enableLegacyAbac=false enableKubernetesAlpha=false^
	loggingConfig~{ enableComponents! } costManagementConfig~{ enabled! }
	monitoringConfig~{
		enableComponents~ managedPrometheus~{ enabled! }
		advancedDatapathObservabilityConfigs~{ enableMetrics! enableRelay=false relayMode~ }
	}
	securityPostureConfig~{ mode~ vulnerabilityMode~ }
	maintenancePolicy{
		dailyMaintenanceWindow{ startTime! duration~ }
		recurringWindow{ startTime! endTime! recurrence! }
		maintenanceExclusions{ exclusionName! startTime! endTime! exclusionOptions{ scope! } }
	}
	notificationConfig~{ pubsub!{ enabled! topic filter{ eventTypes! } } }
	addonsConfig~{
		httpLoadBalancing~{ disabled! } horizontalPodAutoscaling~{ disabled! } networkPolicyConfig~{ disabled! }
		dnsCacheConfig~{ enabled! } gcePersistentDiskCsiDriverConfig~{ enabled! } gcpFilestoreCsiDriverConfig~{ enabled! }
	}

gcp:container/nodePool:NodePool projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name} container.googleapis.com
	name!^ cluster!^ location!^ project~^ nodeCount! nodeLocations~
	management~{ autoRepair=true autoUpgrade=true }
	upgradeSettings~{ maxSurge~ maxUnavailable~ strategy=SURGE }
	nodeConfig~^{
		machineType~ diskType~ diskSizeGb~ imageType~ labels~ tags
		serviceAccount~^ oauthScopes~^ metadata~^ spot=false^
		shieldedInstanceConfig~^{ enableSecureBoot=false^ enableIntegrityMonitoring=true^ }
		workloadMetadataConfig~{ mode! }
		resourceLabels kubeletConfig{ cpuManagerPolicy! cpuCfsQuota cpuCfsQuotaPeriod podPidsLimit }
	}
`

// kind is a resource type.
type kind struct {
	token string
	// id is the form of an id, with properties in braces.
	id string
	// api is the service that must be enabled, such as iam.googleapis.com, or -.
	api    string
	fields fields
	// adopts: making one that exists already is no error.
	adopts bool
	// apply refuses what Google would refuse, makes or changes the real thing and
	// adds what Google fills in. This and the following may be nil.
	apply func(*google, context.Context, *change) error
	// read brings a record up to date; false: the real thing is gone.
	read func(*google, context.Context, records.Record) (bool, error)
	// remove takes down the real thing; one that is gone already is no error.
	remove func(*google, context.Context, records.Record) error
}

type fields map[string]*field

type field struct {
	required, forces, computed bool
	preset                     any
	// fields is nil unless the value is an object or a list of objects.
	fields fields
}

var kinds = parse(table)

func parse(table string) map[string]*kind {
	kinds := map[string]*kind{}
	var open []fields
	words := strings.Fields(table)
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case strings.HasPrefix(word, "gcp:"):
			kinds[word] = &kind{token: word, id: words[i+1], api: words[i+2], fields: fields{}}
			open = []fields{kinds[word].fields}
			i += 2
			continue
		case word == "}":
			open = open[:len(open)-1]
			continue
		}
		f := &field{required: strings.Contains(word, "!"), forces: strings.Contains(word, "^"), computed: strings.Contains(word, "~")}
		name, preset, _ := strings.Cut(strings.NewReplacer("!", "", "^", "", "~", "", "{", "").Replace(word), "=")
		if truth, err := strconv.ParseBool(preset); err == nil {
			f.preset = truth
		} else if preset != "" {
			f.preset = preset
		}
		open[len(open)-1][name] = f
		if strings.HasSuffix(word, "{") {
			f.fields = fields{}
			open = append(open, f.fields)
		}
	}
	return kinds
}

// check fills in defaults and reports every property that is unknown, missing or
// malformed.
func (k *kind) check(fs fields, path string, in resource.PropertyMap, report func(reason string)) {
	for _, name := range in.StableKeys() {
		f, known := fs[string(name)]
		if !known {
			report(fmt.Sprintf("the emulator's %s has no property %s", k.token, path+string(name)))
			continue
		}
		for i, value := range elements(in[name]) {
			at := path + string(name)
			if in[name].IsArray() {
				at += fmt.Sprintf("[%d]", i)
			}
			if value.IsObject() && f.fields != nil {
				k.check(f.fields, at+".", value.ObjectValue(), report)
			} else if format, ok := formats[string(name)]; ok && path == "" && value.IsString() && !format.pattern.MatchString(value.StringValue()) {
				report(fmt.Sprintf("%q is no %s: %s", value.StringValue(), name, format.rule))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		f, key := fs[name], resource.PropertyKey(name)
		if v, ok := in[key]; ok && !v.IsNull() {
			continue
		}
		if f.preset != nil {
			in[key] = resource.NewPropertyValue(f.preset)
		} else if f.required {
			report("Missing required property '" + path + name + "'")
		}
	}
}

func elements(v resource.PropertyValue) []resource.PropertyValue {
	if v.IsArray() {
		return v.ArrayValue()
	}
	return []resource.PropertyValue{v}
}

// diff adds what differs between two values at a path. Unset, false and empty are
// the same to Terraform, and so they are here.
func (f *field) diff(path resource.PropertyPath, old, new resource.PropertyValue, found map[string]plugin.PropertyDiff) {
	switch {
	case f.empty(old) && f.empty(new), f.computed && new.IsNull(), old.DeepEquals(new):
	case old.IsObject() && new.IsObject():
		keys := maps.Clone(old.ObjectValue())
		maps.Copy(keys, new.ObjectValue())
		for key := range keys {
			f.at(string(key)).diff(slices.Concat(path, resource.PropertyPath{string(key)}), old.ObjectValue()[key], new.ObjectValue()[key], found)
		}
	case old.IsArray() && new.IsArray() && len(old.ArrayValue()) == len(new.ArrayValue()):
		for i := range old.ArrayValue() {
			f.diff(slices.Concat(path, resource.PropertyPath{i}), old.ArrayValue()[i], new.ArrayValue()[i], found)
		}
	default:
		change := plugin.PropertyDiff{Kind: plugin.DiffUpdate, InputDiff: true}
		if old.IsNull() {
			change.Kind = plugin.DiffAdd
		} else if new.IsNull() {
			change.Kind = plugin.DiffDelete
		}
		if f.forced(old) || f.forced(new) {
			change = change.ToReplace()
		}
		found[path.String()] = change
	}
}

// at is the field of a key; a plain map's entries are like the map.
func (f *field) at(key string) *field {
	if inner, ok := f.fields[key]; ok {
		return inner
	}
	return &field{forces: f.forces}
}

func (f *field) empty(v resource.PropertyValue) bool {
	return v.IsNull() || v.IsBool() && !v.BoolValue() || v.IsString() && v.StringValue() == "" ||
		v.IsArray() && len(v.ArrayValue()) == 0 || v.IsObject() && len(v.ObjectValue()) == 0 && f.fields == nil
}

// forced tells whether adding or removing a value forces replacement: because of
// itself, or of something set inside it.
func (f *field) forced(v resource.PropertyValue) bool {
	if f.forces {
		return true
	}
	for _, v := range elements(v) {
		if v.IsObject() {
			for key, v := range v.ObjectValue() {
				if inner := f.fields[string(key)]; inner != nil && !inner.empty(v) && inner.forced(v) {
					return true
				}
			}
		}
	}
	return false
}

// merge returns the outputs after a change of the inputs: what Google has filled
// in stays, what the program no longer asks for goes.
func (fs fields) merge(outputs, old, new resource.PropertyMap) resource.PropertyMap {
	result := outputs.Copy()
	for key := range old {
		if f := fs[string(key)]; !new.HasValue(key) && (f == nil || !f.computed) {
			delete(result, key)
		}
	}
	for key, value := range new {
		f := fs[string(key)]
		if f == nil {
			continue
		}
		if f.fields != nil && value.IsObject() && result[key].IsObject() {
			before := resource.PropertyMap{}
			if old[key].IsObject() {
				before = old[key].ObjectValue()
			}
			value = resource.NewProperty(f.fields.merge(result[key].ObjectValue(), before, value.ObjectValue()))
		}
		result[key] = value
	}
	return result
}

// inputs returns the inputs that would give some outputs: of the properties that
// are set in like, or of all when like is nil.
func (fs fields) inputs(outputs, like resource.PropertyMap) resource.PropertyMap {
	result := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		now, ok := outputs[key]
		if !ok || like != nil && !like.HasValue(key) {
			continue
		}
		if f.fields != nil && now.IsObject() {
			var inner resource.PropertyMap
			if like[key].IsObject() {
				inner = like[key].ObjectValue()
			}
			now = resource.NewProperty(f.fields.inputs(now.ObjectValue(), inner))
		}
		result[key] = now
	}
	return result
}
