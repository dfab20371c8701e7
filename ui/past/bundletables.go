package past

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"time"

	"pilothouse/gateway"
)

// grid is moments, step apart, of which the last is that of the end.
type grid struct {
	dir  string
	end  time.Time
	step time.Duration
	n    int
}

func (g grid) time(i int) string {
	return g.end.Truncate(g.step).Add(-time.Duration(g.n-1-i) * g.step).UTC().Format(time.RFC3339)
}

// column is one of a table, and what it is called there, with its unit.
type column struct {
	name   string
	metric Metric
}

var (
	trafficColumns = []column{
		{"requests_per_second", Requests}, {"tokens_per_second", Tokens}, {"errors_per_second", Errors},
		{"in_flight", InFlight}, {"queued", Waiting}, {"first_token_p95_seconds", FirstP95},
	}
	engineColumns = []column{{"kv_used_0_to_1", KV}, {"engine_running", Running}, {"preemptions_per_second", Preempts}}
)

// tables adds what is measured, as tables.
func (r *Recorder) tables(a *archive, m Moment, end, now time.Time) {
	near := grid{"series", end, time.Second, keptShort}
	if now.Sub(end) > time.Minute { // the seconds before it are no longer all there
		near = grid{"series", end, thinning * time.Second, keptShort / thinning}
	}
	for _, g := range []grid{near, {"day", end, time.Minute, keptLong / 60}} {
		span := "the 15 minutes, every " + g.step.String()
		if g.dir == "day" {
			span = "the day, by the minute"
		}
		a.add(g.dir+"/traffic.csv", "the gateway, "+span, r.table(g, trafficColumns, "", []string{""}))
		var names []string
		if m.Pool != nil {
			for i := range m.Pool.Backends {
				names = append(names, m.Pool.Backends[i].Name)
			}
		}
		a.add(g.dir+"/backends.csv", "each backend, "+span, r.table(g, slices.Concat(trafficColumns, engineColumns), "backend", names))
		a.add(g.dir+"/quotas.csv", "the share of limited quota windows that is used, "+span, r.quotaTable(g))
	}
	if m.GPUs != nil {
		a.add("series/gpus.csv", "each GPU by the second (older than 15 minutes when this was made: means of ten)", gpuTable(m))
	}
	if m.Gateway != nil {
		a.add("requests.csv", "the latest requests, in flight and ended", requestTable(m.Gateway))
	}
}

// table has a row for each moment and each name; of is what those are called, "":
// they are left out.
func (r *Recorder) table(g grid, columns []column, of string, names []string) []byte {
	head := []string{"time"}
	if of != "" {
		head = append(head, of)
	}
	for _, c := range columns {
		head = append(head, c.name)
	}
	t := newTable(head...)
	for _, name := range names {
		var series [][]float64
		shown := cell(name)
		for _, c := range columns {
			series = append(series, r.Series(c.metric, name, g.end, g.step, g.n))
		}
		for i := range g.n {
			row := []string{g.time(i)}
			if of != "" {
				row = append(row, shown)
			}
			known := false
			for _, s := range series {
				row = append(row, figure(s[i]))
				known = known || s[i] == s[i]
			}
			if known {
				t.row(row...)
			}
		}
	}
	return t.bytes()
}

func (r *Recorder) quotaTable(g grid) []byte {
	t := newTable("time", "organisation", "key", "window", "used_0_to_1")
	for _, name := range r.series.names(Spent) {
		parts := strings.SplitN(name, "\x00", 3)
		if len(parts) < 3 {
			continue
		}
		org, key, window := cell(parts[0]), cell(parts[1]), cell(parts[2])
		for i, v := range r.Series(Spent, name, g.end, g.step, g.n) {
			if v == v && (g.dir == "day" || i%thinning == 0 || g.step > time.Second) {
				t.row(g.time(i), org, key, window, figure(v))
			}
		}
	}
	return t.bytes()
}

// names are those that a metric has a series of, in order.
func (s *store) names(m Metric) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []string
	for n := range s.all {
		if n.metric == m {
			all = append(all, n.of)
		}
	}
	slices.Sort(all)
	return all
}

func gpuTable(m Moment) []byte {
	t := newTable("time", "host", "gpu", "uuid", "utilisation_percent", "memory_percent", "power_watts", "temperature_celsius")
	for i := range m.GPUs.GPUs {
		g := &m.GPUs.GPUs[i]
		host, uuid := cell(g.Host), cell(g.UUID)
		for k, p := range g.History {
			at := m.GPUs.At.Add(-time.Duration(len(g.History)-1-k) * time.Second)
			t.row(at.UTC().Format(time.RFC3339), host, strconv.Itoa(g.Index), uuid,
				figure(float64(p.Util)), figure(float64(p.Mem)), figure(float64(p.Power)), figure(float64(p.Temp)))
		}
	}
	return t.bytes()
}

func requestTable(g *gateway.Snapshot) []byte {
	t := newTable("start", "id", "organisation", "key_name", "client", "route", "model", "backend", "replica", "stream", "phase", "status", "code", "end",
		"first_byte_seconds", "duration_seconds", "prompt_tokens", "output_tokens")
	for _, rec := range slices.Concat(g.Live, g.Recent) {
		first := ""
		if rec.First > 0 {
			first = figure(rec.First.Seconds())
		}
		t.row(rec.Start.UTC().Format(time.RFC3339Nano), cell(rec.ID), cell(rec.Org), cell(rec.KeyName), cell(rec.Client), cell(rec.Route), cell(rec.Model),
			cell(rec.Backend), cell(rec.Replica), strconv.FormatBool(rec.Stream), rec.Phase.String(), strconv.Itoa(rec.Status), cell(rec.Code), rec.End.String(),
			first, figure(rec.Duration.Seconds()), strconv.Itoa(rec.Prompt), strconv.Itoa(rec.Output))
	}
	return t.bytes()
}

// table is one in the making.
type table struct {
	buf bytes.Buffer
	csv *csv.Writer
}

func newTable(head ...string) *table {
	t := &table{}
	t.csv = csv.NewWriter(&t.buf)
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) {
	_ = t.csv.Write(cells) // a buffer takes all
}

func (t *table) bytes() []byte {
	t.csv.Flush()
	return t.buf.Bytes()
}

// figure writes what is known, and nothing where that is nothing.
func figure(v float64) string {
	if v != v {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 7, 64)
}

// cell writes a name that may come from anywhere: on one line, and as no formula
// to those programs that would compute one.
func cell(s string) string {
	s = scrubKeys(line(s))
	if strings.ContainsAny(cmp.Or(s, " ")[:1], "=+-@") {
		return "'" + s
	}
	return s
}
