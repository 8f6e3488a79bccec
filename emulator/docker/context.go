package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
)

// contextDigest is the official provider's sha256, in hex, over what can change an
// image: the Dockerfile, and each file of the folder that the builder gets, by
// name, mode and content. Like the official one, it leaves out empty folders and counts
// all permissions, so that checkouts with different umasks have different images. A
// folder with symbolic links has another digest: the official one also follows them.
func contextDigest(folder, dockerfile string) (string, error) {
	ignored, err := ignorePatterns(folder, dockerfile)
	if err != nil {
		return "", err
	}
	all := sha256.New()
	add := func(path, name string, mode fs.FileMode) error {
		content := sha256.New()
		err := copyContent(content, path, mode)
		fmt.Fprintf(all, "%s%s%s\x00", filepath.ToSlash(name), mode, content.Sum(nil))
		return err
	}
	// Under a fixed name and mode: to the builder it is always "the Dockerfile".
	if err := add(dockerfile, "Dockerfile", 0); err != nil {
		return "", fmt.Errorf("build.dockerfile, whose path is relative to the program and not to the context: %w", err)
	}
	err = fsutil.Walk(context.Background(), folder, &fsutil.FilterOpt{ExcludePatterns: ignored}, func(name string, file fs.FileInfo, err error) error {
		if err == nil && !file.IsDir() {
			err = add(filepath.Join(folder, name), name, file.Mode())
		}
		if err != nil {
			// Not wrapped: fsutil takes "no such file" for the end of a folder, and the
			// digest would silently miss the files that follow (pulumi-docker#541).
			return fmt.Errorf("%s cannot be read: %s", filepath.Join(folder, name), err.Error())
		}
		return nil
	})
	return hex.EncodeToString(all.Sum(nil)), err
}

func copyContent(to io.Writer, path string, mode fs.FileMode) error {
	if mode.Type() == fs.ModeSymlink {
		text, err := os.Readlink(path)
		if err != nil {
			return err
		}
		_, err = io.WriteString(to, text)
		return err
	}
	if !mode.IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}

// ignorePatterns reads <Dockerfile>.dockerignore or, only where there is none,
// the folder's .dockerignore.
func ignorePatterns(folder, dockerfile string) ([]string, error) {
	file, err := os.Open(dockerfile + ".dockerignore")
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.Open(filepath.Join(folder, ".dockerignore"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ignorefile.ReadAll(file)
}
