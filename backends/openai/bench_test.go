package openai

import (
	"fmt"
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
