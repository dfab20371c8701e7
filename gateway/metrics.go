package gateway

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/queue"
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
	descQueued   = desc("queue_waiting", "Requests that wait for room at a replica.", "backend")
	descQueueTok = desc("queue_waiting_tokens", "Tokens of KV cache that they need.", "backend")
	descOldest   = desc("queue_oldest_seconds", "How long the request at the head of that line has waited; 0: none waits.", "backend")
	descWaited   = desc("queue_wait_seconds", "How long requests that had to wait for room stood in line.", "backend")
	descBooked   = desc("kv_booked_tokens", "Tokens of KV cache that a replica's requests in flight are expected to come to.", "backend", "replica")
	descCapacity = desc("kv_capacity_tokens", "Tokens that a replica's KV cache holds; absent where nobody knows.", "backend", "replica")
	descFailures = desc("upstream_errors_total", "What requests met at backends that counts against their health.", "backend", "kind")
	descReplica  = desc("replica_available", "1 where a replica may be sent work.", "backend", "replica", "state")
	descLedger   = desc("ledger_up", "1 where the ledger takes requests; 0 while they are refused, or go unwritten.")
	descRows     = desc("ledger_rows_total", "Requests written to the ledger.")
	descWaiting  = desc("ledger_waiting_rows", "Requests in the ledger's journal that are not in its database yet.")
	descLost     = desc("ledger_lost_rows_total", "Requests that could not be written to the ledger, nor kept until they could be.")
	descDatabase = desc("ledger_database_up", "1 where both the ledger's journal and its database can be written; 0 while ledger_up is 1: rows wait in the journal.")
	descDamaged  = desc("ledger_damaged_bytes", "Bytes of the ledger's journal that could not be read back since the start: what they held is missing.")
	descUsed     = desc("quota_used", "What an organisation has used of a window that is limited, reservations in flight included.", "org", "window")
	descLimit    = desc("quota_limit", "The limit of that window, grants included.", "org", "window")
	descFleet    = desc("quota_store_up", "1 where the store that the fleet's quotas are shared in answers.")
	descWaits    = desc("quota_store_waits_total", "Requests that waited for that store, since no lease in hand had room for them.")
	descEstimate = desc("prompt_estimate_ratio", "The estimated tokens of a prompt over those that the engine reported. Below 1, a quota can be overdrawn by the rest.", "model")
	descDrift    = desc("engine_token_drift", "Tokens that an engine has counted since its start beyond those that the ledger has for it.", "backend", "replica", "kind")
	descSuspect  = desc("engine_token_drift_suspicious", "1 where one of an engine's drifts is more than can be expected.", "backend", "replica")
	descDocker   = desc("docker_up", "1 where a Docker engine can be asked.", "host")
	descFailed   = desc("job_last_failure_timestamp_seconds", "When the newest of the failed jobs on containers ended; absent while none has failed.")
	descBuild    = desc("build_info", "Always 1; the version is in the labels.", "version", "goversion")
)

func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRequests, descTokens, descInflight, descFirst, descEvent, descQueued, descQueueTok, descOldest, descWaited, descBooked, descCapacity, descFailures, descReplica, descLedger, descRows, descWaiting,
		descLost, descDatabase, descDamaged, descUsed, descLimit, descFleet, descWaits, descEstimate, descDrift, descSuspect, descDocker, descFailed, descBuild} {
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
		ch <- b.waited.metric(descWaited, name)
		for _, f := range backends.Failures() {
			if f != backends.ProbeFailed {
				counter(descFailures, b.failures[f].Load(), name, f.Kind())
			}
		}
	}
	pool := m.g.pool.Snapshot()
	for _, b := range pool.Backends {
		for _, r := range b.Replicas {
			gauge(descReplica, one(r.Available()), b.Name, r.URL, r.State.String())
			gauge(descBooked, float64(r.Booked), b.Name, r.URL)
			if r.Capacity > 0 {
				gauge(descCapacity, float64(r.Capacity), b.Name, r.URL)
			}
		}
	}
	queues(m.g.lines.status(), gauge)
	containers(pool, gauge)
	m.books(ch, counter, gauge)
	gauge(descBuild, 1, m.version, runtime.Version())
}

// gauged takes a figure as it is now.
type gauged func(d *prometheus.Desc, v float64, labels ...string)

// queues are the figures of the lines, by backend.
func queues(lines map[string]queue.Status, gauge gauged) {
	for name, q := range lines {
		gauge(descQueued, float64(q.Waiting), name)
		gauge(descQueueTok, float64(q.Tokens), name)
		gauge(descOldest, q.Oldest.Seconds(), name)
	}
}

// containers are the figures of what the backends run in.
func containers(s *backends.Snapshot, gauge gauged) {
	for _, h := range s.Hosts {
		gauge(descDocker, one(h.Err == ""), h.Name)
	}
	var last time.Time
	for i := range s.Jobs {
		if j := &s.Jobs[i]; j.State == backends.Failed && j.Ended.After(last) {
			last = j.Ended
		}
	}
	if !last.IsZero() {
		gauge(descFailed, float64(last.UnixMilli())/1e3)
	}
}

// journals are the figures of how the ledger is.
func journals(l ledger.Status, gauge gauged) {
	gauge(descLedger, one(!l.Refusing && l.Backlog == 0))
	gauge(descWaiting, float64(l.WaitingRows))
	gauge(descDatabase, one(l.Err == ""))
	gauge(descDamaged, float64(l.Damaged))
}

// drifted are the figures of the engines' own counts.
func drifted(list []Drift, gauge gauged) {
	for i := range list {
		d := &list[i]
		gauge(descDrift, float64(d.Prompt()), d.Backend, d.Replica, "prompt")
		gauge(descDrift, float64(d.Completion()), d.Backend, d.Replica, "completion")
		gauge(descSuspect, one(d.Suspicious()), d.Backend, d.Replica)
	}
}

// books are the figures of what is counted and written down.
func (m *metrics) books(ch chan<- prometheus.Metric, counter func(*prometheus.Desc, uint64, ...string), gauge gauged) {
	g := m.g
	l := g.ledger.Status()
	journals(l, gauge)
	counter(descRows, l.Rows)
	counter(descLost, l.Lost)
	if g.redis != nil {
		fleet := g.windows.Fleet()
		gauge(descFleet, one(fleet.Err == ""))
		counter(descWaits, fleet.Calls)
	}
	for _, q := range g.quotas() {
		for _, w := range q.Windows {
			if w.Limit > 0 && w.Key == "" {
				gauge(descUsed, float64(w.Used+w.Reserved), q.Org, w.Name)
				gauge(descLimit, float64(w.Limit), q.Org, w.Name)
			}
		}
	}
	for model, r := range g.estimates.all() {
		ch <- r.metric(descEstimate, model)
	}
	drifted(g.audit.drifts(), gauge)
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (r ratios) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(ratioBounds))
	var n uint64
	for i, b := range ratioBounds {
		n += r.counts[i]
		buckets[b] = n
	}
	n += r.counts[len(ratioBounds)]
	return prometheus.MustNewConstHistogram(d, n, r.sum, buckets, labels...)
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
