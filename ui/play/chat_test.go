package play

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"charm.land/bubbles/v2/key"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/chat"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// chatScenes are what there is to see.
var chatScenes = map[string]func(*stage){
	"empty": func(*stage) {},
	"answer": func(s *stage) {
		s.ask("What does a lighthouse do?")
		s.press("And then?", "alt+enter", "In short.")
	},
	"streaming": func(s *stage) {
		s.models.endless = true
		s.press("Tell me more.", "enter")
		s.after(2 * time.Second)
	},
	"compared": func(s *stage) {
		s.models.answer = func(string) string { return "The same **words**, all of them, at both." }
		s.ask("Is it the gateway?")
		s.press("tab", "c")
		s.after(time.Minute)
	},
	"failed": func(s *stage) {
		s.ask("full")
		s.ask("refuse")
	},
	"hostile": func(s *stage) {
		s.models.answer = func(string) string {
			return "\x1b]0;title\x07\x1b[2J\u202eevil\u202c \u200b\u200d 日本語 e\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467 " + strings.Repeat("x", 300) + "\n\n```\n\x1b[31m" + strings.Repeat("日", 90) + "\n```\n\n|\x1b[1m|\u202e|\n|-|-|\n|a|\u2066b|\n"
		}
		s.ask("\x1b[31mwhat\u202e is \u200bthis 日本")
		s.Paste("\x1b[2J\u202edraft 日本語\r\nmore")
	},
	"commands": func(s *stage) { s.press("/") },
	"help":     func(s *stage) { s.press("/help", "enter") },
	"settings": func(s *stage) {
		s.press("/system be short", "enter", "/set temperature 0.2", "enter", "/set stop \"\\n\"", "enter", "/target 2", "enter")
		s.ask("q")
		s.press("shift+tab", "down")
	},
	"list": func(s *stage) {
		for _, q := range []string{"first one", "second one 日本語", "third"} {
			s.press("/new", "enter")
			s.ask(q)
		}
		s.press("tab", "tab", "down")
	},
	"raw": func(s *stage) {
		s.models.answer = func(string) string { return "yes" }
		s.ask("is it?")
		s.press("/raw", "enter")
	},
	"burst": func(s *stage) {
		s.press("/burst 5 30", "enter", "right", "enter")
		s.after(time.Minute)
	},
	"confirm": func(s *stage) { s.press("/burst", "enter") },
}

func TestChatGoldens(t *testing.T) {
	for name, scene := range chatScenes {
		t.Run(name, func(t *testing.T) {
			onStage(t, chatLooks["none"], func(s *stage) {
				scene(s)
				for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}, {30, 8}} {
					got := s.pictured(size[0], size[1])
					lines := strings.Split(ansi.Strip(got), "\n")
					for i := range lines {
						lines[i] = strings.TrimRight(lines[i], " ")
					}
					chatGolden(t, fmt.Sprintf("chat-%s-%dx%d.txt", name, size[0], size[1]), strings.Join(lines, "\n")+"\n")
				}
			})
			for look, l := range chatLooks {
				onStage(t, l, func(s *stage) {
					scene(s)
					got := s.pictured(80, 24)
					for _, r := range got {
						if l.ASCII && r > 0x7e || r < ' ' && r != '\n' && r != 0x1b {
							t.Errorf("%q is drawn", r)
						}
					}
					chatGolden(t, fmt.Sprintf("chat-%s-%s.ansi", name, look), got+"\n")
				})
			}
		})
	}
}

// Whatever the size, and whatever is shown, the picture fills its box.
func TestChatSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, scene := range chatScenes {
		t.Run(name, func(t *testing.T) {
			for _, l := range chatLooks {
				onStage(t, l, func(s *stage) {
					scene(s)
					for range 10 {
						s.pictured(random.IntN(220), 1+random.IntN(70))
					}
					s.View(0, 0)
				})
			}
		})
	}
}

