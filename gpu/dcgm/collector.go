package dcgm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pilothouse/gpu"
)

// Collector exports readings under the names of NVIDIA's DCGM exporter. Each
// scrape makes them anew of the newest snapshot. Whatever is in that, it gives
// no series twice and no label that is not UTF-8: either would cost the
// registry's other metrics too.
type Collector struct {
	host     string
	snapshot func() *gpu.Snapshot
	descs    map[string]desc
}

// desc describes a name, for a whole device and for a part of one.
type desc struct {
	whole, part *prometheus.Desc
}

// Labels, as the exporter has them. It leaves out those that are empty; to
// Prometheus that is the same. There is no namespace and no pod, as from the
// exporter outside of Kubernetes.
const (
	wholeLabels = "gpu UUID pci_bus_id device modelName Hostname DCGM_FI_DRIVER_VERSION container"
	partLabels  = wholeLabels + " GPU_I_PROFILE GPU_I_ID"
)

// NewCollector makes a collector of this host's GPUs in what snapshot gives,
// which must not be nil. GPUs of other hosts have exporters of their own: here
// they would count twice.
// The name of this host becomes the label Hostname.
func NewCollector(host string, snapshot func() *gpu.Snapshot) *Collector {
	c := &Collector{host, snapshot, make(map[string]desc)}
	add := func(name, help string) {
		c.descs[name] = desc{
			prometheus.NewDesc(name, help, strings.Fields(wholeLabels), nil),
			prometheus.NewDesc(name, help, strings.Fields(partLabels), nil),
		}
	}
	for _, f := range fields {
		add(f.name, f.help)
	}
	for _, d := range derived {
		add(d.name, d.help)
	}
	return c
}

// Describe describes nothing, since devices and parts of devices differ in
// their labels, as they do in the exporter.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect is what the snapshot has that is fresh.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	e := c.export(ch)
	s := c.snapshot()
	for i := range s.GPUs {
		if g := &s.GPUs[i]; g.Host == "" {
			e.device(deviceOf(s, g))
		}
	}
}

// device is what is exported of one.
type device struct {
	index                           int
	name, uuid, pci, driver, serves string
	at                              time.Time // of its last good answer: the age of what has no time of its own
	sample                          gpu.Sample
	xid                             gpu.Reading // the last one; it does not grow stale
}

// deviceOf gathers it, of a device of this host.
func deviceOf(s *gpu.Snapshot, g *gpu.GPU) device {
	d := device{index: g.Index, name: g.Name, uuid: g.UUID, pci: g.PCI, serves: g.Serves, at: g.At, sample: g.Sample}
	for _, h := range s.Hosts {
		if h.Name == "" {
			d.driver = h.Driver
			if h.Simulated {
				d.name += " (simulated)"
			}
		}
	}
	for i := range s.Events {
		if x := &s.Events[i]; x.Code != 0 && !x.Old && x.Host == "" && x.Index == g.Index && !x.Last.Before(d.xid.At()) {
			d.xid = gpu.Read(float64(x.Code), x.Last)
		}
	}
	return d
}

// export is one scrape.
type export struct {
	host  string
	descs map[string]desc
	ch    chan<- prometheus.Metric
	now   time.Time
	seen  map[string]bool // labels of devices and parts
}

func (c *Collector) export(ch chan<- prometheus.Metric) *export {
	return &export{c.host, c.descs, ch, time.Now(), make(map[string]bool)}
}

func (e *export) fresh(r gpu.Reading) bool { return r.Known() && r.Age(e.now) <= Fresh }

// new tells whether labels are there for the first time, after making them fit.
func (e *export) new(labels []string) bool {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	key := strings.Join(labels, "\x00")
	first := !e.seen[key]
	e.seen[key] = true
	return first
}

