package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"
)

// Events as vLLM sends them: with usage on every one, the last with it alone.
const (
	chunkEvent = `data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","created":1764000000,"model":"Qwen/Qwen2.5-7B-Instruct","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	usedEvent  = `data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","created":1764000000,"model":"Qwen/Qwen2.5-7B-Instruct","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":31,"total_tokens":40,"completion_tokens":9}}` + "\n\n"
	lastEvent  = `data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","created":1764000000,"model":"Qwen/Qwen2.5-7B-Instruct","choices":[],"usage":{"prompt_tokens":31,"total_tokens":41,"completion_tokens":10}}` + "\n\n"
	doneEvent  = "data: [DONE]\n\n"
)

// unchunk decodes the body of an HTTP/1.1 message that has no end.
func unchunk(t *testing.T, b []byte) string {
	t.Helper()
	out, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(append(bytes.Clone(b), "0\r\n\r\n"...))))
	if err != nil {
		t.Fatalf("chunks: %v\n%q", err, b)
	}
	return string(out)
}

// feed writes input in pieces that random chooses, up to most bytes each, and
// fetches chunks now and then. It gives what came out.
func feed(t *testing.T, s *Stream, input []byte, random *rand.Rand, most int) string {
	t.Helper()
	var out []byte
	for len(input) > 0 {
		n := min(len(input), 1+random.IntN(most))
		piece := bytes.Clone(input[:n])
		if err := s.Write(piece); err != nil {
			t.Fatalf("Write: %v", err)
		}
		clear(piece) // the stream keeps none of it
		input = input[n:]
		if random.IntN(3) > 0 {
			out = append(out, s.Chunk()...)
		}
		if random.IntN(3) == 0 {
			out = append(out, s.Chunk()...)
			s.Idle()
		}
	}
	s.EOF()
	return unchunk(t, append(out, s.Chunk()...))
}

// compareStream holds Stream against the plain version.
func compareStream(t *testing.T, s *Stream, input []byte, include, continuous bool, random *rand.Rand, most int) {
	t.Helper()
	want := refFilter(input, include, continuous)
	s.Reset(include, continuous)
	out := feed(t, s, input, random, most)
	where := func() string {
		return fmt.Sprintf("include %v, continuous %v\ninput %q\noutput %q", include, continuous, input, out)
	}
	usage, hasUsage := s.Usage()
	got := refStream{usage: usage, hasUsage: hasUsage, events: s.Events, malformed: s.Malformed, done: s.Done, failed: s.Failed}
	blocks, rest := refBlocks([]byte(out))
	if rest != "" {
		t.Fatalf("incomplete: %q\n%s", rest, where())
	}
	if len(blocks) != len(want.blocks) {
		t.Fatalf("%d events, want %d: %q\n%s", len(blocks), len(want.blocks), want.blocks, where())
	}
	for i, lines := range blocks {
		if strings.Join(lines, "\n") == want.blocks[i] {
			continue
		}
		first := i == 0
		data, _ := refData(lines, first)
		members, err := refMembers([]byte(data))
		if err != nil || refCanon(lines, members, first) != want.blocks[i] {
			t.Fatalf("event %d: %q (%v), want %s\n%s", i, lines, err, want.blocks[i], where())
		}
	}
	want.blocks = nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("got %+v, want %+v\n%s", got, want, where())
	}
}

