//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, `The emulator needs Linux: it reaches containers by their own addresses, and Docker Desktop on %s
keeps those inside its virtual machine. Run make in a Linux virtual machine or in WSL2 with Docker Engine
installed there. Google Cloud itself needs none of this: pulumi up works on every system.
`, runtime.GOOS)
	os.Exit(1)
}
