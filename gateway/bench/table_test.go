package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// made builds a series out of (CPU, p50, KB) a round.
func made(target string, rounds ...[3]float64) series {
	s := series{target: target}
	for _, f := range rounds {
		r := round{PerSecond: 1000, CPU: number(f[0]), P50: number(f[1]), P99: number(2 * f[1]), Jitter: 0.5, StreamKB: number(f[2]), Peak: 64 << 20}
		if target == direct {
			r.CPU, r.StreamKB = none(), none()
		}
		s.rounds = append(s.rounds, r)
	}
	return s
}

// In round 2 the machine was slow for all: medians of quotients see through
// that, quotients of medians would not.
func someSeries() []series {
	return []series{
		made(direct, [3]float64{0, 0.1, 0}, [3]float64{0, 0.5, 0}, [3]float64{0, 0.1, 0}),
		made(nginx, [3]float64{30, 0.2, 16}, [3]float64{60, 0.6, 17}, [3]float64{32, 0.2, 18}),
		made(pilothouse, [3]float64{45, 0.4, 20}, [3]float64{90, 0.8, 30}, [3]float64{40, 0.4, 25}),
	}
}

func TestTable(t *testing.T) {
	all := someSeries()
	all[2].rounds[1].Bad, all[2].rounds[1].FirstBad = 2, "status 503"
	for _, tt := range []struct {
		name string
		w    workload
		want string
	}{
		{"unary", workload{title: "Unary", conns: 64, duration: 5 * time.Second}, `
### Unary

64 connections, rounds: 3 of 5s.

| target | requests/s | p50 ms | p99 ms | added p50 | added p99 | CPU µs/request (min–max) | × nginx (min–max) | bad |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| direct | 1000 | 0.100 | 0.200 | – | – | – | – | 0 |
| nginx | 1000 | 0.200 | 0.400 | 0.100 | 0.200 | 32.00 (30.00–60.00) | 1.00 (1.00–1.00) | 0 |
| pilothouse | 1000 | 0.400 | 0.800 | 0.300 | 0.600 | 45.00 (40.00–90.00) | 1.50 (1.25–1.50) | 2 |

pilothouse, first of 2 bad: status 503
`},
		{"memory", workload{title: "Open", conns: 2000, stream: true, events: 8, interval: time.Second, memory: true}, `
### Open

2000 streams at a time, 8 content events each, rounds: 3, each with a fresh process.

| target | events/s | first event p50 ms | p99 ms | CPU µs/event (min–max) | × nginx (min–max) | jitter p99 ms | KB/stream (min–max) | peak MB | bad |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| direct | 1000 | 0.100 | 0.200 | – | – | 0.50 | – | 64 | 0 |
| nginx | 1000 | 0.200 | 0.400 | 32.00 (30.00–60.00) | 1.00 (1.00–1.00) | 0.50 | 17.0 (16.0–18.0) | 64 | 0 |
| pilothouse | 1000 | 0.400 | 0.800 | 45.00 (40.00–90.00) | 1.50 (1.25–1.50) | 0.50 | 25.0 (20.0–30.0) | 64 | 2 |

pilothouse, first of 2 bad: status 503
`},
	} {
		var got strings.Builder
		writeTable(&got, tt.w, all)
		if got.String() != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got.String(), tt.want)
		}
	}
}

func TestBusyMachineIsNoted(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval time.Duration
		jitter   [2]number
		want     bool
	}{
		{"quiet", 20 * time.Millisecond, [2]number{1, 2}, false},
		{"one target is late", 20 * time.Millisecond, [2]number{1, 40}, false},
		{"all are late", 20 * time.Millisecond, [2]number{6, 40}, true},
		{"late, but not for long gaps", time.Second, [2]number{6, 40}, false},
		{"no gaps", 0, [2]number{none(), none()}, false},
	} {
		var all []series
		for i, name := range []string{direct, pilothouse} {
			all = append(all, series{target: name, rounds: []round{{Jitter: tt.jitter[i]}}})
		}
		var out strings.Builder
		writeTable(&out, workload{interval: tt.interval}, all)
		if got := strings.Contains(out.String(), "The machine was too busy"); got != tt.want {
			t.Errorf("%s: noted %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	w := workload{title: "All", goals: []goal{{timesNginx, 1.5}, {timesNginx, 1.4}, {addedP50, 0.4}, {streamKB, 24}}}
	var got strings.Builder
	verdicts := judge(w, someSeries())
	writeVerdicts(&got, verdicts)
	want := `
### Goals

| workload | figure of Pilothouse | measured | goal |  |
| --- | --- | --- | --- | --- |
| All | processor time, × nginx | 1.50 | ≤ 1.50 | met |
| All | processor time, × nginx | 1.50 | ≤ 1.40 | not met |
| All | added p50, ms | 0.30 | ≤ 0.40 | met |
| All | KB per open stream | 25.00 | ≤ 24.00 | not met |
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
	for _, tt := range []struct {
		name     string
		verdicts []verdict
		bad      int64
		short    bool
		want     string
	}{
		{"missed", verdicts, 0, false, "2 of 4 goals not met"},
		{"missed in a smoke", verdicts, 0, true, ""},
		{"met", verdicts[:1], 0, false, ""},
		{"bad in a smoke", verdicts[:1], 3, true, "3 bad answers"},
		{"not measured", judge(w, nil), 0, false, ""},
	} {
		text := ""
		if err := outcome(tt.verdicts, tt.bad, tt.short); err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, text, tt.want)
		}
	}
	for _, v := range judge(w, someSeries()[:2]) {
		if v.met() || v.missed() {
			t.Errorf("judged without Pilothouse: %+v", v)
		}
	}
}

func TestRoundAsJSON(t *testing.T) {
	b, err := json.Marshal(round{Workload: "paced", CPU: 1.5, P99: none()})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"workload":"paced"`, `"cpu_us":1.5`, `"p99_ms":null`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}
