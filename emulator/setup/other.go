//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, `The emulator needs Linux: it reaches containers by their own addresses, which Docker Desktop on %s
keeps inside its virtual machine. Fix: run make in a Linux virtual machine or in WSL 2, with Docker Engine
installed there. Google Cloud needs none of this: pulumi up works on every system.
`, runtime.GOOS)
	os.Exit(1)
}
