package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hello-timber/pipelines/run"
	"hello-timber/stacks/config"
)

// component is one of a software bill of materials in the form of
// https://cyclonedx.org/specification.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

// SBOM writes into bin/sbom.json which modules are in the Go programs of IMAGE, whose
// files docker export wrote into bin/image.tar. It takes what the Go linker wrote into
// each program, and runs none. An image without a Go program gets no list.
func SBOM(_ context.Context, p *run.Pipeline) error {
	image, err := p.Named("IMAGE", config.IsImage, "an image by its digest", run.ExampleImage)
	if err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(p.Folder, "bin", "image.tar"))
	if err != nil {
		return fmt.Errorf("%w. Fix: docker create --name image %s && mkdir -p bin && docker export image --output bin/image.tar", err, image)
	}
	defer file.Close()
	components, err := goModules(file)
	if err != nil {
		return fmt.Errorf("bin/image.tar: %w", err)
	}
	if len(components) == 0 {
		fmt.Fprintln(p.Out, "there is no Go program in the image, and so no list of its modules")
		return p.Report(map[string]string{"found": "false"})
	}
	text, err := json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components,
		"metadata": map[string]any{"component": component{Type: "container", Name: image}},
	}, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.Folder, "bin", "sbom.json"), text, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "bin/sbom.json lists %d components\n", len(components))
	return p.Report(map[string]string{"found": "true"})
}

// goModules lists the Go programs in an archive, and the modules that are in them.
func goModules(archive io.Reader) ([]component, error) {
	var list []component
	add := func(c component) {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	library := func(path, version string) {
		purl := "pkg:golang/" + strings.ToLower(path) + "@" + url.QueryEscape(version)
		add(component{"library", path, version, purl})
	}
	files := tar.NewReader(archive)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg || header.Mode&0o111 == 0 {
			continue
		}
		program, err := io.ReadAll(files)
		if err != nil {
			return nil, err
		}
		info, err := buildinfo.Read(bytes.NewReader(program))
		if err != nil {
			continue // no Go program
		}
		add(component{Type: "application", Name: "/" + strings.TrimPrefix(header.Name, "/")})
		library("std", strings.TrimPrefix(info.GoVersion, "go"))
		for _, module := range info.Deps {
			if module.Replace != nil {
				module = module.Replace
			}
			library(module.Path, module.Version)
		}
	}
}