// A question goes out, its answer comes with its figures, and enter explains it.
func TestChatAsks(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		if !s.Typing() {
			t.Fatal("the editor hasn't the keys on a new visit")
		}
		s.models.answer = func(string) string { return "It **shines** at night." }
		s.press("What does it do?", "enter")
		if !s.Busy() {
			t.Error("it isn't busy")
		}
		s.after(time.Minute)
		s.shows(120, 40, "What does it do?", "It shines at night.", "queue 12 ms", "first 320 ms", "40.0 tok/s", "4 tokens", "395 ms")
		if s.Busy() {
			t.Error("it is still busy")
		}
		s.press("esc") // leaves typing
		if s.Typing() {
			t.Error("esc doesn't leave typing")
		}
		s.press("i")
		if !s.Typing() {
			t.Error("i doesn't begin typing")
		}
		s.press("tab", "enter")
		want := pane.Ref{Kind: pane.RefRequest, ID: "req-1", Name: "operators", Start: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
		if w := s.Wants(); len(w) != 1 || w[0].Explain != want {
			t.Errorf("wants %+v", w)
		}
		s.press("y")
		if w := s.Wants(); len(w) != 1 || w[0].Clipboard != "It **shines** at night." {
			t.Errorf("wants %+v", w)
		}
		if len(s.Wants()) != 0 {
			t.Error("it still wants something")
		}
		s.press("e")
		if s.edit.text() != "What does it do?" || !s.Typing() {
			t.Errorf("edited: %q", s.edit.text())
		}
		s.shows(80, 24, "question 1 anew")
		s.press(" Now?", "enter")
		s.after(time.Minute)
		if turns := s.open().Turns; len(turns) != 1 || turns[0].Question != "What does it do? Now?" {
			t.Errorf("turns %+v", turns)
		}
	})
}

// esc ends what is under way first of all, and only then leaves typing.
func TestChatStops(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.models.endless = true
		s.press("go on", "enter")
		s.after(time.Second)
		s.press("esc")
		s.after(time.Second)
		if a := s.open().Turns[0].Answers[0]; a.State != chat.Cancelled || !s.Typing() {
			t.Errorf("%s, typing %v", a.State, s.Typing())
		}
	})
}

// esc is the pane's as long as there is something to leave, and then the dashboard's.
func TestChatLeaves(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		claims := func() bool {
			return slices.ContainsFunc(s.Keys(), func(b key.Binding) bool { return slices.Contains(b.Keys(), "esc") })
		}
		for _, part := range []string{"typing", "list", "settings"} {
			if !claims() {
				t.Errorf("esc isn't the pane's in %s", part)
			}
			s.press("esc")
			if s.Typing() || claims() {
				t.Errorf("esc doesn't leave %s", part)
			}
			s.press("tab", "tab")
			if part == "list" {
				s.press("tab")
			}
		}
	})
}

// One key asks the gateway and the replica that answered, and tells the difference.
func TestChatCompares(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.models.answer = func(string) string { return "the same words" }
		s.ask("q")
		s.press("esc", "c")
		s.after(time.Minute)
		a := s.open().Turns[0].Answers
		if len(a) != 2 || a[0].Target.Replica != "" || a[1].Target.Replica != "http://10.0.0.6:8000" {
			t.Fatalf("answers %+v", a)
		}
		s.shows(80, 24, "first token 20 ms sooner", "+0 % tokens/s", "the same text")
		s.press("/compare 1", "enter") // not typing: keys, not text
		if s.settings().Targets != nil {
			t.Error("typed text was taken while nothing is typed")
		}
	})
}

