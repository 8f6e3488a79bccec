package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		port, level, idle string
		wantPort          string
		wantLevel         slog.Level
		wantIdle          time.Duration
		wantErr           string
	}{
		{"", "", "", "8080", slog.LevelInfo, idleTimeout, ""},
		{"9000", "debug", "620", "9000", slog.LevelDebug, 620 * time.Second, ""},
		{"0", "WARN", "1", "0", slog.LevelWarn, time.Second, ""},
		{"65535", "error", "", "65535", slog.LevelError, idleTimeout, ""},
		{port: "65536", wantErr: `PORT is "65536": want a number`},
		{port: "-1", wantErr: `PORT is "-1"`},
		{port: "http", wantErr: `PORT is "http"`},
		{port: "8080 ", wantErr: `PORT is "8080 "`},
		{level: "loud", wantErr: `LOG_LEVEL is "loud": want debug, info, warn or error`},
		{idle: "0", wantErr: `IDLE_SECONDS is "0": want a number from 1 to 65535. Fix: unset IDLE_SECONDS, for 60`},
		{idle: "-1", wantErr: `IDLE_SECONDS is "-1"`},
		{idle: "10m", wantErr: `IDLE_SECONDS is "10m"`},
		{idle: "65536", wantErr: `IDLE_SECONDS is "65536"`},
	} {
		env := map[string]string{"PORT": test.port, "LOG_LEVEL": test.level, "IDLE_SECONDS": test.idle}
		port, level, idle, err := config(func(name string) string { return env[name] })
		if port != test.wantPort || level != test.wantLevel || idle != test.wantIdle || !strings.Contains(fmt.Sprint(err), cmp.Or(test.wantErr, "<nil>")) {
			t.Errorf("%v: %s, %s, %s, %v, want %s", env, port, level, idle, err, test.wantErr)
		}
	}
}

func TestLogSpeaksCloudLogging(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR",
	} {
		var log bytes.Buffer
		newLog(&log, slog.LevelDebug).Log(t.Context(), level, "timber", "n", 1)
		if line := logLine(t, &log); line["severity"] != want || line["message"] != "timber" || line["n"] != 1.0 || line["time"] == "" {
			t.Errorf("%s", &log)
		}
	}
}

// build makes the binary as the Dockerfile does, and returns its path.
func build(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "timber")
	command := exec.Command("go", "build", "-buildvcs=false", "-tags", "nethttpomithttp2",
		"-ldflags", "-s -w -buildid= -X 'main.version="+version+"'", "-o", path, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// process is a running timber.
type process struct {
	*exec.Cmd
	address string
	log     *bufio.Scanner
}

// start runs the binary, with more variables, and waits until it listens.
func start(t *testing.T, binary string, env ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(binary)}
	p.Env = append([]string{"PORT=0"}, env...)
	p.Stderr = os.Stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	p.log = bufio.NewScanner(stdout)
	_, port, err := net.SplitHostPort(p.line(t, "listening")["address"].(string))
	if err != nil {
		t.Fatal(err)
	}
	p.address = net.JoinHostPort("127.0.0.1", port)
	return p
}

// line reads the next line of the log, which must have the message.
func (p *process) line(t *testing.T, message string) map[string]any {
	t.Helper()
	var line map[string]any
	if !p.log.Scan() || json.Unmarshal(p.log.Bytes(), &line) != nil || line["message"] != message {
		t.Fatalf("log says %q, want %q", p.log.Text(), message)
	}
	return line
}

// exit waits for the process to end and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { p.Process.Kill() })
	defer timer.Stop()
	var failed *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

func (p *process) begin(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, get[:20]); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestBinary(t *testing.T) {
	binary := build(t, "v1.0")

	t.Run("is small", func(t *testing.T) {
		info, err := os.Stat(binary)
		if err != nil {
			t.Fatal(err)
		}
		// The image holds nothing else. An upgrade of Go may need more, up to 8.
		if info.Size() > 6e6 {
			t.Errorf("%.1f MB", float64(info.Size())/1e6)
		}
	})

	t.Run("loses none of 200 clients at SIGTERM", func(t *testing.T) {
		t.Parallel()
		p := start(t, binary)
		var opened, running sync.WaitGroup
		for range 200 {
			opened.Add(1)
			running.Go(func() {
				first := sync.OnceFunc(opened.Done)
				defer first()
				conn, err := net.Dial("tcp", p.address)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				answers := bufio.NewReader(conn)
				for closes := false; !closes; first() {
					if closes, err = ask(conn, answers, "/index", v1); err != nil {
						t.Error(err)
					}
				}
			})
		}
		opened.Wait()
		p.Process.Signal(syscall.SIGTERM)
		running.Wait()
		p.line(t, "draining")
		p.line(t, "drained")
		if code := p.exit(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})

	// A pod pays for what the kernel keeps of a connection from the moment that it is accepted.
	t.Run("the kernel keeps little of a client that waits", func(t *testing.T) {
		p := start(t, binary, "GOMEMLIMIT=1MiB") // for ten connections
		for range 11 {                           // one of which is accepted, and waits for room
			p.begin(t)
		}
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		conn.(*net.TCPConn).SetWriteBuffer(1)
		conn.SetWriteDeadline(time.Now().Add(readTimeout / 4))
		if kept, err := conn.Write(make([]byte, 1<<20)); kept > 40<<10 || err == nil {
			t.Errorf("the kernel keeps %d bytes, %v", kept, err)
		}
	})

	t.Run("a second signal stops it at once", func(t *testing.T) {
		p := start(t, binary)
		p.begin(t)
		p.Process.Signal(syscall.SIGTERM)
		p.line(t, "draining")
		begin := time.Now()
		p.Process.Signal(syscall.SIGINT)
		if code := p.exit(t); code != 1 {
			t.Errorf("exit code %d", code)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %s", took)
		}
	})

	t.Run("says in one line why it does not start", func(t *testing.T) {
		taken, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		_, port, err := net.SplitHostPort(taken.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		command := exec.Command(binary)
		command.Env, command.Stdout, command.Stderr = []string{"PORT=" + port}, &stdout, &stderr
		var failed *exec.ExitError
		if err := command.Run(); !errors.As(err, &failed) || failed.ExitCode() != 1 {
			t.Error(err)
		}
		if want := "timber: listen tcp :" + port + ": bind: address already in use\n"; stderr.String() != want || stdout.Len() > 0 {
			t.Errorf("says %q and %q, want %q", &stderr, &stdout, want)
		}
	})
}
