package main

import (
	"slices"
	"time"
)

// A workload is one kind of traffic, the same for every target.
type workload struct {
	name, title string

	conns    int     // client connections; of streams, how many are open at once
	prompt   int     // bytes
	rate     float64 // requests/s, sent whatever the answers do; 0: each connection asks again when answered
	stream   bool
	events   int           // content events a stream
	interval time.Duration // between them; 0: as fast as they go
	duration time.Duration // requests begun by then run to their end

	// Memory is the figure: fresh processes, one stream a connection.
	memory bool

	goals []goal
}

// A goal is the most that a figure of Pilothouse's may be.
type goal struct {
	figure figure
	most   float64
}

// A figure is what a goal is set for, taken as the median over the rounds.
type figure int

const (
	timesNginx figure = iota // processor time, as a multiple of nginx's in the same round
	addedP50                 // milliseconds more than the direct connection's in the same round
	streamKB                 // KB of resident memory for each open stream
)

// workloads are all there are; duration is that of those that have no time of
// their own.
func workloads(duration time.Duration, short bool) []workload {
	all := []workload{
		{name: "unary", title: "Unary, 1 KB prompts, closed loop", conns: 64, prompt: 1 << 10, goals: []goal{{timesNginx, 1.5}}},
		{name: "unary32k", title: "Unary, 32 KB prompts, closed loop", conns: 64, prompt: 32 << 10, goals: []goal{{timesNginx, 2.5}}},
		{name: "rate", title: "Unary, 1 KB prompts, 500 requests/s", conns: 64, prompt: 1 << 10, rate: 500, goals: []goal{{addedP50, 0.40}}},
		{name: "paced", title: "Streams, 20 ms an event", conns: 200, prompt: 1 << 10, stream: true, events: 128,
			interval: 20 * time.Millisecond, goals: []goal{{timesNginx, 1.8}}},
		{name: "fast", title: "Streams at full speed", conns: 32, prompt: 1 << 10, stream: true, events: maxTokens,
			goals: []goal{{timesNginx, 1.7}}},
		{name: "open", title: "Streams open at once, 1 s an event", conns: 2000, prompt: 1 << 10, stream: true, events: 8,
			interval: time.Second, memory: true, goals: []goal{{streamKB, 30}}},
	}
	for i := range all {
		w := &all[i]
		w.duration = duration
		if short && w.stream && w.interval > 0 {
			w.conns /= 4
			w.events = max(2, w.events/8)
		}
	}
	return all
}

// named picks workloads by name, in the order of all.
func named(all []workload, names []string) (picked []workload, unknown string) {
	for _, n := range names {
		if !slices.ContainsFunc(all, func(w workload) bool { return w.name == n }) {
			return nil, n
		}
	}
	for _, w := range all {
		if slices.Contains(names, w.name) {
			picked = append(picked, w)
		}
	}
	return picked, ""
}
