package chat

import (
	"bufio"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Streams that are not as they should be end with a reason, and with what had come.
func TestStreams(t *testing.T) {
	const piece = `data: {"choices":[{"delta":{"content":"ab"}}]}` + "\n\n"
	for name, test := range map[string]struct {
		body, text, err string
	}{
		"whole":        {piece + piece + "data: [DONE]\n\n", "abab", ""},
		"no last line": {piece + "data: [DONE]", "ab", ""},
		"CRLF":         {strings.ReplaceAll(piece, "\n", "\r\n") + "data: [DONE]\r\n\r\n", "ab", ""},
		"comment":      {": ping\n\n" + piece + ":\n\ndata: [DONE]\n\n", "ab", ""},
		"two lines":    {"event: x\ndata: {\"choices\":\ndata: [{\"delta\":{\"content\":\"c\"}}]}\nid: 7\n\ndata:[DONE]\n\n", "c", ""},
		"no end":       {piece, "ab", "ended before it was done"},
		"half":         {piece + `data: {"choi`, "ab", "ended before it was done"},
		"no JSON":      {piece + "data: {\n\n" + piece, "ab", "not as the dialect has it"},
		"error":        {piece + `data: {"error":{"message":"an operator ended it","code":"cancelled"}}` + "\n\ndata: [DONE]\n\n", "ab", "an operator ended it"},
		"endless":      {piece + "data: " + strings.Repeat("x", maxEvent) + "\n\n", "ab", "more than"},
		"endless line": {piece + strings.Repeat("x", 2*maxEvent), "ab", "more than"},
		"endless text": {strings.Repeat(`data: {"choices":[{"delta":{"content":"`+strings.Repeat("y", maxAnswer/4)+`"}}]}`+"\n\n", 5) + "data: [DONE]\n\n", strings.Repeat("y", maxAnswer), "at most 1024 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := enter(t, Config{}, says(t, test.body))
			id := begin(t, r)
			ok(t, r.Ask(id, "q"))
			a := answered(t, r, id)[0]
			if a.Text != test.text {
				t.Errorf("text of %d bytes: %.80q", len(a.Text), a.Text)
			}
			if test.err == "" && (a.State != Done || a.Error != "") || test.err != "" && (a.State != Failed || !strings.Contains(a.Error, test.err)) {
				t.Errorf("state %s, error %q, want %q", a.State, a.Error, test.err)
			}
			if len(a.Response) > maxRaw || !strings.HasPrefix(test.body, a.Response) {
				t.Errorf("raw response of %d bytes", len(a.Response))
			}
		})
	}
}

// What an engine thinks is kept apart from what it says.
func TestReasoning(t *testing.T) {
	_, r := enter(t, Config{}, says(t, `data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}

data: {"choices":[{"delta":{"reasoning":", so"}}]}

data: {"choices":[{"delta":{"content":"yes"}}]}

data: [DONE]

`))
	id := begin(t, r)
	ok(t, r.Ask(id, "q"))
	if a := answered(t, r, id)[0]; a.Reasoning != "hm, so" || a.Text != "yes" || a.Events != 3 {
		t.Errorf("answer: %+v", a)
	}
}

// However the bytes come, the events are the same, and no event is more than its bound.
func FuzzEvents(f *testing.F) {
	f.Add("data: a\n\ndata: b\r\n\r\ndata: [DONE]\n\n")
	f.Add(": x\ndata:\ndata: y\n\n\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		read := func(r *bufio.Reader) (all []string, err error) {
			err = readEvents(r, func(data []byte) error {
				all = append(all, string(data))
				return nil
			})
			return all, err
		}
		one, errOne := read(bufio.NewReader(strings.NewReader(s)))
		two, errTwo := read(bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(s)), 16))
		if !slices.Equal(one, two) || !errors.Is(errOne, errTwo) {
			t.Errorf("%q: %q %v, byte by byte %q %v", s, one, errOne, two, errTwo)
		}
		for _, e := range one {
			if !strings.Contains(s, strings.SplitN(e, "\n", 2)[0]) {
				t.Errorf("%q is not in %q", e, s)
			}
		}
	})
}