// streams are seeds for the fuzzer and cases for the plain version.
var streams = []string{
	chunkEvent + usedEvent + lastEvent + doneEvent,
	strings.ReplaceAll(usedEvent+usedEvent+lastEvent+doneEvent, "\n", "\r\n"),
	strings.ReplaceAll(usedEvent+chunkEvent+lastEvent+doneEvent, "\n", "\r"),
	": ping\n\n" + usedEvent + ": ping - now\r\n\r\n" + lastEvent + doneEvent,
	"\ufeff" + usedEvent + lastEvent + doneEvent,
	"\ufeffevent: x\ndata: {\"choices\":[0],\ndata:\"usage\":{}}\n\n",
	"\n\n\r\n\r\r" + usedEvent + "\n" + doneEvent,
	"data: {\"choices\":[0],\ndata:\"usage\":{\"prompt_tokens\":1},\ndata: \"x\":1}\n\n" + doneEvent,
	"event: message\nid: 7\nretry: 10\ndata: {\"usage\":{\"total_tokens\":2},\"choices\":[1]}\n\n" + doneEvent,
	"data:{\"choices\":[0],\"usage\":{}}\n\ndata\n\ndata:\n\ndata: \n\ndata:[DONE]\n\n" + usedEvent,
	"data: {\"usage\":{},\"choices\":[1]}\n\ndata: {\"usage\":1}\n\ndata: {\"usage\":null,\"usage\":{},\"usage\":3}\n\ndata: {\"a\":1,\"usage\":{},\"usage\":2 , \"b\":3, \"usage\":[]}\n\n",
	"data: {\"choices\":[],\"usage\":null}\n\ndata: {\"choices\":[ ],\"usage\":{}}\n\ndata: {\"choices\":null,\"usage\":{}}\n\ndata: {\"usage\":{}}\n\ndata: {}\n\ndata: { }\n\n",
	`data: {"choices":[{"delta":{"content":"\"usage\":{}","usage":{"prompt_tokens":9}}}],"us\u0061ge":{"prompt_token\u0073":4}}` + "\n\n",
	`data: {"choices":[1],"usage":{"prompt_tokens":-5,"completion_tokens":2.5,"total_tokens":99999999999,"prompt_tokens_details":{"cached_tokens":3,"prompt_tokens":77},"cached_tokens":8}}` + "\n\n",
	`data: {"choices":[1],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":null}}` + "\n\n" + `data: {"choices":[1],"usage":{"prompt_tokens":"5","completion_tokens":1e3,"total_tokens":2}}` + "\n\n",
	`data: {"error":{"message":"x","code":500}}` + "\n\n" + doneEvent,
	`data: {"object":"error","message":"x"}` + "\n\n" + doneEvent, `data: {"object":"\u0065rror"}` + "\n\n", `data: {"error":null,"object":1}` + "\n\n",
	"error: {\"code\":500}\n\n",
	"data: {\"choices\":[1],\"usage\":{}\n\ndata: nonsense\n\ndata: [1]\n\ndata: {\"choices\":[1]}x\n\ndata: \xff\n\n" + doneEvent,
	"data: {\"choices\":[1],\"choices\":[]}\n\ndata: {\"choices\":[],\"choices\":[1],\"usage\":{}}\n\n",
	usedEvent + "data: {\"incomplete\"", usedEvent + "data: [DONE]", usedEvent + "data: [DONE]\n", usedEvent + "data: [DONE]\r\n\r",
	"data: " + strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth) + "\n\n", "data: {\"usage\":{\"a\":[1,{\"b\":\"}\"}]},\"choices\":[{}]}\n\n",
	strings.ReplaceAll("event: x\nid: 1\ndata: {\"choices\":[1],\ndata: \"usage\":{}}\n\n", "\n", "\r\n"), usedEvent + "\ufeff" + usedEvent, strings.ReplaceAll(usedEvent, "\n", "\r\n")[:len(usedEvent)+1],
	"data: {\"choices\":[1],\"usage\":{},\"x\":}\n\n" + `data: {"choices":[1],"usage":{"total_tokens":5,"total_tokens":2}}` + "\n\n",
	"data: {\"usage\":{\"total_tokens\":2},\"choices\":[1]}\n\ndata: {\"usage\":{\"total_tokens\":2},\"choices\":[1]}\n\n", "data: {\"error\":1,\"choices\":[1]}\n\ndata: {\"error\":1,\"choices\":[1]}\n\n", chunkEvent + "data: {\"id\":1}\n\n" + chunkEvent[:len(chunkEvent)-9] + "\n\n" + usedEvent,
	"data: {\"choices\":[1],\"choices\":[1]}\n\ndata: {\"choices\":[1],\"x\":1}\n\n", "data: {\"choices\":[],\"choices\":[]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\n",
	strings.Repeat("data: {\"id\":1,\"usage\":{\"total_tokens\":2},\"choices\":[1]}\n\n", 2),
	"id: 1\n\nunknown\n\n:\n\n" + chunkEvent,
}

