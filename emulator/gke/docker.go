// Package gke is what runs behind the emulated Google: clusters, nodes and the
// artifact registry as Docker containers on one network of their own.
package gke

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"

	"hello-timber/emulator/home"
)

// Labels of everything the emulator makes in Docker. The first carries the path
// of the emulator's folder, so that two checkouts never touch each other's.
const (
	labelEmulator = "hello-timber.emulator"
	labelRole     = "hello-timber.role" // control-plane, node or registry
	labelProject  = "hello-timber.project"
	labelCluster  = "hello-timber.cluster"
	labelPool     = "hello-timber.pool"
	labelZone     = "hello-timber.zone"
	labelSpec     = "hello-timber.spec" // what the node was made as
)

// Machines makes and finds a checkout's containers.
type Machines struct {
	docker *client.Client
	home   string
}

// Connect returns this checkout's machines.
func Connect() (*Machines, error) {
	dir, err := home.Dir()
	if err != nil {
		return nil, err
	}
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	return &Machines{docker, dir}, nil
}

func (m *Machines) filter(labels ...string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", labelEmulator+"="+m.home))
	for _, label := range labels {
		f.Add("label", label)
	}
	return f
}

// list returns the containers with the given labels ("k=v"), stopped ones too.
func (m *Machines) list(ctx context.Context, labels ...string) ([]container.Summary, error) {
	return m.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: m.filter(labels...)})
}

// machine is a container to be made.
type machine struct {
	name    string
	command []string
	env     []string
	labels  map[string]string
	kernel  bool // whether it needs what a Kubernetes node needs of the kernel
	volumes []string
	binds   []string
	ports   nat.PortMap
	files   map[string][]byte
}

// capabilities are what a node needs besides the engine's default ones: networks
// and routes, mounts and namespaces, the namespaces of pods with other users, and the
// kernel's messages for the kubelet. It has none that loads modules, sets the clock, restarts
// the machine or reaches its devices. --privileged would have, and fails where the engine
// itself has no CAP_SYS_RESOURCE.
var capabilities = []string{"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE", "SYSLOG"}

// start makes a container with an address of its own and starts it. A container
// that cannot be started is removed again.
func (m *Machines) start(ctx context.Context, spec machine) error {
	id, err := m.place(ctx, spec)
	if err != nil {
		return err
	}
	if err = m.copyIn(ctx, id, spec.files); err == nil {
		err = m.docker.ContainerStart(ctx, id, container.StartOptions{})
	}
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("start container %s: %w", spec.name, err), m.remove(context.WithoutCancel(ctx), id))
}

// place makes a container that holds an address from then on.
func (m *Machines) place(ctx context.Context, spec machine) (id string, err error) {
	image, err := m.image()
	if err != nil {
		return "", err
	}
	unlock, err := m.lock(ctx, networkLock)
	if err != nil {
		return "", err
	}
	defer unlock()
	net, err := m.network(ctx)
	if err != nil {
		return "", err
	}
	address, balancers, err := m.freeAddress(ctx, net)
	if err != nil {
		return "", err
	}
	spec.env = append(spec.env, "LOADBALANCER_RANGE="+balancers.String())
	spec.labels[labelEmulator] = m.home
	exposed := nat.PortSet{}
	for port := range spec.ports {
		exposed[port] = struct{}{}
	}
	// The engine goes on with what it has begun, and only its answer has the id to remove.
	created, err := m.docker.ContainerCreate(context.WithoutCancel(ctx),
		&container.Config{Image: image, Cmd: spec.command, Env: spec.env, Labels: spec.labels, Hostname: spec.name, ExposedPorts: exposed},
		m.hostConfig(spec),
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			net.Name: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}}}},
		nil, spec.name)
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", spec.name, err)
	}
	return created.ID, nil
}

// hostConfig is what a container may do on this machine.
func (m *Machines) hostConfig(spec machine) *container.HostConfig {
	host := &container.HostConfig{
		// After a restart of the engine or the machine everything comes back.
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m"}},
		Binds:         append(spec.binds, filepath.Join(m.home, "bin")+":/opt/emulator:ro"),
		PortBindings:  spec.ports,
		Tmpfs:         map[string]string{"/run": "exec"},
		// A node arranges the cgroups that it sees. With the engine's setting
		// "default-cgroupns-mode": "host" they would be this machine's.
		CgroupnsMode: container.CgroupnsModePrivate,
		// With the engine's userns-remap it could not mount anything.
		UsernsMode: "host",
		// With SELinux it could not read what it mounts of this machine.
		SecurityOpt: []string{"label=disable"},
	}
	for _, path := range spec.volumes {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeVolume, Target: path,
			VolumeOptions: &mount.VolumeOptions{Labels: spec.labels}})
	}
	if spec.kernel {
		host.CapAdd = capabilities
		host.SecurityOpt = append(host.SecurityOpt, "seccomp=unconfined", "apparmor=unconfined")
		host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
		host.Binds = append(host.Binds, "/lib/modules:/lib/modules:ro")
		host.Devices = []container.DeviceMapping{{PathOnHost: "/dev/kmsg", PathInContainer: "/dev/kmsg", CgroupPermissions: "r"}}
	}
	return host
}

// remove ends containers and their volumes; when none is left, the rest goes too.
func (m *Machines) remove(ctx context.Context, ids ...string) error {
	var errs []error
	for _, id := range ids {
		err := m.docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	unlock, err := m.lock(ctx, networkLock)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	defer unlock()
	left, err := m.list(ctx)
	if err == nil && len(left) == 0 {
		err = m.clear(ctx)
	}
	return errors.Join(append(errs, err)...)
}

// clear removes the network, and the volumes of containers that were removed without them.
func (m *Machines) clear(ctx context.Context) error {
	volumes, err := m.docker.VolumeList(ctx, volume.ListOptions{Filters: m.filter()})
	if err != nil {
		return err
	}
	for _, v := range volumes.Volumes {
		if err := m.docker.VolumeRemove(ctx, v.Name, false); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	if err := m.docker.NetworkRemove(ctx, networkName(m.home)); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// exec runs a command in a container and returns what it printed on stdout; the
// error carries its stderr.
func (m *Machines) exec(ctx context.Context, id string, command ...string) ([]byte, error) {
	created, err := m.docker.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return nil, err
	}
	attached, err := m.docker.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return nil, err
	}
	defer attached.Close()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, attached.Reader); err != nil {
		return nil, err
	}
	done, err := m.docker.ContainerExecInspect(ctx, created.ID)
	if err == nil && done.ExitCode != 0 {
		err = fmt.Errorf("%s: exit code %d: %s", strings.Join(command, " "), done.ExitCode, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), err
}

func (m *Machines) copyIn(ctx context.Context, id string, files map[string][]byte) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for path, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o600, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return m.docker.CopyToContainer(ctx, id, "/", &archive, container.CopyToContainerOptions{})
}

// image is the node image's tag, left by the emulator's build.
func (m *Machines) image() (string, error) {
	tag, err := os.ReadFile(filepath.Join(m.home, "node-image"))
	if err != nil {
		return "", fmt.Errorf("the emulator is not built (%w); run: make up", err)
	}
	return strings.TrimSpace(string(tag)), nil
}
