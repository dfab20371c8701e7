package play

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/chat"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// chatLooks are the ways to draw that goldens are kept of.
var chatLooks = map[string]widget.Look{
	"dark":  {Palette: widget.Dark, Profile: colorprofile.TrueColor},
	"none":  {Profile: colorprofile.ASCII},
	"ascii": {Profile: colorprofile.ASCII, ASCII: true},
}

// scripted are Models that answer as a script says, in the time of a clock that a test
// moves: a piece of text every 25 ms after 320 ms, or after 300 ms straight to a replica.
type scripted struct {
	mu      sync.Mutex
	clock   time.Time
	due     []scriptedPiece
	asked   int // all together
	through int // of them, through the gateway
	sent    int // pieces of text
	replies []*scriptedAnswer

	answer  func(question string) string
	endless bool // the end never comes
}

// scriptedAnswer is one that is under way until it has ended, or nobody waits for it.
type scriptedAnswer struct {
	ctx   context.Context
	ended bool
}

// live counts those under way; mu is held.
func (s *scripted) live() (n int) {
	for _, r := range s.replies {
		if !r.ended && r.ctx.Err() == nil {
			n++
		}
	}
	return n
}

// scriptedPiece is what comes at a time.
type scriptedPiece struct {
	at   time.Time
	ctx  context.Context
	data string
	over *scriptedAnswer // set for the last one
	to   *io.PipeWriter
}

func (s *scripted) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *scripted) Ask(ctx context.Context, _ string, body []byte) (*http.Response, error) {
	s.mu.Lock()
	s.through++
	id := fmt.Sprintf("req-%d", s.through)
	s.mu.Unlock()
	return s.reply(ctx, body, id, 320*time.Millisecond)
}

func (s *scripted) AskReplica(ctx context.Context, _, _ string, body []byte) (*http.Response, error) {
	return s.reply(ctx, body, "direct-1", 300*time.Millisecond)
}

func (s *scripted) reply(ctx context.Context, body []byte, id string, first time.Duration) (*http.Response, error) {
	var r struct{ Messages []struct{ Content string } }
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	head := http.Header{"X-Request-Id": {id}, "Content-Type": {"text/event-stream"}}
	switch question := r.Messages[len(r.Messages)-1].Content; question {
	case "refuse":
		return nil, errors.New("your role, viewer, may not use the playgrounds")
	case "full":
		return &http.Response{StatusCode: http.StatusTooManyRequests, Header: head, Body: io.NopCloser(strings.NewReader(
			`{"error":{"message":"tokens_per_day of acme is used up","code":"quota_exceeded","type":"quota"}}`))}, nil
	default:
		in, out := io.Pipe()
		own := &scriptedAnswer{ctx: ctx}
		s.replies = append(s.replies, own)
		at := s.clock.Add(first)
		pieces := strings.SplitAfter(s.answer(question), " ")
		for _, p := range pieces {
			text, err := json.Marshal(p)
			if err != nil {
				return nil, err
			}
			s.due = append(s.due, scriptedPiece{at: at, ctx: ctx, to: out, data: fmt.Sprintf("data: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\n", text)})
			at = at.Add(25 * time.Millisecond)
		}
		if !s.endless {
			s.due = append(s.due, scriptedPiece{at: at.Add(-25 * time.Millisecond), ctx: ctx, to: out, over: own, data: fmt.Sprintf(
				"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", len(pieces))})
		}
		context.AfterFunc(ctx, func() { _ = out.CloseWithError(ctx.Err()) })
		slices.SortStableFunc(s.due, func(a, b scriptedPiece) int { return a.at.Compare(b.at) })
		return &http.Response{StatusCode: http.StatusOK, Header: head, Body: in}, nil
	}
}

// next moves the clock to the next piece that is due, and sends it; false: none is until
// then.
func (s *scripted) next(until time.Time) bool {
	s.mu.Lock()
	if len(s.due) == 0 || s.due[0].at.After(until) {
		s.clock = until
		s.mu.Unlock()
		return false
	}
	p := s.due[0]
	s.due = s.due[1:]
	if p.at.After(s.clock) {
		s.clock = p.at
	}
	s.mu.Unlock()
	if p.ctx.Err() != nil {
		return true
	}
	if _, err := io.WriteString(p.to, p.data); err == nil && p.over == nil {
		s.mu.Lock()
		s.sent++
		s.mu.Unlock()
	}
	if p.over != nil {
		_ = p.to.Close()
		s.mu.Lock()
		p.over.ended = true
		s.mu.Unlock()
	}
	return true
}

// stage is a pane with what is around it.
type stage struct {
	*Chat
	t      *testing.T
	models *scripted
	rooms  *chat.Rooms
	room   *chat.Room
	before int // pieces that had come when the oldest that is waited for was sent
}

