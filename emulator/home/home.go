// Package home knows the one folder in which an emulator keeps everything it
// has: binaries, plugins, state, records, credentials. Removing the folder
// removes the emulator.
package home

import (
	"os"
	"path/filepath"
)

// Dir returns the absolute path of the emulator's folder: the one whose bin/
// holds the running executable. Plugins and commands are links to that one
// executable, so they agree on the folder by themselves.
func Dir() (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	executable, err = filepath.EvalSymlinks(executable)
	if err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(executable)), nil
}
