package pane

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// hostile is what no terminal may be sent.
const hostile = "h\x1b]0;x\a\n\u202eh\u009bh\x7f"

var (
	night    = time.Date(2026, 11, 22, 3, 11, 20, 104e6, time.UTC)
	midnight = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
)

// asked is a request as it came; with text in each place that others name.
func asked(text string) gateway.Record {
	return gateway.Record{ID: "7f3a91c2" + text, Start: night, Org: "acme" + text, KeyName: "etl-nightly" + text, Client: "203.0.113.9",
		Route: "/v1/chat/completions", Model: "Qwen/Qwen2.5-7B-Instruct" + text, Backend: "chat" + text, Stream: true}
}

// begun are the steps up to the quotas.
func begun() []gateway.Step {
	return []gateway.Step{
		gateway.Accepted{At: night, Key: gateway.KeyValid, Scope: "chat", Used: 41, Burst: 50, Rate: 50},
		gateway.Inspected{At: night, Bytes: 8_100, Prompt: 2_120, Answers: 1, Prompts: 1, MaxTokens: 2_048, Defaulted: true},
		gateway.Reserved{At: night, Tokens: 4_168, OfTokens: gateway.Window{Name: "tokens_per_day", Limit: 10_000_000, Left: 912_440, ResetsAt: midnight},
			Requests: gateway.Window{Name: "requests_per_month", OwnKey: true, Limit: 900, Left: 12, ResetsAt: midnight}},
	}
}

// explanations are one of each kind, by name.
func explanations(text string) map[string]*gateway.Explanation {
	all := map[string]*gateway.Explanation{}
	over := func(name string, status int, code string, end gateway.EndState, took time.Duration, steps ...gateway.Step) *gateway.Explanation {
		r := asked(text)
		r.Phase, r.Status, r.Code, r.End, r.Duration = gateway.PhaseEnded, status, code, end, took
		all[name] = &gateway.Explanation{Record: r, Steps: steps}
		return all[name]
	}
	ended := func(x *gateway.Explanation, e gateway.Ended) *gateway.Explanation {
		e.At, e.Status, e.Code, e.End = night.Add(x.Duration), x.Status, x.Code, x.End
		x.Steps = append(x.Steps, e)
		return x
	}
	settled := func(x *gateway.Explanation, charged int64, counted bool) {
		x.Steps = append(x.Steps, gateway.Settled{At: night.Add(x.Duration), Reserved: 4_168, Charged: charged, Counted: counted})
	}
	queued := func(outcome gateway.LineEnd, waited time.Duration, served int, generated int64) gateway.Queued {
		return gateway.Queued{At: night, Needs: 2_730, Booked: 94_900, Capacity: 96_768, Ahead: 4, Orgs: 2, Limit: 30 * time.Second,
			Waited: waited, Served: served, Generated: generated, Outcome: outcome}
	}
	picked := func(at time.Duration, try int, failure string) gateway.Picked {
		return gateway.Picked{At: night.Add(at), Replica: fmt.Sprintf("http://chat-%d:8000", try) + text, Try: try, Well: 3 - try, Needs: 2_730, Booked: 45_000,
			Capacity: 96_768, InFlight: 12, Affinity: try == 1, Failure: failure}
	}
	answered := []gateway.Step{gateway.Sent{At: night.Add(4 * time.Millisecond)}, gateway.Answered{At: night.Add(314 * time.Millisecond), After: 310 * time.Millisecond}}

	x := over("overloaded", 503, "overloaded", gateway.EndRefused, 30*time.Second, append(begun(), queued(gateway.LineTimeout, 30*time.Second, 0, 0))...)
	x.Retry = gateway.Retry{After: 12 * time.Second, From: gateway.RetryLine, Tokens: 26_301, PerSecond: 2_200.4}
	settled(ended(x, gateway.Ended{Cause: gateway.CauseWaited, Limit: 30 * time.Second}), 0, false)

	x = over("full", 503, "overloaded", gateway.EndRefused, time.Millisecond, append(begun(), queued(gateway.LineFull, 0, 0, 0))...)
	x.Retry = gateway.Retry{After: time.Second, From: gateway.RetryLine, Tokens: 26_301}
	settled(ended(x, gateway.Ended{}), 0, false)

	steps := append(begun(), queued(gateway.LineGranted, 3*time.Millisecond, 5, 812), picked(3*time.Millisecond, 1, "connect"), picked(4*time.Millisecond, 2, ""))
	x = over("done", 200, "", gateway.EndDone, 1900*time.Millisecond, append(steps, answered...)...)
	x.First = 314 * time.Millisecond
	settled(ended(x, gateway.Ended{Prompt: 2_101, Output: 34}), 2_135, true)

	x = over("left", 499, "client_left", gateway.EndClientLeft, 2*time.Second, append(begun(), queued(gateway.LineClientLeft, 2*time.Second, 1, 55))...)
	settled(ended(x, gateway.Ended{Cause: gateway.CauseClientLeft}), 0, false)

	x = over("cancelled", 200, "cancelled", gateway.EndInterrupted, 2*time.Second, append(append(begun(), picked(0, 1, "")), answered...)...)
	x.First = 314 * time.Millisecond
	settled(ended(x, gateway.Ended{Cause: gateway.CauseCancelled, By: "ana" + text, Prompt: 2_120, Output: 3_000, Estimated: true}), 5_120, true)

	x = over("timeout", 504, "backend_timeout", gateway.EndBackendFailed, 2*time.Minute, append(append(begun(), picked(0, 2, "timeout")), answered[0])...)
	settled(ended(x, gateway.Ended{Cause: gateway.CauseFirstByte, Limit: 2 * time.Minute}), 0, false)

	x = over("broken", 502, "backend_error", gateway.EndBackendFailed, time.Second, append(append(begun(), picked(0, 2, "reset")), answered[0])...)
	settled(ended(x, gateway.Ended{}), 0, false)

	x = over("quota", 429, "quota_exceeded", gateway.EndRefused, time.Millisecond, append(begun()[:2],
		gateway.Reserved{At: night, Tokens: 4_168, Outcome: gateway.ReserveExceeded, OfTokens: gateway.Window{Name: "tokens_per_day", Limit: 10_000_000, Left: 312, ResetsAt: midnight}})...)
	x.Retry = gateway.Retry{After: 20*time.Hour + 48*time.Minute, From: gateway.RetryWindow}
	ended(x, gateway.Ended{})

	x = over("rate", 429, "rate_limit_exceeded", gateway.EndRefused, time.Millisecond,
		gateway.Accepted{At: night, Used: 50, Burst: 50, Rate: 20, Limited: true})
	x.Retry = gateway.Retry{After: 20 * time.Millisecond, From: gateway.RetryAddress}
	ended(x, gateway.Ended{})

	for name, state := range map[string]gateway.KeyState{"nokey": gateway.KeyMissing, "scope": gateway.KeyOutOfScope} {
		x = over(name, 401, "invalid_api_key", gateway.EndRefused, time.Millisecond, gateway.Accepted{At: night, Key: state, Scope: "embeddings", Used: 1, Burst: 50, Rate: 50})
		x.Org, x.Model, x.Backend = "", "", ""
		ended(x, gateway.Ended{})
	}
	ended(over("parameter", 400, "invalid_request", gateway.EndRefused, time.Millisecond, begun()[0],
		gateway.Inspected{At: night, Bytes: 12}), gateway.Ended{Param: "temperature"})
	ended(over("toolarge", 400, "invalid_request", gateway.EndRefused, time.Millisecond, append(begun()[:2],
		gateway.Queued{At: night, Needs: 99_000, Capacity: 96_768, Outcome: gateway.LineTooLarge})...), gateway.Ended{Param: "messages"})

	live := asked(text)
	live.Phase, live.Duration = gateway.PhaseQueued, 3200*time.Millisecond
	all["waiting"] = &gateway.Explanation{Record: live, Steps: append(begun(), queued(gateway.LineWaiting, 3100*time.Millisecond, 0, 0))}
	return all
}

