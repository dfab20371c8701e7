package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// TestGPUs reads GPUs through the real binding of NVIDIA's library, with a driver
// that does as a script says. Without a driver, and in a binary without cgo, that is
// said once.
func TestGPUs(t *testing.T) {
	dir := t.TempDir()
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		return strings.TrimSpace(string(out))
	}
	library, script, withCgo := filepath.Join(dir, "libnvidia-ml.so.1"), filepath.Join(dir, "script"), filepath.Join(dir, "pilothouse")
	header := run(nil, "go", "list", "-m", "-f", "{{.Dir}}/pkg/nvml", "github.com/NVIDIA/go-nvml")
	run(nil, "gcc", "-shared", "-fPIC", "-DNVML_NO_UNVERSIONED_FUNC_DEFS", "-Wno-deprecated-declarations", "-I"+header, "-o", library, "gpu/nvml/testdata/fake.c")
	run([]string{"CGO_ENABLED=1", "CGO_CFLAGS=-O1 -Wno-deprecated-declarations"}, "go", "build", "-tags", "netgo,osusergo", "-o", withCgo, ".")

	begin := func(program, library string) (*process, string) {
		t.Helper()
		dir := t.TempDir()
		write(t, filepath.Join(dir, "keys.toml"), fmt.Sprintf("[[org]]\nname = \"acme\"\n[[org.key]]\nid = \"k1\"\nname = \"test\"\nsha256 = \"%x\"\n", sha256.Sum256([]byte("sk-test"))))
		write(t, filepath.Join(dir, "config.toml"), fmt.Sprintf(`
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
state_dir = %q
[gpu]
library = %q
[[backend]]
name = "b"
model = "m"
urls = ["http://127.0.0.1:1"]
`, dir, library))
		was := binary
		binary = program
		defer func() { binary = was }()
		p, at := start(t, []string{"FAKE_NVML=" + script}, "serve", "--config", filepath.Join(dir, "config.toml"))
		return p, at["admin"].(string)
	}
	has := func(admin, what string) bool {
		_, text := send(t, "GET", admin+"/metrics", "", "")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, what) {
				return true
			}
		}
		return false
	}

	write(t, script, "count 2\nutil 87\nused 20401094656\ntotal 24152899584\n")
	p, admin := begin(withCgo, library)
	for _, g := range []string{`DCGM_FI_DEV_GPU_UTIL{`, `DCGM_FI_DEV_FB_USED{`} {
		eventually(t, g, func() bool { return has(admin, g) })
	}
	if strings.Contains(p.log(), `"level":"ERROR"`) {
		t.Errorf("the log:\n%s", p.log())
	}

	for program, words := range map[string]string{withCgo: "no NVIDIA driver", binary: "built without cgo"} {
		p, admin := begin(program, filepath.Join(dir, "nowhere.so"))
		eventually(t, words, func() bool { return strings.Contains(p.log(), words) })
		if n := strings.Count(p.log(), words); n != 1 || has(admin, "DCGM_") {
			t.Errorf("%q is said %d times:\n%s", words, n, p.log())
		}
	}

	// A process in the container of a configured backend is that backend's.
	was := binary
	binary = withCgo
	defer func() { binary = was }()
	t.Setenv("FAKE_NVML", script)
	pf := newPlatform(t)
	path := filepath.Join(pf.dir, "config.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text)+fmt.Sprintf("\n[gpu]\nlibrary = %q\n", library))
	pf.start()
	pf.run(0, "up", "chat")
	c, err := pf.docker.Client(t).ContainerInspect(t.Context(), "vllm-chat", client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, script, fmt.Sprintf("count 1\nutil 87\nprocs %d:c:1000000:50\n", c.Container.State.Pid))
	eventually(t, "the GPU to be chat's", func() bool {
		_, text := send(t, "GET", pf.admin+"/metrics", "", "")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "DCGM_FI_DEV_GPU_UTIL{") && strings.Contains(line, `container="chat"`) {
				return true
			}
		}
		return false
	})
	pf.run(0, "down")
}
