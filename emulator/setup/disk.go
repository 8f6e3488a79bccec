//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// enough is what the emulator should stay below, with room for the images of a day's work.
const enough = 4 << 30

// taken is what the emulator takes of the disk: the folders and the images that make
// clean removes.
func (c checkout) taken(ctx context.Context, e engine) finding {
	folders, err := folderSize(c.home(), filepath.Join(c.root, "bin"))
	if err != nil {
		return missing("disk", "make clean", "%v", err)
	}
	if !e.answers() {
		return taken(folders, "%d MB in .emulator/ and bin/", folders>>20)
	}
	images, err := c.imageSize(ctx)
	if err != nil {
		return missing("disk", "docker image ls", "%v", err)
	}
	return taken(folders+images, "%d MB in .emulator/ and bin/, %d MB in Docker's images; make clean removes them", folders>>20, images>>20)
}

func taken(total int64, format string, args ...any) finding {
	f := ok("disk", format, args...)
	if total > enough {
		f.says += fmt.Sprintf(". That is more than %d MB", enough>>20)
		f.fix, f.optional = "make down && make clean", true
	}
	return f
}

// folderSize is how many bytes the files in some folders have. What disappears
// meanwhile does not count.
func folderSize(folders ...string) (int64, error) {
	var total int64
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				var info fs.FileInfo
				if info, err = entry.Info(); err == nil {
					total += info.Size()
				}
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// imageSize is how many bytes the emulator's images have. Layers that they share count
// once: most node images differ in a few files, and builds of the service in one.
func (c checkout) imageSize(ctx context.Context) (int64, error) {
	ids, err := c.leftovers(ctx, listImages, imageFilters...)
	if err != nil {
		return 0, err
	}
	var total int64
	known := map[string]bool{}
	for _, id := range ids {
		history, err := c.output(ctx, "docker", "history", "--no-trunc", "--human=false", "--format={{.Size}} {{json .CreatedAt}} {{json .CreatedBy}}", id)
		if err != nil {
			return 0, err
		}
		// The newest layer is first. A layer is the same if all below it are.
		layers := strings.Split(history, "\n")
		for i := range layers {
			below := strings.Join(layers[i:], "\n")
			if known[below] {
				break
			}
			known[below] = true
			text, _, _ := strings.Cut(layers[i], " ")
			size, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("docker history %s: the size %q is no number", id, text)
			}
			total += size
		}
	}
	return total, nil
}
