package dcgm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/gpu"
)

// TestLongLine: the end of a line that is too long is not taken for a row.
func TestLongLine(t *testing.T) {
	row := "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 1\n"
	text := strings.Repeat("x", lineMost) + row + strings.Repeat("#\n", (lineMost-len(row))/2)
	if len(text) != 2*lineMost {
		t.Fatal("it does not fill the buffer")
	}
	if x, err := parse(strings.NewReader(text), time.Now()); !errors.Is(err, errNone) {
		t.Errorf("%+v, %v", x, err)
	}
	if x, err := parse(strings.NewReader(text+row), time.Now()); err != nil || len(x.gpus) != 1 {
		t.Errorf("the row behind it: %v", err)
	}
}

// FuzzParse: whatever comes, there is an error or something that can be used.
func FuzzParse(f *testing.F) {
	f.Add([]byte(exporter(f)[:4000]))
	f.Add([]byte("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 1\nDCGM_FI_DEV_FB_USED{gpu=\"0\",GPU_I_ID=\"1\"} 1e300\n"))
	f.Add([]byte("DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu=\"0\"} 9.2e18 1\nDCGM_FI_DEV_MIG_MODE{gpu=\"0\"} 0\n"))
	f.Add([]byte("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 140737488355330\n<html>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		now := time.Now()
		x, err := parse(bytes.NewReader(text), now)
		if err != nil {
			if !errors.Is(err, errNone) && !errors.Is(err, errMixed) {
				t.Fatal(err)
			}
			return
		}
		for index, g := range x.gpus {
			s := g.sample(now, gpu.All)
			for _, field := range fields {
				if v := field.at(&s).Or(0); v < 0 || field.most > 0 && v > field.most {
					t.Errorf("gpu %d: %s is %v", index, field.name, v)
				}
			}
			if index < 0 || index >= mostGPUs || len(g.parts) > mostParts || strings.ContainsAny(g.name+g.uuid+g.serves, "\x1b\n\r\x00") {
				t.Errorf("gpu %d: %+v", index, g)
			}
			// What was read can be exported, and the registry takes it.
			expose(t, full{{index: index, name: g.name, uuid: g.uuid, pci: g.pci, serves: g.serves, at: now, sample: s}})
		}
	})
}

// BenchmarkScrape parses what an exporter shows of eight GPUs, and makes their
// samples.
func BenchmarkScrape(b *testing.B) {
	var all full
	for i := range 8 {
		d := wholeH100(time.Now())
		d.index, d.uuid = i, fmt.Sprint("GPU-", i)
		all = append(all, d)
	}
	text := []byte(expose(b, all))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		x, err := parse(bytes.NewReader(text), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		for _, g := range x.gpus {
			g.sample(x.at, gpu.All)
		}
	}
}

// BenchmarkCollect exports eight GPUs, of which everything is known.
func BenchmarkCollect(b *testing.B) {
	var all full
	for i := range 8 {
		d := wholeH100(time.Now().Add(time.Hour))
		d.index, d.uuid = i, fmt.Sprint("GPU-", i)
		all = append(all, d)
	}
	b.ReportAllocs()
	for b.Loop() {
		expose(b, all)
	}
}
