package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"
)

// Image builds an image of this project's own binary, unless the engine has it,
// and is its name. Its entrypoint is pilothouse: with the command "sim --listen
// 0.0.0.0:8000" it is a server like vLLM's.
func (e *Engine) Image(t testing.TB) string {
	t.Helper()
	return e.image(t, "pilothouse-test:latest", "pilothouse", "pilothouse")
}

// Talker builds an image of a small program that writes, serves and waits as it
// is told (testdata/talker), unless the engine has it, and is its name.
func (e *Engine) Talker(t testing.TB) string {
	t.Helper()
	return e.image(t, "talker:latest", "pilothouse/backends/dockertest/testdata/talker", "talker")
}

func (e *Engine) image(t testing.TB, name, pkg, program string) string {
	t.Helper()
	e.images.Lock()
	defer e.images.Unlock()
	c := e.Client(t)
	ctx := context.Background()
	if _, err := c.ImageInspect(ctx, name); err == nil {
		return name
	}
	file := filepath.Join(e.dir, program)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Build(name, map[string][]byte{
		"Dockerfile": fmt.Appendf(nil, "FROM scratch\nCOPY %s /%s\nENTRYPOINT [\"/%s\"]\n", program, program, program), program: binary,
	}); err != nil {
		t.Fatal(err)
	}
	return name
}

// Build builds an image of a Dockerfile and the files that it wants.
func (e *Engine) Build(name string, files map[string][]byte) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for file, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o755, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	c, err := client.New(client.WithHost(e.Host()))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	got, err := c.ImageBuild(ctx, &archive, client.ImageBuildOptions{Tags: []string{name}, Remove: true})
	if err != nil {
		return err
	}
	defer got.Body.Close()
	says, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if _, err := c.ImageInspect(ctx, name); err != nil {
		return fmt.Errorf("build image %q: %w: %s", name, err, says)
	}
	return nil
}
