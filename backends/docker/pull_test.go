package docker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/client"
)

// registry is one with a single image, of a layer of so many bytes, which it
// gives out when it is told to.
func registry(t *testing.T, size int) (image string, pulls *atomic.Int64) {
	t.Helper()
	var layer, packed bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(size)}); err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, size))
	w.Close()
	z, _ := gzip.NewWriterLevel(&packed, gzip.NoCompression)
	z.Write(layer.Bytes())
	z.Close()
	digest := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	config, _ := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}}})
	const form = "application/vnd.docker.distribution.manifest.v2+json"
	manifest, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": form,
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": packed.Len(), "digest": digest(packed.Bytes())}}})
	blobs := map[string][]byte{digest(config): config, digest(packed.Bytes()): packed.Bytes()}
	pulls = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, name, _ := strings.Cut(r.URL.Path, "/v2/test/image/")
		kind, what, _ := strings.Cut(name, "/")
		switch {
		case r.URL.Path == "/v2/":
		case kind == "manifests" && (what == "1" || what == digest(manifest)):
			pulls.Add(1)
			w.Header().Set("Content-Type", form)
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			w.Write(manifest)
		case kind == "blobs" && blobs[what] != nil:
			w.Header().Set("Content-Length", strconv.Itoa(len(blobs[what])))
			w.Write(blobs[what])
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(404)
			w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such \u001b[31mthing"}]}`))
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://") + "/test/image", pulls
}

// An image is pulled where it is missing, always, or never, and how far it is is
// told.
func TestPull(t *testing.T) {
	e, d := local(t)
	image, pulls := registry(t, 3<<20)
	ctx := t.Context()
	missing := is[*NotFoundError](t, e.EnsureImage(ctx, image+":1", "never", nil))
	if missing.What != "image" || !strings.Contains(missing.Error(), "docker pull") || pulls.Load() != 0 {
		t.Errorf("never: %v, %d pulls", missing, pulls.Load())
	}
	var told []Progress
	if err := e.EnsureImage(ctx, image+":1", "missing", func(p Progress) { told = append(told, p) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := d.Client(t).ImageRemove(context.Background(), image+":1", client.ImageRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	bytes := false
	for _, p := range told {
		bytes = bytes || p.Layer != "" && p.Done > 0 && p.Done <= p.Total && p.Status == "Downloading"
	}
	if !bytes || pulls.Load() == 0 {
		t.Errorf("%d pulls, told %+v", pulls.Load(), told)
	}
	before := pulls.Load()
	for _, pull := range []string{"missing", "never"} {
		if err := e.EnsureImage(ctx, image+":1", pull, nil); err != nil || pulls.Load() != before {
			t.Errorf("%s, where it is there: %v, %d pulls more", pull, err, pulls.Load()-before)
		}
	}
	if err := e.EnsureImage(ctx, image+":1", "always", nil); err != nil || pulls.Load() == before {
		t.Errorf("always: %v, %d pulls more", err, pulls.Load()-before)
	}
	err := e.EnsureImage(ctx, image+":2", "missing", nil)
	if r := is[*Refusal](t, err); strings.Contains(r.Error(), "\x1b") || !strings.Contains(r.Error(), "pull image") {
		t.Errorf("an image that is not there: %v", err)
	}
	err = e.EnsureImage(ctx, reserve(t)+"/test/image:1", "missing", nil)
	is[*Refusal](t, err)

	s := talker(t, d, "", "wait")
	s.Image, s.Pull = image+":3", "never"
	_, err = e.Create(ctx, plan(t, s), nil)
	is[*NotFoundError](t, err)
}