// text is an explanation as a golden has it.
func text(x *Explained) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s\n%s\n\n", x.ID, x.Why, x.Who, x.Verdict)
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "%-12s  %-10s  %s\n", s.Time, s.Step, s.Words)
	}
	fmt.Fprintf(&b, "\nanswer  %s\n", x.Answer)
	return b.String()
}

func TestExplain(t *testing.T) {
	for name, e := range explanations("") {
		t.Run(name, func(t *testing.T) {
			got := text(Explain(e))
			golden(t, "explanation/"+name+".golden", got)
			for _, r := range got {
				if r > '~' {
					t.Errorf("%q is not ASCII", r)
				}
			}
		})
	}
}

func TestExplainedDraws(t *testing.T) {
	for _, size := range [][2]int{{78, 24}, {34, 60}} {
		c := widget.NewCanvas(theme(), size[0], size[1])
		if lines := Explain(explanations("")["done"]).Draw(c, 0); lines > size[1] {
			t.Errorf("%d lines of %d", lines, size[1])
		}
		var lines []string
		for line := range strings.SplitSeq(ansi.Strip(c.String()), "\n") {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		golden(t, "explanation/"+fmt.Sprintf("drawn-%dx%d"+".golden", size[0], size[1]), strings.TrimRight(strings.Join(lines, "\n"), "\n")+"\n")
	}
	whole, part := widget.NewCanvas(theme(), 60, 40), widget.NewCanvas(theme(), 60, 40)
	x := Explain(explanations("")["done"])
	if a, b := x.Draw(whole, 0), x.Draw(part, 3); a != b {
		t.Errorf("%d lines, and %d from the third on", a, b)
	}
	if a, b := strings.Split(whole.String(), "\n"), strings.Split(part.String(), "\n"); a[3] != b[0] || a[20] != b[17] {
		t.Errorf("from the third line on it begins with %q, want %q", b[0], a[3])
	}
	for w := range 40 {
		x.Draw(widget.NewCanvas(theme(), w, 3), w%5) // whatever the size is
	}
}

// Nothing that others named reaches a terminal as it is.
func TestExplainedIsHarmless(t *testing.T) {
	for name, e := range explanations(hostile) {
		c := widget.NewCanvas(theme(), 200, 60)
		Explain(e).Draw(c, 0)
		drawn := ansi.Strip(c.String())
		for _, r := range strings.ReplaceAll(drawn, "\n", "") {
			if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == '\u202e' {
				t.Errorf("%s: %q is drawn", name, r)
			}
		}
		if strings.Contains(c.String(), "\x1b]") || !strings.Contains(drawn, `h\x1b]0;x`) && e.Org != "" {
			t.Errorf("%s: it draws %q", name, drawn)
		}
	}
}
