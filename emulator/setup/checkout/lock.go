//go:build linux

package checkout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Lock lets one command at a time build or prepare stacks in this checkout; the
// others wait. It ends with unlock or with the process.
func (c Checkout) Lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(c.Home(), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(c.Home("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for waited := 0; ; waited++ {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || ctx.Err() != nil {
			break
		}
		if waited%40 == 0 { // every eight seconds
			fmt.Fprintln(os.Stderr, "waiting for another make that builds in this checkout")
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil
}
