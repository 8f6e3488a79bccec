//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain removes what the tests share: before them, what a killed run left, and after
// them what no row destroys.
func TestMain(m *testing.M) {
	if !strings.HasPrefix(os.Getenv("PULUMI_STACK"), "e2e") {
		fmt.Fprintln(os.Stderr, "these tests need the emulator's environment. Fix: make test, or make e2e")
		os.Exit(1)
	}
	code := 1
	err := tidy()
	if err == nil {
		code = m.Run()
		err = errors.Join(tidy(), os.RemoveAll(programFolder()))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
