package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "write the goldens of capacity anew")

func runCapacity(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	_, code = Run(t.Context(), append([]string{"capacity"}, args...), &o, &e, testCode, NewCapacity())
	return o.String(), e.String(), code
}

// shape is a config.json among the tests of the arithmetic.
func shape(name string) string {
	return filepath.Join("..", "..", "backends", "testdata", "capacity", name+".json")
}

// copied puts a config.json of the tests into a new directory, so that no path
// of this machine is in a golden.
func copied(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(shape(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("config.json", b, 0o600); err != nil {
		t.Fatal(err)
	}
	return "config.json"
}

// The goldens: what people and programs get, for the reference deployment and
// for a model of several parts whose layers have windows. Nothing is wider than
// 100 columns, nor anything but ASCII.
func TestCapacityGolden(t *testing.T) {
	testdata, err := filepath.Abs(filepath.Join("testdata", "capacity"))
	if err != nil {
		t.Fatal(err)
	}
	reach := []string{"--model", "qwen2.5-7b-instruct", "--gpu", "L4", "--context", "16384", "--reach", "20"}
	for name, args := range map[string][]string{
		"reference":  {"--model", "Qwen/Qwen2.5-7B-Instruct", "--gpu", "L4"},
		"reach":      reach,
		"reach-json": append(reach, "--json"),
		"measured":   {"--model", "Arctic-Text2SQL-R1-7B", "--kv", "5.17GiB", "--max-model-len", "8192", "--context", "2000", "--reach", "3"},
		"split":      {"--model", "gemma-3-27b", "--gpu", "h100", "--gpus", "2", "--max-model-len", "131072", "--context", "100000", "--reach", "10"},
		"no-room":    {"--model", "qwen2.5-72b", "--gpu-memory", "24564MiB", "--gpu-memory-utilization", "0.92", "--context", "5000", "--reach", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(shape(args[1])); err == nil {
				args[1] = copied(t, args[1])
			}
			out, errOut, code := runCapacity(t, args...)
			if code != 0 || errOut != "" {
				t.Fatalf("code %d, %q", code, errOut)
			}
			path := filepath.Join(testdata, name+".golden")
			if strings.HasSuffix(name, "-json") {
				var indented bytes.Buffer
				if err := json.Indent(&indented, []byte(out), "", "  "); err != nil {
					t.Fatal(err)
				}
				out = indented.String()
			} else {
				for line := range strings.Lines(out) {
					if n := ansi.StringWidth(line); n > 100 || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) {
						t.Errorf("%d columns: %q", n, line)
					}
				}
			}
			if *update {
				if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if out != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", out, want)
			}
		})
	}
}

// The figures of the reference deployment, as a program reads them.
func TestCapacityJSON(t *testing.T) {
	read := func(args ...string) capacityListing {
		t.Helper()
		out, errOut, code := runCapacity(t, append(args, "--json")...)
		var l capacityListing
		if err := json.Unmarshal([]byte(out), &l); err != nil || code != 0 {
			t.Fatalf("%q: %v, code %d, %q", args, err, code, errOut)
		}
		return l
	}
	l := read("--model", "Qwen2.5-7B-Instruct", "--kv", "5.17GiB")
	row := l.Rows[0]
	if row.Token != 57_344 || row.Tokens != 96_800 || !row.Now || !l.Measured || l.GPU != nil {
		t.Errorf("measured: %+v", l)
	}
	for _, f := range row.Requests {
		if f.Context == 16_384 && *f.Requests != 5.91 { // 96,800 / 16,384 is 5.908; vLLM rounds so too
			t.Errorf("%v requests of 16,384", *f.Requests)
		}
	}
	l = read("--model", "Qwen2.5-7B-Instruct", "--gpu", "L4", "--max-model-len", "8192", "--weights", "fp8", "--kv-cache", "fp8")
	if *l.MaxModelLen != 8192 || l.GPU.OverheadLow >= l.GPU.Overhead || l.GPU.Overhead >= l.GPU.OverheadHigh || l.Reach != nil || len(l.Notes) == 0 {
		t.Errorf("estimated: %+v", l)
	}
	for _, row := range l.Rows {
		if row.Now != (row.Weights == "fp8" && row.Cache == "fp8") {
			t.Errorf("what runs: %+v", row)
		}
		for _, f := range row.Requests {
			if (f.Requests == nil) != (f.Context > 8192) {
				t.Errorf("with at most 8192 tokens: %+v", f)
			}
		}
	}
	if l = read("--model", shape("qwen2.5-7b-awq"), "--gpu", "T4"); !l.Rows[4].Now || l.Rows[0].Fits || !l.Rows[4].Fits {
		t.Errorf("a 4-bit checkpoint on a T4: %+v", l.Rows)
	}
	if l = read("--model", "Qwen2.5-7B-Instruct", "--gpu", "L4", "--context", "16384", "--reach", "5"); l.Reach.Options == nil || len(l.Reach.Options) != 0 {
		t.Errorf("5 fit already: %+v", l.Reach)
	}
}

func TestCapacityUsageErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	large := write("model.safetensors", "")
	if err := os.Truncate(large, 100<<20); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	const model = "--model=Qwen2.5-7B-Instruct"
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "say which model, with --model; for one of the reference deployment on its GPU: pilothouse capacity --model Qwen/Qwen2.5-7B-Instruct --gpu L4"},
		{[]string{"more"}, "unknown command"},
		{[]string{"--more"}, "unknown flag"},
		{[]string{model}, "say what it runs on, with --gpu (T4, "},
		{[]string{model, "--gpu=L5"}, `--gpu "L5" is not known here; want one of T4, A10,`},
		{[]string{model, "--gpu=L4", "--gpu-memory=24GiB"}, "choose one"},
		{[]string{model, "--gpu-memory=24"}, `--gpu-memory "24" is no amount of memory; write it like "5.17GiB"`},
		{[]string{model, "--gpu-memory=-1GiB"}, "no amount of memory"},
		{[]string{model, "--gpu-memory=17TiB"}, "up to 16TiB"},
		{[]string{model, "--kv=0GiB"}, "no amount of memory"},
		{[]string{model, "--kv=much"}, `--kv "much"`},
		{[]string{model, "--kv=7GiB", "--gpu=L4"}, "don't fit; check --gpu, --weights and --gpu-memory-utilization"},
		{[]string{model, "--gpu=L4", "--gpus=0"}, "--gpus 0"},
		{[]string{model, "--gpu=L4", "--gpus=8"}, "28 attention heads over 8 GPUs"},
		{[]string{model, "--gpu=L4", "--gpu-memory-utilization=1.5"}, "--gpu-memory-utilization 1.5"},
		{[]string{model, "--gpu=L4", "--gpu-memory-utilization=NaN"}, "--gpu-memory-utilization NaN"},
		{[]string{model, "--gpu=L4", "--weights=int2"}, `--weights "int2" is none`},
		{[]string{model, "--gpu=L4", "--kv-cache=4bit"}, `--kv-cache "4bit" is none`},
		{[]string{model, "--gpu=L4", "--context=-1"}, "--context -1"},
		{[]string{model, "--gpu=L4", "--context=many"}, "invalid argument"},
		{[]string{model, "--gpu=L4", "--context=99999999999"}, "--context"},
		{[]string{model, "--gpu=L4", "--context=40000"}, "more than the 32768 tokens that the model takes"},
		{[]string{model, "--gpu=L4", "--max-model-len=-1"}, "--max-model-len -1"},
		{[]string{model, "--gpu=L4", "--reach=20"}, "say how many tokens each of those requests has, with --context"},
		{[]string{model, "--gpu=L4", "--reach=-1", "--context=1"}, "--reach -1"},
		{[]string{"--gpu=L4", "--model=nonesuch"}, `there is no file "nonesuch"; want a config.json, a directory with one, or one of Qwen/`},
		{[]string{"--gpu=L4", "--model=" + dir}, `there is no file "` + filepath.Join(dir, "config.json")},
		{[]string{"--gpu=L4", "--model=" + filepath.Join(large, "x")}, "not a directory"},
		{[]string{"--gpu=L4", "--model=" + large}, "larger than 1024 KiB: want a model's config.json"},
		{[]string{"--gpu=L4", "--model=" + pipe}, "is no file; want a config.json"},
		{[]string{"--gpu=L4", "--model=" + write("a.json", "{")}, "it is no JSON"},
		{[]string{"--gpu=L4", "--model=" + write("b.json", `{"model_type":"jamba"}`)}, `model_type: got "jamba"`},
		{[]string{"--gpu=L4", "--model=" + write("c.json", `{"model_type":"llama"}`)}, "hidden_size: got nothing, want 1 to"},
	} {
		out, errOut, code := runCapacity(t, tc.args...)
		if code != 2 || out != "" || !strings.Contains(errOut, tc.want) {
			t.Errorf("%q: code %d, %q %q, want 2 and %q", tc.args, code, out, errOut, tc.want)
		}
	}
}

// A file on the disk goes before a built-in name, and a directory's is found; a
// name does no harm to a terminal.
func TestCapacityFiles(t *testing.T) {
	b, err := os.ReadFile(shape("llama-3-8b"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, dir := range []string{"Qwen2.5-7B-Instruct", "red\x1b[31m"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, errOut, code := runCapacity(t, "--model", dir, "--gpu", "L4")
		if code != 0 || !strings.Contains(out, "131,072") || strings.Contains(out, "\x1b") {
			t.Errorf("%q: code %d, %q %q", dir, code, out, errOut)
		}
	}
}

func TestCapacityOutputFails(t *testing.T) {
	gone := errors.New("gone")
	for _, args := range [][]string{nil, {"--json"}} {
		cmd := NewCapacity()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append([]string{"--model", "Qwen2.5-7B-Instruct", "--gpu", "L4", "--reach", "9", "--context", "9000"}, args...))
		cmd.SetOut(failing{gone})
		if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, gone) {
			t.Errorf("%q: %v, want the output's error", args, err)
		}
	}
}