func (e *export) device(d device) {
	n := strconv.Itoa(d.index)
	labels := []string{n, d.uuid, busID(d.pci), "nvidia" + n, d.name, e.host, d.driver, d.serves}
	if !e.new(labels) {
		return
	}
	gauged := func(name string, v float64) {
		e.ch <- prometheus.MustNewConstMetric(e.descs[name].whole, gauge, v, labels...)
	}
	s := &d.sample
	for _, f := range fields {
		if r := *f.at(s); e.fresh(r) {
			e.ch <- prometheus.MustNewConstMetric(e.descs[f.name].whole, f.kind, r.Or(0)/f.unit, labels...)
		}
	}
	if e.fresh(s.MemTotal) && e.fresh(s.MemUsed) {
		gauged(nameFree, max(0, s.MemTotal.Or(0)-s.MemUsed.Or(0)-s.MemReserved.Or(0))/mib)
	}
	if s.Throttle.Known() && e.now.Sub(d.at) <= Fresh {
		gauged(nameReasons, float64(mask(s.Throttle)))
		gauged(nameThrottle, float64(mask(s.Throttle)))
	}
	if d.xid.Known() {
		gauged(nameXID, d.xid.Or(0))
	}
	for _, way := range []struct {
		name string
		of   func(*gpu.NVLink) gpu.Reading
	}{
		{nameLinkRx, func(l *gpu.NVLink) gpu.Reading { return l.Rx }},
		{nameLinkTx, func(l *gpu.NVLink) gpu.Reading { return l.Tx }},
	} {
		if sum, ok := e.sum(s.NVLinks, way.of); ok {
			gauged(way.name, sum)
		}
	}
	if s.MIG != nil && e.fresh(s.MIG.Enabled) {
		gauged(nameMIG, s.MIG.Enabled.Or(0))
		for _, p := range s.MIG.Parts {
			e.part(labels, p)
		}
	}
}

// sum is that of links which are up; there is none where one of them is not
// known, or none is up.
func (e *export) sum(links []gpu.NVLink, of func(*gpu.NVLink) gpu.Reading) (sum float64, ok bool) {
	for i := range links {
		l := &links[i]
		if e.fresh(l.Active) && l.Active.Or(1) == 0 {
			continue
		}
		r := of(l)
		if !e.fresh(r) {
			return 0, false
		}
		sum, ok = sum+r.Or(0), true
	}
	return sum, ok
}

func (e *export) part(whole []string, p gpu.MIGPart) {
	labels := append(whole[:len(whole):len(whole)], p.Name, instanceOf(p.UUID))
	if !e.new(labels) {
		return
	}
	gauged := func(name string, v float64) {
		e.ch <- prometheus.MustNewConstMetric(e.descs[name].part, gauge, v/mib, labels...)
	}
	used, total := e.fresh(p.MemUsed), e.fresh(p.MemTotal)
	if used {
		gauged(nameUsed, p.MemUsed.Or(0))
	}
	if total {
		gauged(nameTotal, p.MemTotal.Or(0))
	}
	if used && total {
		gauged(nameFree, max(0, p.MemTotal.Or(0)-p.MemUsed.Or(0)))
	}
}

// busID is a PCI address as the exporter writes it, "00000000:1B:00.0".
func busID(address string) string {
	domain, rest, ok := strings.Cut(address, ":")
	n, err := strconv.ParseUint(domain, 16, 32)
	if !ok || err != nil {
		return address
	}
	return fmt.Sprintf("%08X:%s", n, strings.ToUpper(rest))
}

// addressOf is the inverse of busID: "0000:1b:00.0".
func addressOf(busID string) string {
	domain, rest, ok := strings.Cut(busID, ":")
	n, err := strconv.ParseUint(domain, 16, 32)
	if !ok || err != nil {
		return busID
	}
	return fmt.Sprintf("%04x:%s", n, strings.ToLower(rest))
}

// partUUID names a MIG device of which only its GPU and its instance are known,
// like drivers before 470 did: "MIG-GPU-…/3".
func partUUID(uuid, instance string) string { return "MIG-" + uuid + "/" + instance }

// instanceOf is the instance of such a name; of another, which does not say,
// it is the name itself.
func instanceOf(uuid string) string {
	if rest, ok := strings.CutPrefix(uuid, "MIG-GPU-"); ok {
		if parts := strings.Split(rest, "/"); len(parts) > 1 {
			return parts[1]
		}
	}
	return uuid
}
