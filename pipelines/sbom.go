package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
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

	"hello-timber/stacks/config"
)

// bom is a software bill of materials in the form of https://cyclonedx.org/specification.
type bom struct {
	Format     string         `json:"bomFormat"`
	Spec       string         `json:"specVersion"`
	Serial     string         `json:"serialNumber"`
	Version    int            `json:"version"`
	Metadata   map[string]any `json:"metadata"`
	Components []component    `json:"components"`
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

// sbom writes into bin/sbom.json which modules are in the Go programs of IMAGE, whose
// files docker export wrote into bin/image.tar. It takes what the Go linker wrote into
// each program, and runs none. An image without a Go program gets no list.
func (p *pipeline) sbom(context.Context) error {
	image, err := p.named("IMAGE", config.IsImage, "an image by its digest", exampleImage)
	if err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(p.folder, "bin", "image.tar"))
	if err != nil {
		return fmt.Errorf("%w. Fix: docker create --name image %s && mkdir -p bin && docker export image --output bin/image.tar", err, image)
	}
	defer file.Close()
	components, err := goModules(file)
	if err != nil {
		return fmt.Errorf("bin/image.tar: %w", err)
	}
	found := fmt.Sprint(len(components) > 0)
	if len(components) == 0 {
		fmt.Fprintln(p.out, "there is no Go program in the image, and so no list of its modules")
		return p.report(map[string]string{"found": found})
	}
	// The same image has the same list, its number included.
	id := sha256.Sum256([]byte(image))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // of https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-8
	text, err := json.MarshalIndent(bom{
		Format: "CycloneDX", Spec: "1.5", Version: 1,
		Serial:     fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]),
		Metadata:   map[string]any{"component": component{Type: "container", Name: image}},
		Components: components,
	}, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.folder, "bin", "sbom.json"), text, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "bin/sbom.json lists %d components\n", len(components))
	return p.report(map[string]string{"found": found})
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