var modes = [...]struct{ include, continuous bool }{{false, false}, {true, false}, {true, true}, {false, true}}

func TestStream(t *testing.T) {
	s := &Stream{Buffers: new(Buffers)}
	for _, input := range streams {
		for _, m := range modes {
			for seed := range uint64(20) {
				random := rand.New(rand.NewPCG(seed, 1))
				compareStream(t, s, []byte(input), m.include, m.continuous, random, 1+[]int{1, 3, 50, 1000}[seed%4])
			}
		}
	}
}

// Every place where an answer can be cut in two.
func TestStreamSplits(t *testing.T) {
	s := &Stream{}
	for _, input := range streams {
		want := ""
		for i := range input {
			s.Reset(false, false)
			var out []byte
			for _, piece := range []string{input[:i], input[i:]} {
				if err := s.Write([]byte(piece)); err != nil {
					t.Fatal(err)
				}
				out = append(out, s.Chunk()...)
			}
			s.EOF()
			got := unchunk(t, append(out, s.Chunk()...))
			if i == 0 {
				want = got
			}
			if got != want && strings.Join(strings.FieldsFunc(got, isEnd), "\n") != strings.Join(strings.FieldsFunc(want, isEnd), "\n") {
				t.Fatalf("cut at %d of %q:\n got %q\nwant %q", i, input, got, want)
			}
		}
	}
}

func isEnd(r rune) bool { return r == '\r' || r == '\n' }

func FuzzStream(f *testing.F) {
	for i, input := range streams {
		f.Add([]byte(input), uint64(i), uint8(i))
	}
	s := &Stream{Buffers: new(Buffers)} // one for all: Reset leaves nothing over
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, how uint8) {
		m := modes[how%4]
		random := rand.New(rand.NewPCG(seed, uint64(how)))
		compareStream(t, s, input, m.include, m.continuous, random, 1+int(how/4))
	})
}

