package gpu

// readings are all the single readings of a sample, always in the same order.
func (s *Sample) readings() [37]*Reading {
	e := &s.ECC
	return [...]*Reading{
		&s.Util, &s.MemUtil, &s.MemUsed, &s.MemReserved, &s.MemTotal, &s.Temp, &s.Power, &s.Clock, &s.MemClock, &s.PerfState,
		&s.Encoder, &s.Decoder, &s.PowerCap, &s.Energy, &s.TempSlow, &s.TempLimit, &s.ClockMax, &s.MemClockMax, &s.Fan,
		&s.PCIe.Gen, &s.PCIe.GenMax, &s.PCIe.Width, &s.PCIe.WidthMax, &s.PCIe.Rx, &s.PCIe.Tx, &s.PCIe.Replays,
		&e.Enabled, &e.Corrected, &e.Uncorrected, &e.CorrectedAll, &e.UncorrectedAll, &e.Remapped, &e.RemappedBad, &e.RemapPending, &e.RemapFailed,
		&s.Persistence, &s.Compute,
	}
}

// take replaces what was measured anew, or has turned out not to be
// measurable. The rest stays, with its age.
func (s *Sample) take(n *Sample) {
	mine := s.readings()
	for i, r := range n.readings() {
		if r.Known() || !r.Supported() {
			*mine[i] = *r
		}
	}
	if n.Throttle.Known() {
		s.Throttle = n.Throttle
	}
	if n.NVLinks != nil {
		s.NVLinks = n.NVLinks
	}
	if n.MIG != nil {
		s.MIG = n.MIG
	}
	if n.Processes != nil {
		s.Processes = n.Processes
	}
}
