package gateway

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"pilothouse/backends"
)

// metrics makes Prometheus' figures of the counts when they are asked for, so
// that the request path knows nothing of Prometheus.
type metrics struct {
	g       *Gateway
	version string
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pilothouse_"+name, help, labels, nil)
}

var (
	descRequests = desc("requests_total", "Requests that have ended, by how they were answered.", "route", "model", "org", "status")
	descTokens   = desc("tokens_total", "Tokens used, of prompts and of completions.", "model", "org", "kind")
	descInflight = desc("requests_in_flight", "Requests that the gateway is working on.", "backend")
	descFirst    = desc("time_to_first_byte_seconds", "From a request's arrival to the first byte of its answer; of a stream, of its first event.", "backend", "stream")
	descEvent    = desc("time_per_event_seconds", "Between two events of a stream.", "backend")
	descFailures = desc("upstream_errors_total", "What requests met at backends that counts against their health.", "backend", "kind")
	descReplica  = desc("replica_available", "1 where a replica may be sent work.", "backend", "replica", "state")
	descBuild    = desc("build_info", "Always 1; the version is in the labels.", "version", "goversion")
)

func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRequests, descTokens, descInflight, descFirst, descEvent, descFailures, descReplica, descBuild} {
		ch <- d
	}
}

func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.g.stats
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	type whose struct{ model, org string }
	prompt, completion := map[whose]uint64{}, map[whose]uint64{}
	s.mu.RLock()
	for k, v := range s.series {
		counter(descRequests, v.requests.Load(), k.route, k.model, k.org, strconv.Itoa(k.status))
		if k.model != "" {
			prompt[whose{k.model, k.org}] += v.prompt.Load()
			completion[whose{k.model, k.org}] += v.completion.Load()
		}
	}
	all := make(map[string]*backendSeries, len(s.backends))
	for name, b := range s.backends {
		all[name] = b
	}
	s.mu.RUnlock()
	for k := range prompt {
		counter(descTokens, prompt[k], k.model, k.org, "prompt")
		counter(descTokens, completion[k], k.model, k.org, "completion")
	}
	for name, b := range all {
		gauge(descInflight, float64(b.inflight.Load()), name)
		ch <- b.first[whole].metric(descFirst, name, "false")
		ch <- b.first[streamed].metric(descFirst, name, "true")
		ch <- b.event.metric(descEvent, name)
		for _, f := range backends.Failures() {
			if f != backends.ProbeFailed {
				counter(descFailures, b.failures[f].Load(), name, f.Kind())
			}
		}
	}
	for _, b := range m.g.pool.Snapshot().Backends {
		for _, r := range b.Replicas {
			v := 0.0
			if r.Available() {
				v = 1
			}
			gauge(descReplica, v, b.Name, r.URL, r.State.String())
		}
	}
	gauge(descBuild, 1, m.version, runtime.Version())
}

func (h *histogram) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(bounds))
	t := h.tally()
	var n uint64
	for i, b := range bounds {
		n += t[i]
		buckets[b.Seconds()] = n
	}
	n += t[len(bounds)]
	return prometheus.MustNewConstHistogram(d, n, float64(h.sum.Load())/1e9, buckets, labels...)
}
