//go:build linux

package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// taken is what the emulator takes of the disk: the folders and the images that make
// clean removes. Layers that images share count for each of them.
func (c checkout) taken(ctx context.Context, e engine) finding {
	folders, err := folderSize(c.home(), filepath.Join(c.root, "bin"))
	if err != nil {
		return missing("disk", "make clean", "%v", err)
	}
	if !e.answers() {
		return ok("disk", "%d MB in .emulator/ and bin/", folders>>20)
	}
	images, err := c.imageSize(ctx)
	if err != nil {
		return missing("disk", "docker image ls", "%v", err)
	}
	return ok("disk", "%d MB in .emulator/ and bin/, up to %d MB in Docker's images; make clean removes them", folders>>20, images>>20)
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

// imageSize is how many bytes the emulator's images have.
func (c checkout) imageSize(ctx context.Context) (int64, error) {
	ids, err := c.leftovers(ctx, listImages, imageFilters...)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	sizes, err := c.output(ctx, "docker", append([]string{"image", "inspect", "--format={{.Size}}"}, ids...)...)
	if err != nil {
		return 0, err
	}
	var total int64
	for line := range strings.FieldsSeq(sizes) {
		size, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}
