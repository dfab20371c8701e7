package sim_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"pilothouse/backends/sim"
)

func TestControlEndpoint(t *testing.T) {
	s := start(t, sim.Config{Control: true})
	set := func(body string) (int, string) {
		r, err := http.Post(s.url+"/sim/faults", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	good := `{"faults":[{"kind":"reset","after":5,"probability":0.5},{"kind":"slow_prefill","factor":8,"next":3}]}`
	if status, text := set(good); status != 200 || text != good {
		t.Fatalf("setting faults: %d %s", status, text)
	}
	for name, tc := range map[string]struct{ body, wants string }{
		"no JSON":         {`{`, "unexpected EOF"},
		"no list":         {`{}`, `no \"faults\"`},
		"unknown member":  {`{"faults":[{"kind":"reset","aftr":5}]}`, "aftr"},
		"unknown kind":    {`{"faults":[{"kind":"explode"}]}`, "one of slow_prefill, stall"},
		"a negative":      {`{"faults":[{"kind":"reset","after":-1}]}`, "after is -1"},
		"misplaced":       {`{"faults":[{"kind":"error_500","after":1}]}`, "after is 1"},
		"not a share":     {`{"faults":[{"kind":"hang","probability":2}]}`, "probability is 2"},
		"no factor":       {`{"faults":[{"kind":"slow_prefill"}]}`, "factor is 0"},
		"two frequencies": {`{"faults":[{"kind":"hang","probability":0.5,"next":2}]}`, "next is 2"},
		"trailing":        {`{"faults":[]} {}`, "more after"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, text := set(tc.body); status != 400 || !strings.Contains(text, tc.wants) {
				t.Errorf("got %d %s, want 400 that says %s", status, text, tc.wants)
			}
		})
	}
	if len(s.Faults()) != 2 {
		t.Errorf("a refused change changed something: %+v", s.Faults())
	}
	if set(`{"faults":[]}`); len(s.Faults()) != 0 {
		t.Errorf("still set after clearing: %+v", s.Faults())
	}
	off := start(t, sim.Config{})
	if r, err := http.Get(off.url + "/sim/faults"); err != nil || r.StatusCode != 404 {
		t.Errorf("faults without control: %v %v", r.StatusCode, err)
	}
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]sim.Fault{
		"hang":                           {Kind: sim.Hang},
		"truncate,after=5,inside":        {Kind: sim.Truncate, After: 5, Inside: true},
		"reset,after=3,probability=0.25": {Kind: sim.Reset, After: 3, Probability: 0.25},
		"slow_prefill,factor=1.5,next=2": {Kind: sim.SlowPrefill, Factor: 1.5, Next: 2},
		"truncate,after=1,inside=false":  {Kind: sim.Truncate, After: 1},
	} {
		if got, err := sim.ParseFault(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "boom", "stall,after", "stall,after=x", "stall,when=2", "hang,after=2", "reset,after=1,next=-1"} {
		var wrong *sim.FaultError
		if f, err := sim.ParseFault(text); !errors.As(err, &wrong) {
			t.Errorf("%q: got %+v, %v, want a FaultError", text, f, err)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("truncate,after=5,inside")
	f.Add("reset,probability=NaN")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := sim.ParseFault(text)
		if err != nil {
			return
		}
		if _, err := sim.New(sim.Config{Model: "m", Faults: []sim.Fault{fault}}); err != nil {
			t.Errorf("%q parses to %+v, which is refused: %v", text, fault, err)
		}
	})
}
