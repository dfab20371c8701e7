//go:build linux && cgo

package nvml

import (
	"fmt"
	"slices"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const cardsMax = 256 // no host has as many

// list asks for the devices. The caller is in Devices.
func (s *Source) list(former *listed) (gpu.Listing, error) {
	n, ret := s.lib.DeviceGetCount()
	var err error
	if ret != nvml.SUCCESS {
		err = fmt.Errorf("count gpus: %w", failure(ret))
	} else if n < 0 || n > cardsMax {
		err = fmt.Errorf("count gpus: the driver says %d", n)
	}
	if err != nil {
		s.publish(&listed{err: err})
		return gpu.Listing{}, err
	}
	now := &listed{cards: make([]card, n), has: s.has}
	for i := range now.cards {
		now.cards[i] = s.card(i, former)
	}
	for i := range now.cards {
		remember(now.cards, former.cards, i)
	}
	opened := func(c card) bool { return c.err == nil }
	if n > 0 && !slices.ContainsFunc(now.cards, opened) {
		now.err = fmt.Errorf("open gpu 0: %w", now.cards[0].err)
	}
	s.publish(now)
	if now.err != nil {
		return gpu.Listing{}, now.err
	}
	list := gpu.Listing{Devices: make([]gpu.Device, n)}
	for i, c := range now.cards {
		list.Devices[i] = c.about
	}
	list.Driver, list.CUDA = s.versions()
	return list, nil
}

// card opens a device, unless a call of it hangs: then it stays as it was.
func (s *Source) card(index int, former *listed) card {
	w := s.works[index]
	if w == nil {
		w = &work{turn: make(chan struct{}, 1)}
		s.works[index] = w
	}
	select {
	case w.turn <- struct{}{}:
		defer w.leave()
	default:
		if index < len(former.cards) {
			return former.cards[index]
		}
		return card{about: gpu.Device{Index: index}, err: errBusy, work: w}
	}
	w.counts, w.total = make(map[counter]count), 0
	c := card{about: gpu.Device{Index: index}, work: w}
	var ret nvml.Return
	if c.handle, ret = s.lib.DeviceGetHandleByIndex(index); ret != nvml.SUCCESS {
		c.err = failure(ret)
		return c
	}
	ask := func(function string, call func() nvml.Return) bool {
		if c.err != nil || !s.has[function] {
			return false
		}
		ret := call()
		if fatal(ret) {
			c.err = failure(ret)
		}
		return ret == nvml.SUCCESS
	}
	var name, uuid string
	var pci nvml.PciInfo
	if ask("nvmlDeviceGetName", func() (ret nvml.Return) { name, ret = c.handle.GetName(); return }) {
		c.about.Name = name
	}
	if ask("nvmlDeviceGetUUID", func() (ret nvml.Return) { uuid, ret = c.handle.GetUUID(); return }) {
		c.about.UUID = uuid
	}
	if ask("nvmlDeviceGetPciInfo", func() (ret nvml.Return) { pci, ret = c.handle.GetPciInfo(); return }) && pci.BusId[0] != 0 {
		c.about.PCI = fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device) // as /sys has it
	}
	return c
}

// remember gives a device that doesn't say who it is the identity of the
// former one at its place, unless another device has that now.
func remember(cards, former []card, i int) {
	if cards[i].about.UUID != "" || i >= len(former) {
		return
	}
	was := former[i].about
	if was.UUID == "" || slices.ContainsFunc(cards, func(c card) bool { return c.about.UUID == was.UUID }) {
		return
	}
	cards[i].about = was
}

// versions are the driver's and CUDA's; "" where they aren't told.
func (s *Source) versions() (driver, cuda string) {
	if s.has["nvmlSystemGetDriverVersion"] {
		if v, ret := s.lib.SystemGetDriverVersion(); ret == nvml.SUCCESS {
			driver = v
		}
	}
	if s.has["nvmlSystemGetCudaDriverVersion"] {
		if v, ret := s.lib.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS && v > 0 {
			cuda = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
		}
	}
	return driver, cuda
}
