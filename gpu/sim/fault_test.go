package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/gpu"
)

// playing runs a sampler over two cards.
func playing(t *testing.T, test func(t *testing.T, src *Source, s *gpu.Sampler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		src := New(Card{"text2sql", &load{memory: 15e9}}, Card{"chat", &load{decode: 1, memory: 20e9}})
		s := gpu.New(gpu.Options{InFlight: func(string) int { return 4 }}, gpu.Host{Source: src})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(10*time.Second + 500*time.Millisecond)
		test(t, src, s)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func fault(t *testing.T, s *Source, index int, f Fault) {
	t.Helper()
	if err := s.Fault(index, f); err != nil {
		t.Fatal(err)
	}
}

func kinds(s *gpu.Sampler) map[gpu.FindingKind]bool {
	all := map[gpu.FindingKind]bool{}
	for _, f := range gpu.Findings(s.Snapshot(), time.Now(), nil) {
		all[f.Kind] = true
	}
	return all
}

func TestWellCardsFindNothing(t *testing.T) {
	playing(t, func(t *testing.T, _ *Source, s *gpu.Sampler) {
		if k := kinds(s); len(k) != 0 {
			t.Errorf("%v", k)
		}
		g := &s.Snapshot().GPUs[1]
		if len(g.Processes) != 1 || g.Processes[0].Backend != "chat" || g.Processes[0].Name != "chat" || g.Processes[0].PID == s.Snapshot().GPUs[0].Processes[0].PID || g.Serves != "chat" {
			t.Errorf("%+v", g.Processes)
		}
		if g.Fan.Supported() || g.NVLinks == nil || len(g.NVLinks) > 0 || value(t, g.PCIe.Gen) != 4 || value(t, g.PCIe.Width) != 8 || value(t, g.ECC.Enabled) != 1 ||
			value(t, g.TempSlow) != 86 || value(t, g.TempLimit) != 94 || value(t, g.Persistence) != 1 {
			t.Errorf("%+v", g.Sample)
		}
	})
}

// Energy is what power adds up to.
func TestEnergyIntegratesPower(t *testing.T) {
	playing(t, func(t *testing.T, _ *Source, s *gpu.Sampler) {
		time.Sleep(10 * time.Minute)
		before := s.Snapshot().GPUs[1]
		time.Sleep(100 * time.Second)
		after := s.Snapshot().GPUs[1]
		spent := value(t, after.Energy) - value(t, before.Energy)
		if want := 100 * value(t, after.Power); spent < want*0.99 || spent > want*1.01 {
			t.Errorf("%v J in 100 s at %v W", spent, value(t, after.Power))
		}
	})
}

func TestFaults(t *testing.T) {
	playing(t, func(t *testing.T, src *Source, s *gpu.Sampler) {
		for _, step := range []struct {
			fault  Fault
			wait   time.Duration
			state  gpu.State
			found  gpu.FindingKind // "": none
			events int
		}{
			{FallsOff, 8 * time.Second, gpu.Lost, gpu.Unreachable, 1},
			{Well, 70 * time.Second, gpu.OK, gpu.Error, 1}, // that it had one is still told
			{Lost, 8 * time.Second, gpu.Lost, gpu.Unreachable, 1},
			{Well, 70 * time.Second, gpu.OK, gpu.Error, 1},
			{Hangs, 8 * time.Second, gpu.Hung, gpu.Stale, 1},
			{Well, 2 * time.Second, gpu.OK, gpu.Error, 1},
			{Hot, time.Minute, gpu.OK, gpu.Throttled, 1},
			{Well, 20 * time.Minute, gpu.OK, "", 1},
			{Full, 6 * time.Second, gpu.OK, gpu.Full, 1},
			{Well, 2 * time.Second, gpu.OK, "", 1},
			{Spoiled, 6 * time.Second, gpu.OK, gpu.Uncorrected, 2},
		} {
			fault(t, src, 1, step.fault)
			time.Sleep(step.wait)
			snap := s.Snapshot()
			if g := &snap.GPUs[1]; g.State != step.state {
				t.Errorf("%q: it is %v, %q", step.fault, g.State, g.Err)
			}
			if k := kinds(s); step.found != "" && !k[step.found] || step.found == "" && len(k) > 0 {
				t.Errorf("%q: found %v", step.fault, k)
			}
			if len(snap.Events) != step.events {
				t.Errorf("%q: events %+v", step.fault, snap.Events)
			}
			if g := &snap.GPUs[0]; g.State != gpu.OK || g.Age(time.Now()) > time.Second {
				t.Errorf("%q: the other card is %v", step.fault, g.State)
			}
		}
		x := s.Snapshot().Events
		if x[0].Code != 79 || x[0].Index != 1 || len(x[0].Owners) != 1 || x[0].Owners[0] != "chat" || x[0].InFlight != 4 || x[1].Code != 94 {
			t.Errorf("%+v", x)
		}
	})
}

func TestFaultsOfNoCard(t *testing.T) {
	if err := New().Fault(0, Hot); err == nil {
		t.Error("a card that there is none of was given a fault")
	}
	s := New(Card{"chat", &load{}})
	for range 2 * mostUntold {
		fault(t, s, 0, FallsOff)
	}
	if len(s.untold) != mostUntold {
		t.Errorf("%d events wait", len(s.untold))
	}
}