// Commands are completed with tab, done with enter, and in the history like questions.
func TestChatCommands(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.press("/mo", "tab")
		if s.edit.text() != "/model " {
			t.Fatalf("completed: %q", s.edit.text())
		}
		s.press("qw", "tab", "enter")
		s.press("/se", "tab")
		if s.edit.text() != "/set " {
			t.Fatalf("completed: %q", s.edit.text())
		}
		s.press("te", "tab", "0.2", "enter", "/target 2", "enter", "/set max_tokens 5", "enter", "/set seed 7", "enter", "/set top_p 0.5", "enter", "/set stop END", "enter")
		set := s.settings()
		if set.Model != "qwen" || *set.Temperature != 0.2 || set.Targets[0].Replica != "http://10.0.0.6:8000" || *set.MaxTokens != 5 || *set.Seed != 7 || *set.TopP != 0.5 || set.Stop[0] != "END" {
			t.Errorf("settings %+v", set)
		}
		s.press("/set temperature 9", "enter")
		s.shows(80, 24, "want 0 to 2")
		if s.edit.text() != "/set temperature 9" {
			t.Errorf("what can be put right is gone: %q", s.edit.text())
		}
		s.edit.set("")
		s.press("/nix", "enter")
		s.shows(80, 24, "there is no command /nix")
		s.edit.set("")
		s.press("up", "up", "up")
		if s.edit.text() != "/set stop END" {
			t.Errorf("history: %q", s.edit.text())
		}
		s.press("down", "down", "down")
		if s.edit.text() != "" {
			t.Errorf("history: %q", s.edit.text())
		}
		s.press("/rename mine", "enter")
		if s.open().Name != "mine" {
			t.Errorf("name %q", s.open().Name)
		}
		s.ask("q")
		s.press("/export", "enter", "/export json", "enter")
		w := s.Wants()
		if len(w) != 2 || !strings.HasSuffix(w[0].File.Name, ".md") || !strings.Contains(w[0].File.Text, "# mine") || !strings.HasPrefix(w[1].File.Text, "{") {
			t.Errorf("wants %+v", w)
		}
		s.press("/delete", "enter", "enter") // Cancel is focused
		if len(s.snap.Conversations) != 1 {
			t.Error("deleted without being told to")
		}
		s.press("/delete", "enter", "right", "enter")
		if len(s.snap.Conversations) != 0 {
			t.Error("it is still there")
		}
	})
}

// Text of many lines is pasted as it is and sent by enter alone; a draft outlives the
// screen.
func TestChatDraft(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		text := strings.Repeat("a line of it\n", 300) + "the end"
		s.Paste(strings.ReplaceAll(text, "\n", "\r\n"))
		if s.models.asked != 0 || s.edit.text() != text {
			t.Fatalf("asked %d, pasted %d bytes of %d", s.models.asked, len(s.edit.text()), len(text))
		}
		s.press("ctrl+j", "x", "backspace", "backspace")
		back := NewChat(s.theme, ChatOptions{Room: s.room})
		back.Update(pane.Data{Now: time.Now()})
		if back.edit.text() != text {
			t.Errorf("the draft has %d bytes", len(back.edit.text()))
		}
		s.press("enter")
		s.after(time.Minute)
		if q := s.open().Turns[0].Question; q != text {
			t.Errorf("asked %q", q)
		}
	})
}

// What is too much for a message is said to be cut, and typing goes on at its end.
func TestChatPastesTooMuch(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.Paste(strings.Repeat("another line\n", 2*chatLines))
		s.shows(80, 24, "cut: a message has at most")
		s.press("backspace", "backspace", "x")
		s.pictured(80, 24)
		if n := len(strings.Split(s.edit.text(), "\n")); n > chatLines || n < chatLines-2 {
			t.Errorf("%d lines", n)
		}
	})
}

