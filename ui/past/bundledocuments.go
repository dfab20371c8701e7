package past

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
)

// documents adds what happened and how everything is, as JSON.
func (a *archive) documents(r *Recorder, m Moment, now time.Time) {
	a.lines("events.jsonl", "what happened, oldest first", eventItems(m.Past.Events))
	a.lines("audit.jsonl", "what operators did, oldest first", reversed(m.Past.Audit))
	a.document("quotas.json", "quota windows, and the grants in force", books{
		at: m.Past.QuotasAt, quotas: m.Past.Quotas, grants: m.Past.Grants}.item(r, m.At))
	a.document("snapshot.json", "the gateway, the backends and the GPUs at the moment", picture(m))
	if err := r.trouble(now, r.books.Load()); err != "" {
		a.note("the books could not be read last: %s", err)
	}
}

func (a *archive) document(name, about string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		a.note("%s: %v", name, err)
		return
	}
	a.add(name, about, append([]byte(scrubKeys(string(text))), '\n'))
}

func (a *archive) lines(name, about string, items []any) {
	var b bytes.Buffer
	for _, v := range items {
		text, err := json.Marshal(v)
		if err != nil {
			a.note("%s: %v", name, err)
			continue
		}
		b.WriteString(scrubKeys(string(text)) + "\n")
	}
	a.add(name, about, b.Bytes())
}

func reversed[T any](all []T) []any {
	out := make([]any, 0, len(all))
	for _, v := range slices.Backward(all) {
		out = append(out, v)
	}
	return out
}

func eventItems(events []Event) []any {
	type item struct {
		At     time.Time `json:"at"`
		Kind   Kind      `json:"kind"`
		Grade  string    `json:"grade"`
		Object string    `json:"object"`
		Text   string    `json:"text"`
	}
	out := make([]any, 0, len(events))
	for _, e := range slices.Backward(events) {
		out = append(out, item{e.At, e.Kind, e.Grade.String(), e.Object, e.Text})
	}
	return out
}

// item is the books as they are written down.
func (b books) item(r *Recorder, at time.Time) any {
	type windowItem struct {
		Org      string     `json:"organisation"`
		Key      string     `json:"key"`
		Window   string     `json:"window"`
		Used     int64      `json:"used"`
		Reserved int64      `json:"reserved"`
		Limit    int64      `json:"limit"` // 0: none
		ResetsAt time.Time  `json:"resets_at"`
		RunsOut  *time.Time `json:"runs_out"`
	}
	windows := []windowItem{}
	for _, q := range b.quotas {
		for _, w := range q.Windows {
			item := windowItem{q.Org, w.Key, w.Name, w.Used, w.Reserved, w.Limit, w.ResetsAt, nil}
			if o := Foresee(r, q.Org, &w, at); !o.Out.IsZero() {
				item.RunsOut = &o.Out
			}
			windows = append(windows, item)
		}
	}
	return struct {
		At      time.Time    `json:"at"`
		Windows []windowItem `json:"windows"`
		Grants  any          `json:"grants"`
	}{b.at, windows, b.grants}
}

// picture is a moment as it is written down. Requests and series have tables of
// their own.
func picture(m Moment) any {
	type replicaItem struct {
		Backend string
		State   string
		Status  backends.ReplicaStatus
	}
	p := struct {
		At       time.Time
		Gateway  *gateway.Snapshot
		Replicas []replicaItem
		Hosts    []backends.HostStatus
		Jobs     []backends.Job
		GPUs     []gpuItem
		XIDs     []gpu.XID
	}{At: m.At}
	if m.Gateway != nil {
		g := *m.Gateway
		g.History, g.Live, g.Recent = nil, nil, nil
		p.Gateway = &g
	}
	if m.Pool != nil {
		p.Hosts, p.Jobs = m.Pool.Hosts, slices.Clone(m.Pool.Jobs)
		for i := range p.Jobs {
			p.Jobs[i].Parts = slices.Clone(p.Jobs[i].Parts)
			for k := range p.Jobs[i].Parts {
				p.Jobs[i].Parts[k].Changes = unvalued(p.Jobs[i].Parts[k].Changes)
			}
		}
		for _, b := range m.Pool.Backends {
			for _, r := range b.Replicas {
				if r.Container != nil {
					c := *r.Container
					c.Changes = unvalued(c.Changes)
					r.Container = &c
				}
				p.Replicas = append(p.Replicas, replicaItem{b.Name, r.State.String(), r})
			}
		}
	}
	if m.GPUs != nil {
		p.XIDs = m.GPUs.Events
		for i := range m.GPUs.GPUs {
			p.GPUs = append(p.GPUs, gpuOf(&m.GPUs.GPUs[i]))
		}
	}
	return p
}

// unvalued is which settings differ, without what they are: containers are given
// what nobody else should see.
func unvalued(all []backends.Change) []backends.Change {
	out := slices.Clone(all)
	for i := range out {
		out[i].Have, out[i].Want = "", ""
	}
	return out
}

// gpuItem is a device with those readings that there are.
type gpuItem struct {
	Host      string
	Index     int
	Name      string
	UUID      string
	PCI       string
	Serves    string
	State     string
	Since     time.Time
	At        time.Time
	Err       string
	Throttle  []string
	Processes []string
	Readings  map[string]float64
}

func gpuOf(g *gpu.GPU) gpuItem {
	item := gpuItem{Host: g.Host, Index: g.Index, Name: g.Name, UUID: g.UUID, PCI: g.PCI, Serves: g.Serves, State: g.State.String(), Since: g.Since,
		At: g.At, Err: g.Err, Throttle: g.Throttle.Reasons(), Readings: map[string]float64{}}
	for i := range g.Processes {
		item.Processes = append(item.Processes, g.Processes[i].String())
	}
	readings(reflect.ValueOf(g.Sample), "", item.Readings)
	if v, ok := g.NewUncorrected.Value(); ok {
		item.Readings["NewUncorrected"] = v
	}
	return item
}

// readings collects those of a struct, and of structs in it, by their names.
func readings(v reflect.Value, prefix string, into map[string]float64) {
	for i := range v.NumField() {
		name := prefix + v.Type().Field(i).Name
		switch f := v.Field(i); {
		case f.Type() == readingType:
			r := f.Interface().(gpu.Reading)
			if value, ok := r.Value(); ok {
				into[name] = value
			}
		case f.Kind() == reflect.Struct:
			readings(f, name+".", into)
		}
	}
}
