//go:build linux

package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/machine"
)

// enough is what the emulator should stay below, with room for the images of a day's work.
const enough = 4 << 30

// Taken is what the emulator takes of the disk: the folders and the images that make
// clean removes.
func Taken(ctx context.Context, c checkout.Checkout, answers bool) machine.Finding {
	folders, err := folderSize(c.Home(), filepath.Join(c.Root, "bin"))
	if err != nil {
		return machine.Missing("disk", "make clean", "%v", err)
	}
	if !answers {
		return taken(folders, "%d MB in .emulator/ and bin/", folders>>20)
	}
	images, err := imageSize(ctx, c)
	if err != nil {
		return machine.Missing("disk", "docker image ls", "%v", err)
	}
	return taken(folders+images, "%d MB in .emulator/ and bin/, %d MB in Docker's images; make clean removes them", folders>>20, images>>20)
}

func taken(total int64, format string, args ...any) machine.Finding {
	f := machine.OK("disk", format, args...)
	if total > enough {
		f.Says += fmt.Sprintf(". That is more than %d MB", enough>>20)
		f.Fix, f.Optional = "make down && make clean", true
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
func imageSize(ctx context.Context, c checkout.Checkout) (int64, error) {
	ids, err := leftovers(ctx, c, listImages, imageFilters...)
	if err != nil {
		return 0, err
	}
	var total int64
	known := map[string]bool{}
	for _, id := range ids {
		history, err := c.Output(ctx, "docker", "history", "--no-trunc", "--human=false", "--format={{.Size}} {{json .CreatedAt}} {{json .CreatedBy}}", id)
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