// onStage runs a test with a pane.
func onStage(t *testing.T, look widget.Look, act func(*stage)) {
	t.Helper()
	s := &stage{t: t, models: &scripted{answer: func(string) string { return markdownSample }, clock: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}}
	s.rooms = chat.New(chat.Config{Now: s.models.now})
	defer s.rooms.Close()
	s.room = s.rooms.Enter("alice", s.models)
	s.Chat = NewChat(widget.NewTheme(look), ChatOptions{Room: s.room, Queued: func(id string) (time.Duration, bool) {
		return 12 * time.Millisecond, strings.HasPrefix(id, "req-")
	}})
	s.SetFocus(true)
	s.typing = true // "i" was pressed
	s.tick()
	act(s)
}

// settle waits until all that was asked and sent has come where it goes.
func (s *stage) settle() {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Microsecond) {
		running, heard := 0, 0
		snap := s.room.Snapshot()
		for _, c := range snap.Conversations {
			for _, t := range c.Turns {
				for _, a := range t.Answers {
					if a.State.Running() {
						running++
					}
				}
			}
		}
		s.models.mu.Lock()
		for _, c := range snap.Conversations {
			for _, t := range c.Turns {
				for _, a := range t.Answers {
					heard += a.Events
				}
			}
		}
		if b := snap.Burst; b != nil {
			heard += b.First.Count + b.PerToken.Count
			if b.Running {
				running += max(1, b.Requests-b.Done-b.Failed) // it notes its own end last
			}
		}
		if running == 0 && s.models.live() == 0 {
			s.models.sent = 0
		}
		if s.models.sent == 0 {
			s.before = heard
		}
		settled := running == s.models.live() && heard-s.before >= s.models.sent
		state := fmt.Sprintf("%d run, %d live, %d heard of %d", running, s.models.live(), heard-s.before, s.models.sent)
		s.models.mu.Unlock()
		if settled {
			return
		}
		if time.Now().After(end) {
			s.t.Fatal("it never settled: " + state)
		}
	}
}

// tick gives the pane the platform as it is.
func (s *stage) tick() {
	s.settle()
	now := s.models.now()
	s.Update(pane.Data{Now: now, Pool: &backends.Snapshot{At: now, Backends: []backends.BackendStatus{
		{Name: "text2sql", Model: "Snowflake/Arctic-Text2SQL-R1-7B", Routes: []string{"/text2sql"}},
		{Name: "chat", Model: "Qwen/Qwen2.5-7B-Instruct", Aliases: []string{"qwen"}, Replicas: []backends.ReplicaStatus{{URL: "http://10.0.0.5:8000"}, {URL: "http://10.0.0.6:8000"}}},
	}}, Gateway: &gateway.Snapshot{At: now, Recent: []gateway.Record{
		{ID: "req-1", Org: "operators", Replica: "http://10.0.0.6:8000", Start: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), Phase: gateway.PhaseEnded}},
		Live: []gateway.Record{{ID: "req-2", Phase: gateway.PhaseQueued}}}})
}

// after lets time pass.
func (s *stage) after(d time.Duration) {
	until := s.models.now().Add(d)
	for s.settle(); s.models.next(until); {
		s.settle()
	}
	s.tick()
}

// press types keys by their names, or text.
func (s *stage) press(keys ...string) {
	codes := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
		"alt+enter": {Code: tea.KeyEnter, Mod: tea.ModAlt}, "ctrl+j": {Code: 'j', Mod: tea.ModCtrl}, "backspace": {Code: tea.KeyBackspace},
	}
	for _, k := range keys {
		if m, ok := codes[k]; ok {
			s.Update(m)
			continue
		}
		for _, r := range k {
			s.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	s.settle()
	s.Update(Beat{Now: s.models.now()})
}

// ask sends a question and waits for the answer.
func (s *stage) ask(question string) {
	s.press(question, "enter")
	s.after(time.Minute)
}

// pictured draws the pane and sees that it fills its box, and nothing else.
func (s *stage) pictured(w, h int) string {
	s.t.Helper()
	got := s.View(w, h)
	for s.late() {
		got = s.View(w, h)
	}
	lines := strings.Split(got, "\n")
	if len(lines) != max(h, 1) {
		s.t.Errorf("%d lines, want %d", len(lines), h)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n != w {
			s.t.Errorf("%dx%d: line %d has %d cells: %q", w, h, i, n, l)
		}
	}
	return got
}

// shows sees that the picture has all of these.
func (s *stage) shows(w, h int, want ...string) {
	s.t.Helper()
	got := ansi.Strip(s.pictured(w, h))
	for _, t := range want {
		if !strings.Contains(got, t) {
			s.t.Errorf("no %q in:\n%s", t, got)
		}
	}
}
