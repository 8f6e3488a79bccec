package gke

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// engine behaves as Docker's where several users of it meet: it chooses subnets
// that are free, refuses those that are not, and refuses a container's name that is taken.
type engine struct {
	mu         sync.Mutex // it answers one request after the other
	networks   map[string]network.Inspect
	containers map[string]container.Summary
	size       int // of the subnets that it chooses, in bits
	registry   string
	// removing and creating run when a network is removed, and a container created.
	removing, creating func()
}

func newEngine(t *testing.T) (*engine, *client.Client) {
	t.Helper()
	e := &engine{networks: map[string]network.Inspect{}, containers: map[string]container.Summary{}, size: 24, removing: func() {}, creating: func() {}}
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.45") })
	mux.HandleFunc("GET /{v}/networks/{name}", e.inspectNetwork)
	mux.HandleFunc("POST /{v}/networks/create", e.createNetwork)
	mux.HandleFunc("DELETE /{v}/networks/{name}", e.removeNetwork)
	mux.HandleFunc("GET /{v}/containers/json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(slices.Collect(maps.Values(e.containers)))
	})
	mux.HandleFunc("POST /{v}/containers/create", e.createContainer)
	mux.HandleFunc("GET /{v}/containers/{name}/json", e.inspectContainer)
	mux.HandleFunc("PUT /{v}/containers/{name}/archive", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /{v}/containers/{name}/start", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("DELETE /{v}/containers/{name}", func(w http.ResponseWriter, r *http.Request) {
		delete(e.containers, r.PathValue("name"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /{v}/volumes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Millisecond) // on the way, so that others' requests come in between
		e.mu.Lock()
		defer e.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	docker, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	return e, docker
}

// checkoutOf is another checkout, or another process of the same one.
func checkoutOf(t *testing.T, docker *client.Client, home string) *Machines {
	t.Helper()
	home = cmp.Or(home, t.TempDir())
	if err := os.WriteFile(filepath.Join(home, "node-image"), []byte("node:1"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Machines{docker, home}
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": fmt.Sprintf(format, args...)})
}

func (e *engine) inspectNetwork(w http.ResponseWriter, r *http.Request) {
	found, ok := e.networks[r.PathValue("name")]
	if !ok {
		refuse(w, http.StatusNotFound, "network %s not found", r.PathValue("name"))
		return
	}
	_ = json.NewEncoder(w).Encode(found)
}

func (e *engine) createNetwork(w http.ResponseWriter, r *http.Request) {
	var wanted network.CreateRequest
	_ = json.NewDecoder(r.Body).Decode(&wanted)
	taken := func(subnet string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(e.networks)), func(n network.Inspect) bool { return n.IPAM.Config[0].Subnet == subnet })
	}
	subnet := ""
	if wanted.IPAM != nil && len(wanted.IPAM.Config) > 0 {
		if subnet = wanted.IPAM.Config[0].Subnet; taken(subnet) {
			refuse(w, http.StatusForbidden, "Pool overlaps with other one on this address space")
			return
		}
	}
	for i := 0; subnet == ""; i++ {
		if s := fmt.Sprintf("10.0.%d.0/%d", i, e.size); !taken(s) {
			subnet = s
		}
	}
	e.networks[wanted.Name] = network.Inspect{Name: wanted.Name, ID: wanted.Name, IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}}
	_ = json.NewEncoder(w).Encode(network.CreateResponse{ID: wanted.Name})
}

func (e *engine) removeNetwork(w http.ResponseWriter, r *http.Request) {
	delete(e.networks, r.PathValue("name"))
	e.removing()
	w.WriteHeader(http.StatusNoContent)
}

func (e *engine) createContainer(w http.ResponseWriter, r *http.Request) {
	e.creating()
	name := r.URL.Query().Get("name")
	if _, ok := e.containers[name]; ok {
		refuse(w, http.StatusConflict, `Conflict. The container name "/%s" is already in use`, name)
		return
	}
	e.containers[name] = container.Summary{ID: name}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(container.CreateResponse{ID: name})
}

func (e *engine) inspectContainer(w http.ResponseWriter, r *http.Request) {
	host, port, _ := strings.Cut(e.registry, ":")
	fmt.Fprintf(w, `{"Id": %q, "NetworkSettings": {"Ports": {"5000/tcp": [{"HostIp": %q, "HostPort": %q}]}}}`, r.PathValue("name"), host, port)
}

// Two stacks of one checkout going up at once from nothing both need the registry.
func TestOneRegistryForAllStacksOfACheckout(t *testing.T) {
	e, docker := newEngine(t)
	home := checkoutOf(t, docker, "").home
	var group sync.WaitGroup
	for range 8 {
		m := checkoutOf(t, docker, home)
		group.Go(func() {
			if err := m.startRegistry(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(e.containers) != 1 || len(e.networks) != 1 {
		t.Errorf("%d containers, %d networks, want one of each", len(e.containers), len(e.networks))
	}
}

// Two checkouts going up at once may be given the same subnet by the engine.
func TestCheckoutsGetNetworksOfTheirOwn(t *testing.T) {
	e, docker := newEngine(t)
	e.removing = func() { // another checkout is quicker
		e.networks["other"] = network.Inspect{Name: "other", IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.0.0.0/24"}}}}
	}
	m := checkoutOf(t, docker, "")
	net, err := m.network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if subnet := net.IPAM.Config[0].Subnet; subnet != "10.0.1.0/24" {
		t.Errorf("subnet %s, want 10.0.1.0/24", subnet)
	}
}

// An engine with small address pools is refused, with what to change, and nothing is left behind.
func TestSmallAddressPoolIsRefused(t *testing.T) {
	e, docker := newEngine(t)
	e.size = 28
	_, err := checkoutOf(t, docker, "").network(t.Context())
	if err == nil || !strings.Contains(err.Error(), "10.0.0.0/28") || !strings.Contains(err.Error(), "default-address-pools") {
		t.Errorf("error: %v", err)
	}
	if len(e.networks) != 0 {
		t.Errorf("left: %v", e.networks)
	}
}

// What the engine is creating when the update is killed or interrupted is removed, too.
func TestClusterCutShortLeavesNothing(t *testing.T) {
	e, docker := newEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	e.creating = cancel
	if _, err := checkoutOf(t, docker, "").CreateCluster(ctx, Cluster{Name: "timber"}, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	time.Sleep(100 * time.Millisecond) // what the engine goes on with
	if e.mu.Lock(); len(e.containers)+len(e.networks) > 0 {
		t.Errorf("left: %v, %v", e.containers, e.networks)
	}
}

// A registry that accepts connections and never answers does not hold up Ctrl-C.
func TestWaitingForTheRegistryEndsWithItsContext(t *testing.T) {
	e, docker := newEngine(t)
	hangs := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	defer server.Close()
	defer close(hangs)
	e.registry = server.Listener.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := checkoutOf(t, docker, "").registryReady(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}