// What one stream has learned of its events is of no use to the next, whose
// client may get less.
func TestStreamReset(t *testing.T) {
	const event = `data: {"id":1,"usage":null,"choices":[1]}` + "\n\n"
	var s Stream
	for _, c := range []struct {
		include bool
		want    string
	}{{true, event}, {false, `data: {"id":1,"choices":[1]}` + "\n\n"}} {
		s.Reset(c.include, false)
		if err := s.Write([]byte(event)); err != nil {
			t.Fatal(err)
		}
		if got := unchunk(t, s.Chunk()); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// What each client gets, byte for byte.
func TestStreamKeeps(t *testing.T) {
	input := ": hi\n\n" + chunkEvent + usedEvent + lastEvent + doneEvent
	for _, c := range []struct {
		include, continuous bool
		want                string
	}{
		{false, false, ": hi\n\n" + chunkEvent + chunkEvent},
		{false, true, ": hi\n\n" + chunkEvent + chunkEvent},
		{true, false, ": hi\n\n" + chunkEvent + chunkEvent + lastEvent},
		{true, true, ": hi\n\n" + chunkEvent + usedEvent + lastEvent},
	} {
		var s Stream
		s.Reset(c.include, c.continuous)
		if err := s.Write([]byte(input)); err != nil {
			t.Fatal(err)
		}
		if got := unchunk(t, s.Chunk()); got != c.want {
			t.Errorf("%v %v:\n got %q\nwant %q", c.include, c.continuous, got, c.want)
		}
		if u, ok := s.Usage(); !ok || u != (Usage{Prompt: 31, Completion: 10, Total: 41}) {
			t.Errorf("usage %+v %v", u, ok)
		}
		if !s.Done || s.Failed || s.Events != 2 || s.Malformed != 0 {
			t.Errorf("done %v, failed %v, %d events, %d malformed", s.Done, s.Failed, s.Events, s.Malformed)
		}
	}
}

// An event leaves with the Write that completes it, none before, and events
// that come together leave in one chunk.
func TestStreamChunk(t *testing.T) {
	var s Stream
	s.Reset(true, true)
	for _, step := range []struct{ in, out string }{
		{"data: 1\n", ""},
		{"\n", "9\r\ndata: 1\n\n\r\n"},
		{"data: 2\n\ndata: 3\n\ndata: 4", "12\r\ndata: 2\n\ndata: 3\n\n\r\n"},
		{"44\n", ""},
		{"\ndata: 5\n\nda", "14\r\ndata: 444\n\ndata: 5\n\n\r\n"},
		{"ta: 6\n\n", "9\r\ndata: 6\n\n\r\n"},
		{"data: 7\r\n\r\ndata: 8\r\n\r", "b\r\ndata: 7\r\n\r\n\r\n"},
		{"\n", "b\r\ndata: 8\r\n\r\n\r\n"},
		{"data: 9\r\n\r", ""},
		{"data: a\r\rdata: b", "13\r\ndata: 9\r\n\rdata: a\r\r\r\n"},
		{"\r\r", "9\r\ndata: b\r\r\r\n"},
		{":\n\n", "3\r\n:\n\n\r\n"},
	} {
		if err := s.Write([]byte(step.in)); err != nil {
			t.Fatal(err)
		}
		if got := string(s.Chunk()); got != step.out {
			t.Errorf("%q: %q, want %q", step.in, got, step.out)
		}
		if got := s.Chunk(); got != nil {
			t.Errorf("%q: a second chunk %q", step.in, got)
		}
	}
}

func TestStreamFinish(t *testing.T) {
	for _, c := range []struct {
		name, in string
		err      *Error
		want     string
	}{
		{"done", "data: 1\n\n" + doneEvent, nil, "17\r\ndata: 1\n\ndata: [DONE]\n\n\r\n0\r\n\r\n"},
		{"nothing came", "", nil, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"},
		{"an incomplete event", "data: 1\n\ndata: 2", nil, "17\r\ndata: 1\n\ndata: [DONE]\n\n\r\n0\r\n\r\n"},
		{"an error", "data: 1\n\ndata: 2", Refuse(CodeBackendError, "It broke."),
			"7a\r\ndata: 1\n\ndata: {\"error\":{\"message\":\"It broke.\",\"type\":\"server_error\",\"param\":null,\"code\":\"backend_error\"}}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Stream
			s.Reset(false, false)
			if err := s.Write([]byte(c.in)); err != nil {
				t.Fatal(err)
			}
			s.Finish(c.err)
			s.Finish(nil)
			if got := string(s.Chunk()); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
			if err := s.Write([]byte(chunkEvent)); err != nil || s.Chunk() != nil || !s.Done {
				t.Errorf("it goes on behind its end: %v", err)
			}
		})
	}
}

func TestStreamLimit(t *testing.T) {
	big := func(n int) string { return "data: " + strings.Repeat("x", n-8) + "\n\n" }
	for _, c := range []struct {
		name, in string
		most     int
		ok       bool
	}{
		{"at the bound", big(100), 0, true},
		{"above it", big(101), 0, false},
		{"above it, in pieces", big(101), 7, false},
		{"no end", strings.Repeat("x", 101), 7, false},
		{"many small ones", strings.Repeat(big(50), 9), 60, true},
		{"default, 1 MB", big(1 << 20), 4096, true},
		{"default, above", big(DefaultMaxEvent + 1), 4096, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Stream{MaxEvent: 100}
			if strings.HasPrefix(c.name, "default") {
				s.MaxEvent = 0
			}
			s.Reset(true, true)
			first := "data: 1\n\n"
			var err error
			for b := []byte(first + c.in); len(b) > 0 && err == nil; {
				n := len(b)
				if c.most > 0 {
					n = min(n, c.most)
				}
				err = s.Write(b[:n])
				b = b[n:]
			}
			if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrEventTooLarge) {
				t.Fatalf("Write: %v", err)
			}
			if c.ok {
				return
			}
			if again := s.Write([]byte("\n\n")); !errors.Is(again, ErrEventTooLarge) {
				t.Errorf("Write behind the error: %v", again)
			}
			s.Finish(Refuse(CodeBackendError, "x"))
			if got := unchunk(t, s.Chunk()); !strings.HasPrefix(got, first+"data: {\"error\"") || !strings.HasSuffix(got, doneEvent) {
				t.Errorf("it ends with %q", got)
			}
		})
	}
}

