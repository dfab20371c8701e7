package sim

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
	"time"
)

// embeddingSize is the width of a 7B model's hidden state.
const embeddingSize = 3584

// embed is a vector of length 1 in which every word of the text has a place:
// texts that share words are near each other.
func embed(text []string, size int) []float64 {
	v := make([]float64, size)
	for _, t := range text {
		h := fnv.New64a()
		_, _ = h.Write([]byte(strings.ToLower(strings.TrimSpace(t)))) // never fails
		sum := h.Sum64()
		sign := 1.0
		if sum>>63 == 1 {
			sign = -1
		}
		v[sum%uint64(size)] += sign
	}
	var square float64
	for _, x := range v {
		square += x * x
	}
	if square == 0 {
		v[0], square = 1, 1 // every word met its opposite
	}
	for i := range v {
		v[i] /= math.Sqrt(square)
	}
	return v
}

// packed is a vector as "encoding_format":"base64" has it: little-endian
// 32-bit floats.
func packed(v []float64) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// embeddings takes texts through the engine's prefill and answers with a
// vector for each.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	b := s.readBody(w, r)
	if b == nil {
		return
	}
	c := &call{server: s, body: b, id: "embd-" + randomID(), created: time.Now().Unix(), plan: s.faults.plan(), death: s.faults.death()}
	if !s.faulty(w, c.plan) {
		return
	}
	size, refused := c.prepareEmbedding()
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	if !s.submit(w, r, c.job, c.plan) {
		return
	}
	defer s.engine.abort(c.job)
	if !c.collect(r) {
		c.cut(w)
	}
	c.plan.unary(w, func() { c.wait(r) }, encode(c.vectors(size)))
}

// prepareEmbedding makes a job that only reads its prompts.
func (c *call) prepareEmbedding() (size int, refused *refusal) {
	size = embeddingSize
	if d := c.body.Dimensions; d != nil {
		if size = *d; size < 1 || size > embeddingSize {
			return 0, badRequest("dimensions", fmt.Sprintf("dimensions must be from 1 to %d, got %d.", embeddingSize, size))
		}
	}
	if f := c.body.EncodingFormat; f != "" && f != "float" && f != "base64" {
		return 0, badRequest("encoding_format", "encoding_format should be float or base64.")
	}
	if c.prompts, refused = prompts("input", c.body.Input); refused != nil {
		return 0, refused
	}
	c.job = newJob()
	for _, p := range c.prompts {
		if len(p.tokens) > c.server.config.MaxModelLen {
			return 0, c.tooLong(len(p.tokens))
		}
		c.job.add(&sequence{prompt: p.tokens})
	}
	c.reply = make([]choiceText, len(c.prompts))
	return size, nil
}

// vectors is the answer.
func (c *call) vectors(size int) any {
	type datum struct {
		Index     int    `json:"index"`
		Object    string `json:"object"`
		Embedding any    `json:"embedding"`
	}
	answer := struct {
		ID      string  `json:"id"`
		Object  string  `json:"object"`
		Created int64   `json:"created"`
		Model   string  `json:"model"`
		Data    []datum `json:"data"`
		Usage   *usage  `json:"usage,omitempty"`
	}{ID: c.id, Object: "list", Created: c.created, Model: c.server.config.Model}
	for i, p := range c.prompts {
		d := datum{Index: i, Object: "embedding"}
		if v := embed(p.tokens, size); c.body.EncodingFormat == "base64" {
			d.Embedding = packed(v)
		} else {
			d.Embedding = v
		}
		answer.Data = append(answer.Data, d)
	}
	if !c.plan.noUsage {
		answer.Usage = c.usage()
	}
	return answer
}
