package ui

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gpu"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
)

// wired is trouble on a platform that tells all there is to tell: engines have
// metrics, replicas containers, and the driver reads everything.
func wired() pane.Data {
	d := trouble()
	for i := range d.Pool.Backends {
		b := &d.Pool.Backends[i]
		for j := range b.Replicas {
			r := &b.Replicas[j]
			name := "vllm-" + b.Name
			if len(b.Replicas) > 1 {
				name = fmt.Sprintf("%s-%d", name, j)
			}
			up := r.Available()
			r.Container = &backends.ContainerStatus{Name: name, ID: fmt.Sprintf("8f2c0d3b%056d", 10*i+j), Host: "local", State: "running", Words: "running, unhealthy", Image: "vllm/vllm-openai:v0.32.0",
				Ours: true, Started: r.Since.Add(-26 * time.Hour), At: night.Add(-2 * time.Second)}
			r.Engine = &backends.EngineStatus{At: r.Since, Started: r.Since.Add(-26 * time.Hour), Running: 2, KVUsage: 0.31, KVTokens: 96_768, Err: "/metrics answers 503",
				Prompt: 8_120_444, Generation: 2_904_118, Iterations: 331_007, PrefixQueries: 9_204_310, PrefixHits: 5_790_112}
			r.Capacity, r.CapacityFrom = 96_768, backends.FromEngine
			if up {
				r.Container.Words, r.Container.Started, r.LastOK = "running, healthy", r.Since, night.Add(-time.Second)
				r.Engine.At, r.Engine.Started, r.Engine.Err = night.Add(-time.Second), r.Since, ""
				r.Engine.Running, r.Engine.Waiting, r.Engine.KVUsage = r.InFlight, 0, 0.71
				r.Booked, r.Live, r.Reading, r.Sequences, r.Bound = 70_200, 61_003, 1_204, int64(r.InFlight), 32
			}
		}
	}
	// One of those that are away has no container left.
	gone := d.Pool.Backends[1].Replicas[1].Container
	gone.State, gone.Words, gone.Started = "exited", "exited with code 137: out of memory", time.Time{}
	is := func(v float64) gpu.Reading { return gpu.Read(v, night) }
	for i := range d.GPUs.GPUs {
		g := &d.GPUs.GPUs[i]
		g.UUID, g.PCI = fmt.Sprintf("GPU-5d1c9f3e-0b7a-4c1e-9a55-2f6d1b0e7a%02d", i), fmt.Sprintf("0000:%02x:00.0", 3+i)
		g.MemUtil, g.MemReserved, g.MemClock, g.MemClockMax, g.ClockMax = is(48), is(434<<20), is(6251), is(6251), is(2040)
		g.PerfState, g.Encoder, g.Decoder, g.Energy, g.TempSlow, g.TempLimit = is(0), is(0), is(0), is(43.2e6), is(86), is(94)
		g.Fan, g.Persistence, g.Compute, g.MIG, g.NVLinks = gpu.NotSupported(), is(1), is(0), &gpu.MIG{Enabled: gpu.NotSupported()}, []gpu.NVLink{}
		g.PCIe = gpu.PCIe{Gen: is(4), GenMax: is(4), Width: is(8), WidthMax: is(8), Rx: is(40e6), Tx: is(12e6), Replays: is(0)}
		g.ECC = gpu.ECC{Enabled: is(1), Corrected: is(0), Uncorrected: is(0), CorrectedAll: is(3), UncorrectedAll: is(0), Remapped: is(0), RemappedBad: is(0), RemapPending: is(0), RemapFailed: is(0)}
		g.Processes = []gpu.Owner{{Process: gpu.Process{PID: 4194 + i, Kind: gpu.Compute, Name: "VLLM::EngineCore", Mem: g.MemUsed, Util: g.Util}, Started: night.Add(-76 * time.Hour),
			ID: "8f2c0d3b", Container: "vllm-" + g.Serves, Backend: g.Serves}}
	}
	hot := &d.GPUs.GPUs[0]
	hot.Temp, hot.Clock = is(86), is(1215)
	// What is down makes nothing.
	down := d.Gateway.Backends["text2sql"]
	down.InFlight, down.Requests, down.Tokens = 0, 0, 0
	d.Gateway.Backends["text2sql"] = down
	d.Trends = ebb{}
	d.GPUs.Driver, d.GPUs.CUDA = "580.159.03", "13.0"
	d.GPUs.Hosts = []gpu.HostStatus{{Source: "nvml", Driver: "580.159.03", CUDA: "13.0"}}
	d.GPUs.Events = []gpu.XID{{At: night.Add(-9 * time.Minute), Last: night.Add(-9 * time.Minute), Count: 1, Index: 1, UUID: d.GPUs.GPUs[1].UUID, PCI: d.GPUs.GPUs[1].PCI, Code: 31, Name: "GPU memory page fault",
		Meaning: "a kernel accessed memory that is not its own", Application: true,
		Action: "restart the backend, if it has not ended; if it comes again without a change of version or traffic, run dcgmi diag -r 3", Owners: []string{"chat"}, InFlight: 2}}
	return d
}

// ebb are the series of that night: since text2sql is down its engine tells nothing.
type ebb struct{ flow }

func (f ebb) Series(m past.Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	s := f.flow.Series(m, of, end, step, n)
	for i := range s {
		if of == "text2sql" && end.Add(-time.Duration(n-1-i)*step).After(night.Add(-41*time.Second)) {
			s[i] = math.NaN()
		}
	}
	return s
}

// writtenDown has the log of every container: what an engine writes as it goes down,
// "e" before what came over standard error, and what a client had it write: sequences
// that would clear the screen, set the title and turn text round, and wide characters.
type writtenDown struct{}

