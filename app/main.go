// Command app is timber, the tutorial's web service. It answers that timber is so
// delicious and, from version 2 on, why.
//
// Environment:
//
//	PORT          TCP port to listen on; 0 takes a free one and logs it (default 8080)
//	LOG_LEVEL     debug, info, warn or error; debug logs every request (default info)
//	GOMEMLIMIT    memory for Go, five eighths of the container's (default 160MiB); the number
//	              of connections follows from it
//	IDLE_SECONDS  how long connections stay open that are not used (default 60)
package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// version is the image's tag, set by the linker (-X main.version=v1).
var version = "dev"

func main() {
	if err := run(); err != nil {
		// Plain text, for people. Cloud Logging takes lines of stderr for errors.
		fmt.Fprintln(os.Stderr, "timber:", err)
		os.Exit(1)
	}
}

// run serves until SIGTERM or SIGINT and then drains. A second signal ends the
// process at once with exit code 1.
func run() error {
	port, level, idle, err := config(os.Getenv)
	if err != nil {
		return err
	}
	// In Kubernetes the host's name is the pod's.
	pod, err := os.Hostname()
	if err != nil {
		return err
	}
	log := newLog(os.Stdout, level)

	// Before listening, so that a signal right after the first probe is not missed.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	listener, err := listen(port)
	if err != nil {
		return err
	}
	s := newServer(version, pod, log)
	s.http.IdleTimeout = idle
	failed := make(chan error, 1)
	go func() { failed <- s.serve(listener) }()
	log.Info("listening", "address", listener.Addr().String(), "version", version, "pod", pod, "connections", cap(s.open))

	var received os.Signal
	select {
	case err := <-failed:
		return err
	case received = <-signals:
	}
	go func() {
		second := <-signals
		log.Error("second signal: stopping without waiting for requests in flight", "signal", second.String())
		os.Exit(1)
	}()
	if err := s.drain(received.String()); err != nil {
		return err
	}
	log.Info("drained")
	return nil
}

// config reads the port, the log level and how long an idle connection stays open.
func config(getenv func(string) string) (port string, level slog.Level, idle time.Duration, err error) {
	port = cmp.Or(getenv("PORT"), "8080")
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", 0, 0, fmt.Errorf("PORT is %q: want a number from 0 to 65535. Fix: unset PORT, to listen on 8080", port)
	}
	if name := getenv("LOG_LEVEL"); name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return "", 0, 0, fmt.Errorf("LOG_LEVEL is %q: want debug, info, warn or error. Fix: unset LOG_LEVEL, for info", name)
		}
	}
	text := cmp.Or(getenv("IDLE_SECONDS"), strconv.Itoa(int(idleTimeout.Seconds())))
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil || seconds == 0 {
		return "", 0, 0, fmt.Errorf("IDLE_SECONDS is %q: want a number from 1 to 65535. Fix: unset IDLE_SECONDS, for %d", text, int(idleTimeout.Seconds()))
	}
	return port, level, time.Duration(seconds) * time.Second, nil
}

// newLog writes JSON lines with the field names that Cloud Logging understands:
// https://cloud.google.com/logging/docs/structured-logging
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case len(groups) > 0:
			case a.Key == slog.MessageKey:
				a.Key = "message"
			case a.Key == slog.LevelKey:
				a.Key = "severity"
				if a.Value.Any() == slog.LevelWarn {
					a.Value = slog.StringValue("WARNING")
				}
			}
			return a
		},
	}))
}
