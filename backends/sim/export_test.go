package sim

import "errors"

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
