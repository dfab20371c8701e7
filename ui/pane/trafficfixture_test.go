package pane

import (
	"math"
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/past"
)

// busy is the reference deployment's traffic on a good night.
func busy() *gateway.Snapshot {
	s := &gateway.Snapshot{At: noon, Started: noon.Add(-217 * time.Hour), Now: gateway.Rates{Requests: 38.2, Tokens: 2125},
		Totals: gateway.Totals{Requests: 34285, PromptTokens: 12_345_678, CompletionTokens: 4_567_890, Status2xx: 34201, Status4xx: 31, Status429: 12, ClientLeft: 41}}
	for i := range 900 {
		v := 26 + 14*math.Sin(float64(i)/60) + 9*math.Sin(float64(i)/13) + float64(i*7%5)
		s.History = append(s.History, gateway.Point{Requests: int(v), Tokens: int(55*v + 300*math.Sin(float64(i)/31)), InFlight: 5})
	}
	return s
}

// stormy is a bad one: a storm of refused requests ten minutes ago, and answers
// that fail, and few of them, since a moment ago.
func stormy() (*gateway.Snapshot, *past.Snapshot) {
	s := busy()
	for i := range s.History {
		h := &s.History[i]
		switch {
		case i > 250 && i < 330:
			h.Refused, h.Requests = 60, h.Requests+60
		case i > 850:
			h.Errors, h.Tokens, h.Requests = 3, 80, 9
		}
	}
	s.Now, s.Totals.Status429, s.Totals.Status5xx = gateway.Rates{Requests: 9, Tokens: 80, Errors: 3}, 4812, 151
	at := func(back time.Duration, kind past.Kind, object, text string, g past.Grade) past.Event {
		return past.Event{At: noon.Add(-back), Kind: kind, Object: object, Text: text, Grade: g}
	}
	return s, &past.Snapshot{At: noon, Events: []past.Event{
		at(41*time.Second, past.KindBackend, "chat", "no bytes since; /health still says 200", past.Bad),
		at(46*time.Second, past.KindGPU, "gpu 1", "power 71 → 31 W", past.Warn),
		at(6*time.Minute, past.KindOperator, "ana", "attached from ssh (operator)", past.Plain),
		at(10*time.Minute, past.KindQuota, "acme", "day tokens are used up", past.Warn),
		at(13*time.Minute, past.KindBackend, "text2sql", "healthy", past.Good),
		at(130*time.Minute, past.KindJob, "text2sql", "restarted with drain by bo", past.Plain),
		at(9*time.Hour, past.KindBackend, "chat", "down", past.Bad),
	}}
}

// waves are trends of a day that began 20 hours ago.
type waves struct{}

func (waves) Series(m past.Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		at := end.Add(-time.Duration(n-1-i) * step)
		hour := float64(at.Unix()%86400) / 3600
		day := 20 + 18*math.Sin((hour-6)/24*2*math.Pi) + 2*math.Sin(hour*5)
		switch {
		case noon.Sub(at) > 20*time.Hour:
			s[i] = math.NaN()
		case m == past.Requests:
			s[i] = day
		case m == past.Tokens:
			s[i] = 55 * day
		case m == past.Errors && hour > 3 && hour < 3.4:
			s[i] = 2
		}
	}
	return s
}
