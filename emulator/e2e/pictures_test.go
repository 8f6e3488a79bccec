//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	pixels "image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

var pictures = flag.Bool("pictures", false, "write docs/page.png and docs/preview.png")

// commentHTML is what GitHub shows around a comment, whose text follows.
const commentHTML = `<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 16px; width: 868px; font: 14px/1.5 sans-serif; color: #1f2328 }
.comment { border: 1px solid #d1d9e0; border-radius: 6px }
header { padding: 8px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0 }
main { padding: 0 16px }
h2 { font-size: 1.5em; border-bottom: 1px solid #d1d9e0; padding-bottom: .3em }
h3 { font-size: 1.25em }
table { border-collapse: collapse }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; text-align: left }
code { font: 85% monospace; background: #eff1f3; border-radius: 6px; padding: .2em .4em }
pre { background: #f6f8fa; padding: 16px; border-radius: 6px }
pre code { background: none; padding: 0 }
ul { padding-left: 2em }
blockquote p:first-child strong:first-child { color: #cf222e }
blockquote { margin: 0; padding-left: 1em; border-left: .25em solid #cf222e }
a { color: #0969da }
</style><div class="comment"><header><b>github-actions</b> bot commented</header><main>`

// The comment of which pipelines' tests keep the text, with its diffs folded as on GitHub.
func TestPreviewPicture(t *testing.T) {
	if !*pictures {
		t.Skip("it only makes a picture, for make pictures")
	}
	const golden = "pipelines/summary/testdata/preview.golden.md"
	var text strings.Builder
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithRendererOptions(html.WithUnsafe()))
	if err := markdown.Convert([]byte(readFile(t, filepath.Join(root(), golden))), &text); err != nil {
		t.Fatal(err)
	}
	shown := commentHTML + strings.ReplaceAll(text.String(), "[!CAUTION]", "<strong>Caution</strong><br>")
	opened := openPage(t, "data:text/html;base64,"+base64.StdEncoding.EncodeToString([]byte(shown)))
	writePicture(t, "preview.png", opened.screenshot(t), golden)
}

// writePicture writes a picture, and after its end the checksum of the files that it shows. By
// that, a test next to them finds out that the picture is older.
func writePicture(t *testing.T, name string, screenshot []byte, shown ...string) {
	t.Helper()
	sum := sha256.New()
	for _, file := range shown {
		fmt.Fprint(sum, readFile(t, filepath.Join(root(), file)))
	}
	writeFile(t, filepath.Join(root(), "docs", name), fmt.Sprintf("%s%x\n", smaller(t, screenshot), sum.Sum(nil)))
}

// smaller returns a picture with its 256 most frequent colors: a third of the bytes.
func smaller(t *testing.T, screenshot []byte) []byte {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(screenshot))
	if err != nil {
		t.Fatal(err)
	}
	bounds, count := picture.Bounds(), map[color.Color]int{}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			count[picture.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	paletted := pixels.NewPaletted(bounds, colors[:min(len(colors), 256)])
	draw.Draw(paletted, bounds, picture, pixels.Point{}, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, paletted); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
