//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock lets one command at a time build or prepare stacks in this checkout; the
// others wait. It ends with unlock or with the process.
func (c checkout) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(c.home(), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(c.home("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for waited := false; ; waited = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, file.Close())
		}
		if !waited {
			fmt.Fprintln(os.Stderr, "waiting for another make that builds in this checkout")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