// What is read stays where it is while text comes in below; at the end it is followed.
func TestChatScrolls(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.models.answer = func(string) string { return strings.Repeat("word\n\n ", 400) }
		s.press("q", "enter")
		s.after(3 * time.Second)
		first := func() string { return strings.Split(ansi.Strip(s.pictured(80, 24)), "\n")[2] }
		first()
		if !s.scroll.follow {
			t.Error("the end isn't followed")
		}
		s.press("pgup", "pgup")
		before, lines := first(), s.scroll.lines
		off := s.scroll.off
		s.after(3 * time.Second)
		if now := first(); now != before || s.scroll.off != off || s.scroll.lines <= lines {
			t.Errorf("at %d of %d lines, it was %d of %d", s.scroll.off, s.scroll.lines, off, lines)
		}
		s.press("tab", "G")
		first()
		if end := s.scroll.off; end <= off || !s.scroll.follow {
			t.Error("G doesn't lead to the end")
		}
		s.press("g")
		s.shows(80, 24, "more")
		if s.scroll.off != 0 {
			t.Error("g doesn't lead to the beginning")
		}
	})
}

// A burst is confirmed before it is sent, and esc ends it.
func TestChatBurst(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.models.endless = true
		s.press("/burst 4 20", "enter", "enter")
		if s.models.asked != 0 {
			t.Fatal("sent without being told to")
		}
		s.press("/burst 99", "enter")
		s.shows(80, 24, "want 1 to 64")
		s.edit.set("")
		s.press("/burst 4 20", "enter", "right", "enter")
		s.after(time.Second)
		if s.models.asked != 4 || !s.Busy() {
			t.Fatalf("%d were sent", s.models.asked)
		}
		s.shows(80, 24, "running, 0 of 4 ended", "time to first token", "p50 320 ms")
		s.press("esc")
		s.after(time.Second)
		if b := s.snap.Burst; b.Running || !b.Cancelled {
			t.Errorf("burst %+v", b)
		}
		s.shows(80, 24, "cancelled")
		s.press("esc")
		if s.sheet != nil {
			t.Error("the sheet is still there")
		}
	})
}

// Nothing is drawn anew, and nothing kept, where nothing happened.
func TestChatKeepsItsPicture(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		s.ask("q")
		s.pictured(80, 24)
		if n := testing.AllocsPerRun(10, func() { s.View(80, 24) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
		s.press("typed")
		s.shows(80, 24, "typed")
		s.Paste(" pasted")
		s.shows(80, 24, "typed pasted")
		s.models.endless = true
		s.press("enter")
		s.pictured(80, 24)
		s.after(time.Second)
		s.shows(80, 24, "streaming")
	})
}

func TestChatWithoutRoom(t *testing.T) {
	c := NewChat(widget.NewTheme(chatLooks["none"]), ChatOptions{Why: "The dashboard of a demo has none."})
	var p Playground = c
	p.Update(pane.Data{Now: time.Now()})
	p.SetFocus(true)
	p.Paste("x")
	if got := p.View(80, 24); !strings.Contains(got, "The dashboard of a demo") || p.Typing() || p.Busy() || len(p.Keys()) != 0 {
		t.Errorf("%s", got)
	}
}

// An answer that was watched while it came looks like one that wasn't.
func TestChatStreams(t *testing.T) {
	onStage(t, chatLooks["dark"], func(s *stage) {
		s.press("q", "enter")
		for range 60 {
			s.after(50 * time.Millisecond)
			s.pictured(100, 40)
		}
		s.after(time.Minute)
		other := NewChat(s.theme, s.opts)
		other.SetFocus(true)
		other.typing = true
		other.Update(s.data)
		if got, want := s.pictured(100, 40), other.View(100, 40); got != want {
			t.Errorf("watched:\n%s\nnot watched:\n%s", got, want)
		}
	})
}

// Who comes to the view isn't typing, so that digits lead on; who leaves it no more.
func TestChatDoesNotTypeOnArrival(t *testing.T) {
	onStage(t, chatLooks["none"], func(s *stage) {
		c := NewChat(s.theme, s.opts)
		c.SetFocus(true)
		if c.Typing() {
			t.Error("a new one types")
		}
		s.SetFocus(false)
		s.SetFocus(true)
		if s.Typing() {
			t.Error("who comes back types")
		}
		if s.press("i"); !s.Typing() {
			t.Error("i begins nothing")
		}
	})
}
