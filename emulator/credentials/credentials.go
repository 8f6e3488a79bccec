// Package credentials has what the emulated Google gives a user: an access token, and
// Application Default Credentials that lead to it until they are revoked.
package credentials

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hello-timber/emulator/home"
)

// Default returns the access token that the emulated Google gives to the user who
// runs this process, for their Application Default Credentials: those of this
// folder, or the file that GOOGLE_APPLICATION_CREDENTIALS names, which must hold a
// token that Google knows.
func Default() (string, error) {
	const fix = "Fix: gcloud auth application-default login"
	token, err := Token()
	if err != nil {
		return "", err
	}
	if path := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); path != "" {
		given, err := os.ReadFile(path)
		switch {
		case err != nil:
			return "", fmt.Errorf("no Google credentials: GOOGLE_APPLICATION_CREDENTIALS: %w. Fix: unset GOOGLE_APPLICATION_CREDENTIALS", err)
		case strings.TrimSpace(string(given)) != token:
			return "", fmt.Errorf(`the Google credentials in %s are expired or revoked: oauth2: "invalid_grant" "Token has been expired or revoked." %s`, path, fix)
		}
		return token, nil
	}
	revoked, err := revokedPath()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(revoked); err == nil {
		return "", errors.New("no Google credentials: google: could not find default credentials. " + fix)
	}
	return token, nil
}

// Login gives the credentials of this folder, which Revoke takes.
func Login() error {
	path, err := revokedPath()
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// Revoke takes the credentials of this folder until the next Login.
func Revoke() error {
	path, err := revokedPath()
	if err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o600)
}

func revokedPath() (string, error) {
	dir, err := home.Dir()
	return filepath.Join(dir, "google", "revoked"), err
}

// Token returns the access token that the emulated Google gives to the user who
// owns this folder, making one at the first call. It does not expire, and works on
// this machine only.
func Token() (string, error) {
	dir, err := home.Dir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "google", "token")
	token, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimSpace(string(token)), err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	// Several plugins may start at once: the first to link its token in wins.
	temporary := path + "-" + rand.Text()
	defer os.Remove(temporary)
	if err := os.WriteFile(temporary, []byte("ya29.emulator-"+rand.Text()), 0o600); err != nil {
		return "", err
	}
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep the access token: %w", err)
	}
	return Token()
}