// A stream that waits and holds no incomplete event holds no memory.
func TestStreamIdle(t *testing.T) {
	s := Stream{Buffers: new(Buffers)}
	s.Reset(false, false)
	write := func(p string) {
		t.Helper()
		if err := s.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	write(chunkEvent)
	if s.Idle(); s.buf == nil {
		t.Error("an event that was not fetched is lost")
	}
	if got := unchunk(t, s.Chunk()); got != chunkEvent {
		t.Errorf("got %q", got)
	}
	if s.Idle(); s.buf != nil || s.lent != nil {
		t.Errorf("it holds %d bytes", cap(s.buf))
	}
	write("data: 1")
	if s.Idle(); s.Partial() != 7 {
		t.Errorf("%d bytes of an incomplete event, want 7", s.Partial())
	}
	write("\n\n" + strings.Repeat(chunkEvent, 1000))
	s.Chunk()
	if s.Idle(); s.Buffers.pool.Get() != nil {
		t.Error("a large buffer went to the pool")
	}
}

// An incomplete event is sent from where it was written to: the chunk before it
// does not move it.
func TestStreamCopiesOnce(t *testing.T) {
	var s Stream
	s.Reset(true, true)
	write := func(p string) {
		t.Helper()
		if err := s.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	write(chunkEvent + "data: partial")
	first := &s.buf[len(s.buf)-1]
	s.Chunk()
	write("\n\n")
	if got := s.Chunk(); &got[len(got)-5] != first || string(got) != "f\r\ndata: partial\n\n\r\n" {
		t.Errorf("it was moved: %q", got)
	}
}

// What stays incomplete behind chunk after chunk does not make the buffer
// grow.
func TestStreamStaysSmall(t *testing.T) {
	var s Stream
	s.Reset(false, false)
	cut := len(chunkEvent) / 2
	pieces := slices.Repeat([]string{chunkEvent[cut:] + chunkEvent[:cut], chunkEvent[cut:] + chunkEvent + chunkEvent[:cut]}, 1000)
	pieces[0] = chunkEvent[:cut] + pieces[0]
	var out []byte
	for _, piece := range append(pieces, chunkEvent[cut:]) {
		if err := s.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
		out = append(out, s.Chunk()...)
	}
	if unchunk(t, out) != strings.Repeat(chunkEvent, 3001) {
		t.Error("something else came out than went in")
	}
	if cap(s.buf) > 2*newBuffer {
		t.Errorf("%d bytes", cap(s.buf))
	}
}

// With a pool it is the same, but the race detector has pools lose things.
func TestStreamAllocates(t *testing.T) {
	var s Stream
	details := strings.Replace(usedEvent, `_tokens":9}`, `_tokens":9,"prompt_tokens_details":{"cached_tokens":16}}`, 1)
	pieces := [][]byte{[]byte(usedEvent), []byte(details), []byte(chunkEvent[:50]), []byte(chunkEvent[50:] + usedEvent[:99]), []byte(usedEvent[99:] + lastEvent)}
	s.Reset(false, false)
	n := testing.AllocsPerRun(1000, func() {
		for _, p := range pieces {
			if err := s.Write(p); err != nil {
				t.Fatal(err)
			}
			if s.Chunk() == nil && len(p) > 50 {
				t.Fatal("no chunk")
			}
			s.Idle()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
