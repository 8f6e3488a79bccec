//go:build linux && e2e

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The second engine's part of this checkout's emulator folder, kept between runs:
// its userland, and for each image store what the engine keeps.
const engineFolder = "engine"

// storeVariable names the image store in the test's own process next to the engine.
const storeVariable = "HELLO_TIMBER_IMAGE_STORE"

// TestEngines runs the tutorial's rows on a newer Docker engine than the machine
// may have, once with each of its image stores: the classic one, and containerd's,
// which is the default of Docker 29 and of GitHub's runners. To bootstrap the engine and
// to build everything on it takes longer than `make e2e` may: nightly.yml runs it.
func TestEngines(t *testing.T) {
	var userland string
	if os.Getenv(storeVariable) == "" {
		userland = engineUserland(t)
	}
	for _, store := range []string{"containerd", "classic"} {
		t.Run(store, func(t *testing.T) {
			switch os.Getenv(storeVariable) {
			case "":
				nextToEngine(t, userland, store)
			case store:
				rowsOnEngine(t, store)
			}
		})
	}
}

// engineUserland returns the folder of a small Debian that has the engine, made at
// the first run.
func engineUserland(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("a second Docker engine needs root. Fix: sudo make e2e ROWS=TestEngines")
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		t.Fatal("a second Docker engine is made of Debian's packages, by debootstrap, on Debian only: ", err)
	}
	folder := filepath.Join(home(), engineFolder, "forky")
	if _, err := os.Stat(folder); err == nil {
		return folder
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	t.Log("bootstrapping Debian forky with its Docker engine: some minutes, once")
	if err := engineCommand(t, "testdata/bootstrap.sh", folder).Run(); err != nil {
		t.Fatal(err)
	}
	return folder
}

// engineCommand is a script in namespaces of its own: when it ends, or the test
// does, the kernel removes every process, mount and network device in them.
func engineCommand(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(interrupted, "sh", append([]string{script}, args...)...)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		// When this thread ends, that is: it is this test's until then.
		Pdeathsig: syscall.SIGKILL,
	}
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	return command
}

// nextToEngine runs this test again as a process next to a new engine. Pulumi's
// state and the emulated Google are of its own too, so that what is up on the
// machine's own engine has no part in it.
func nextToEngine(t *testing.T, userland, store string) {
	t.Helper()
	data := filepath.Join(home(), engineFolder, store)
	running := data + ".running"
	// Only an engine that stopped with nothing in it is started again.
	if err := os.RemoveAll(running); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(data, running); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Namespaces have no part in what the kernel keeps about groups of processes.
		remove := exec.Command("find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/hello-timber-engine*", "-exec", "rmdir", "{}", "+")
		if out, err := remove.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		end := func() error { return os.RemoveAll(running) }
		if !t.Failed() {
			end = func() error { return os.Rename(running, data) }
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := engineCommand(t, "testdata/engine.sh", userland, running, root(), store, t.TempDir(),
		self, "-test.run=^TestEngines$/^"+store+"$", "-test.timeout=40m", "-test.v")
	command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	command.Env = append(os.Environ(), storeVariable+"="+store)
	if err := command.Run(); err != nil {
		t.Error(err)
	}
}

// rowsOnEngine is the tutorial from nothing to nothing.
func rowsOnEngine(t *testing.T, store string) {
	s := newStack(t, "e2e-"+store, options{})
	engine := s.run(t, "docker", "info", "--format={{.ServerVersion}} {{.DriverStatus}}")
	t.Log("Docker engine ", engine)
	if strings.Contains(engine, "io.containerd.snapshotter") != (store == "containerd") {
		t.Fatalf("the engine does not have the %s image store: %s", store, engine)
	}
	t.Log("up")
	s.up(t)
	s.previewIsEmpty(t)
	answers(t, s.url+"/index", v1)

	t.Log("three replicas and v2")
	first := s.output(t, "image")
	// Without load: two engines share the machine, and the tutorial has the load.
	s.set(t, "replicas", "3", "imageVersion", "v2")
	s.up(t)
	s.previewIsEmpty(t)
	s.settled(t, 3)
	answers(t, s.url+"/index", v2)
	if second := s.output(t, "image"); first == second {
		t.Errorf("v1 and v2 are both %s", first)
	}

	t.Log("destroy")
	s.gone(t)
	images := strings.Fields(s.run(t, "docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}"))
	if extra := slices.DeleteFunc(images, func(name string) bool { return !strings.HasPrefix(name, "127.0.0.1:") }); len(extra) > 0 {
		t.Errorf("the pushes left names of their own: %q", extra)
	}
}
