package openai

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// prose is what chat content looks like: English with quotes and line ends,
// or another script.
const (
	prose   = `The quick brown fox jumps over the lazy dog, and nobody asks why.\nIt said: \"Because I can.\" That was the end of the conversation for the day; `
	chinese = `敏捷的棕色狐狸跳过了懒狗，没有人问为什么。它说：因为我可以。那天的谈话就这样结束了；`
)

// chatBody is a request of about size bytes with three messages.
func chatBody(size int, text string) []byte {
	const frame = `{"model":"Qwen/Qwen2.5-7B-Instruct","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"%s"},{"role":"assistant","content":"Yes."},{"role":"user","content":"Go on."}],"temperature":0.2,"max_tokens":256,"stream":true,"stream_options":{"include_usage":true},"user":"u-17"}`
	fill := strings.Repeat(text, 1+(size-len(frame))/len(text))
	return fmt.Appendf(nil, frame, fill)
}

func BenchmarkInspect(b *testing.B) {
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"1KB", chatBody(1<<10, prose)},
		{"32KB", chatBody(32<<10, prose)},
		{"32KB-chinese", chatBody(32<<10, chinese)},
		{"32KB-numbers", []byte(`{"model":"m","input":[` + strings.Repeat("12345,", 32<<10/6) + `1]}`)},
		{"10MB", chatBody(10<<20, prose)},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := Chat
			if strings.Contains(c.name, "numbers") {
				e = Embeddings
			}
			var r Request
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				if err := r.Inspect(c.body, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendBody(b *testing.B) {
	target := Target{Model: "m", MaxContext: 8192, Defaults: Defaults{MaxTokens: 2048, Temperature: value(0.7), TopP: value(1)}}
	for _, c := range []struct {
		name string
		body []byte
	}{{"1KB", chatBody(1<<10, prose)}, {"32KB", chatBody(32<<10, prose)}} {
		b.Run(c.name, func(b *testing.B) {
			var r Request
			if err := r.Inspect(c.body, Chat); err != nil {
				b.Fatal(err)
			}
			dst := r.AppendBody(nil, c.body, &target)
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				dst = r.AppendBody(dst[:0], c.body, &target)
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name, event string
		include     bool
	}{
		{"plain", chunkEvent, false},
		{"strip", usedEvent, false},
		{"keep", usedEvent, true},
		{"crlf", strings.ReplaceAll(usedEvent, "\n", "\r\n"), false},
	} {
		for _, together := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s-%d", c.name, together), func(b *testing.B) {
				s := Stream{Buffers: new(Buffers)}
				s.Reset(c.include, c.include)
				p := []byte(strings.Repeat(c.event, together))
				b.ReportAllocs()
				b.SetBytes(int64(len(c.event)))
				for n := 0; n < b.N; n += together { // b.N events
					if err := s.Write(p); err != nil {
						b.Fatal(err)
					}
					if s.Chunk() == nil {
						b.Fatal("no chunk")
					}
					s.Idle()
				}
			})
		}
	}
}

func BenchmarkStreamPieces(b *testing.B) {
	event := []byte(`data: {"choices":[{"delta":{"content":"` + strings.Repeat(prose, 1<<20/len(prose)) + `"}}]}` + "\n\n")
	s := Stream{Buffers: new(Buffers)}
	s.Reset(false, false)
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		for p := range slices.Chunk(event, 16<<10) {
			if err := s.Write(p); err != nil {
				b.Fatal(err)
			}
		}
		if s.Chunk() == nil {
			b.Fatal("no chunk")
		}
		s.Idle()
	}
}

func BenchmarkUsageOf(b *testing.B) {
	const frame = `{"id":"chatcmpl-8f14","object":"chat.completion","created":1764000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":31,"total_tokens":41,"completion_tokens":10,"prompt_tokens_details":null}}`
	vector := `{"object":"list","data":[{"embedding":[` + strings.Repeat("-0.0123456789,", 1024) + `0]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`
	for _, c := range []struct{ name, body string }{
		{"1KB", fmt.Sprintf(frame, strings.Repeat(prose, 5))},
		{"32KB", fmt.Sprintf(frame, strings.Repeat(prose, 220))},
		{"14KB-vector", vector},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := []byte(c.body)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, ok := UsageOf(body); !ok {
					b.Fatal("no usage")
				}
			}
		})
	}
}