const engineLog = `o 03:09:12.004 (APIServer pid=1) INFO:     10.0.0.7:41190 - "POST /v1/chat/completions HTTP/1.1" 200 OK
o 03:09:14.118 (APIServer pid=1) INFO 11-22 03:09:14 [loggers.py:127] Engine 000: Avg prompt throughput: 812.4 tokens/s, Avg generation throughput: 155.1 tokens/s, Running: 6 reqs, Waiting: 0 reqs, GPU KV cache usage: 31.4%, Prefix cache hit rate: 62.9%
o 03:09:21.530 (APIServer pid=1) INFO:     10.0.0.7:41194 - "POST /v1/chat/completions HTTP/1.1" 200 OK
o 03:09:40.007 (APIServer pid=1) INFO:     10.0.0.9:52210 - "GET /health HTTP/1.1" 200 OK
e 03:10:02.400 (APIServer pid=1) WARNING 11-22 03:10:02 [protocol.py:213] The following fields were present in the request but ignored: {'reasoning', 'seed_everything'}
o 03:10:11.204 (APIServer pid=1) INFO:     10.0.0.7:41234 - "POST /v1/chat/completions HTTP/1.1" 200 OK
o 03:10:41.204 (APIServer pid=1) INFO 11-22 03:10:41 [chat_utils.py:468] prompt: '请把下面的问题翻译成 SQL：哪些组织在过去七天里用了最多的令牌？ 🚀 ありがとう'
o 03:10:48.510 (APIServer pid=1) INFO 11-22 03:10:48 [loggers.py:127] Engine 000: Avg prompt throughput: 640.0 tokens/s, Avg generation throughput: 148.7 tokens/s, Running: 5 reqs, Waiting: 0 reqs, GPU KV cache usage: 29.0%, Prefix cache hit rate: 63.1%
o 03:11:20.104 (APIServer pid=1) INFO 11-22 03:11:20 [chat_utils.py:468] prompt: '\x1b[2J\x1b[H\x1b]0;owned\x07all is well\x9b31m \u202egnorw si gnihton\u202c' \x1b[31mred\x1b[0m	tab
e 03:11:58.020 (EngineCore_DP0 pid=271) WARNING 11-22 03:11:58 [gpu_worker.py:402] GPU clock fell from 2040 to 1215 MHz while it was busy
e 03:12:02.871 \rProcessing batch:   0%|          | 0/8 [00:00<?, ?it/s]\rProcessing batch:  62%|██████▎   | 5/8 [00:03<00:01,  1.61it/s]
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] EngineCore encountered a fatal error.
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] Traceback (most recent call last):
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710]   File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 701, in run_engine_core
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710]     engine_core.run_busy_loop()
e 03:12:03.119 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has a total capacity of 22.03 GiB of which 812.00 MiB is free. Including non-PyTorch memory, this process has 21.22 GiB memory in use.
e 03:12:03.402 Traceback (most recent call last):
e 03:12:03.402 	raise RuntimeError("Engine core proc died unexpectedly")
o 03:12:04.031 (APIServer pid=1) INFO:     10.0.0.7:41240 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error
o 03:12:05.009 (APIServer pid=1) INFO:     10.0.0.9:52310 - "GET /health HTTP/1.1" 503 Service Unavailable
o 03:12:15.010 (APIServer pid=1) INFO:     10.0.0.9:52318 - "GET /health HTTP/1.1" 503 Service Unavailable
o 03:12:25.011 (APIServer pid=1) INFO:     10.0.0.9:52326 - "GET /health HTTP/1.1" 503 Service Unavailable
o 03:12:35.010 (APIServer pid=1) INFO:     10.0.0.9:52334 - "GET /health HTTP/1.1" 503 Service Unavailable`

// rawLog makes characters of what stands for them in engineLog.
var rawLog = strings.NewReplacer(`\x1b`, "\x1b", `\x07`, "\x07", `\x9b`, "\u009b", `\u202e`, "\u202e", `\u202c`, "\u202c", `\r`, "\r")

func (writtenDown) Logs(ctx context.Context, container string, _ backends.LogOptions, each func(string, backends.LogLine)) error {
	for l := range strings.SplitSeq(engineLog, "\n") {
		at, err := time.Parse(time.DateTime, "2026-11-22 "+l[2:14])
		if err != nil {
			return err
		}
		line := backends.LogLine{At: at, Stream: 1, Text: rawLog.Replace(l[15:])}
		if l[0] == 'e' {
			line.Stream = 2
		}
		each(container, line)
	}
	<-ctx.Done() // it is followed
	return ctx.Err()
}

// withoutLogged is text without what stands for characters of the log in ASCII.
func withoutLogged(s string) string {
	for _, r := range rawLog.Replace(engineLog) {
		s = strings.ReplaceAll(s, fmt.Sprintf(`\u%04x`, r), "")
	}
	return cutEscape.ReplaceAllString(s, "")
}

// cutEscape is one at the end of a row that had no room for it.
var cutEscape = regexp.MustCompile(`\\u[0-9a-f]{0,3}~`)

// logged is what a dashboard shows after a key when it has been told the log too.
func logged(t *testing.T, o Options, w, h int, key string) string {
	t.Helper()
	o.Seat = desk.New(desk.Platform{Logs: writtenDown{}}, desk.Options{Now: o.Now}).Seat(o.Seat.Operator())
	m := sized(o, w, h)
	defer m.close()
	m.Update(press(key))
	m.View()
	all := fmt.Sprint(strings.Count(engineLog, "\n")+1, " lines")
	until(t, "the log", func() bool {
		m.Update(logTick{})
		_, note := m.logs.Title()
		return !m.shows(m.logs) || strings.HasPrefix(note, all)
	})
	return m.View().Content
}
