//go:build linux

package progress

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"hello-timber/emulator/setup/checkout"
)

// Lock lets one command at a time build or prepare stacks in this checkout; the
// others wait. It ends with unlock or with the process.
func Lock(ctx context.Context, c checkout.Checkout) (unlock func(), err error) {
	if err := os.MkdirAll(c.Home(), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(c.Home("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	take := func() error { return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
	err = take()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = Watched(ctx, c, "lock", func(ctx context.Context, p *Report) error {
			p.Say("waiting for another make that builds in this checkout")
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(200 * time.Millisecond):
				}
				if err := take(); !errors.Is(err, syscall.EWOULDBLOCK) {
					return err
				}
			}
		})
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil
}
