package sim

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Parse takes a chat completion's body as far as the engine's door.
func (s *Server) Parse(data []byte) error {
	b, refused := s.parseBody(data)
	if refused != nil {
		return errors.New(refused.message)
	}
	c := &call{server: s, body: b, chat: true}
	if refused := c.prepare(); refused != nil {
		return errors.New(refused.message)
	}
	return nil
}

// Tide is the level of traffic over a time.
func Tide(seed uint64, length, step time.Duration) (levels []float64) {
	t := newTide(rand.New(rand.NewPCG(seed, 1)))
	for at := time.Duration(0); at < length; at += step {
		levels = append(levels, t.level(at))
	}
	return levels
}
