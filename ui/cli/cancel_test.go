package cli

import (
	"errors"
	"fmt"
	"testing"
)

func TestCancel(t *testing.T) {
	away := errors.New("the audit can't be written")
	for _, tc := range []struct {
		args        []string
		err         error
		code        int
		out, errOut string
		said        []string
	}{
		{[]string{"r1"}, nil, 0, "ended 1 request\n", "", []string{"r1 by anna: "}},
		{[]string{"r1", "r2", "--reason= why "}, nil, 0, "ended 2 requests\n", "", []string{"r1 by anna: why", "r2 by anna: why"}},
		{[]string{"r3", "r1", "r4"}, nil, 1, "ended 1 request\n", `no request in flight has the id "r3" or "r4"`, []string{"r1 by anna: "}},
		{[]string{"r3"}, nil, 1, "", `no request in flight has the id "r3"`, nil},
		{[]string{"r1", "r2"}, away, 1, "ended 2 requests\n", "cancel request \"r1\": the audit can't be written; cancel request \"r2\": the audit can't be written", []string{"r1 by anna: ", "r2 by anna: "}},
		{[]string{"r1", "r2", "--json"}, nil, 0, "{\"requests\":2}\n", "", []string{"r1 by anna: ", "r2 by anna: "}},
		{[]string{"--job=12", "--json"}, nil, 0, "{\"job\":12}\n", "", []string{"job 12 by anna"}},
		{[]string{"--org=acme", "--reason=why"}, nil, 0, "ended 5 requests\n", "", []string{"all of acme by anna: why"}},
		{[]string{"--org=acme"}, away, 1, "ended 5 requests\n", "the audit can't be written", []string{"all of acme by anna: "}},
		{[]string{"--org=acne"}, nil, 1, "", `no request of organisation "acne" is in flight`, []string{"all of acne by anna: "}},
		{[]string{"--job=12"}, nil, 0, "job 12 ends at the next step that it can end at\n", "", []string{"job 12 by anna"}},
		{[]string{"--job=13"}, nil, 1, "", "cancel job 13: no such job is under way", nil},
	} {
		o := platformOf("")
		o.err = tc.err
		if tc.errOut != "" {
			tc.errOut = "pilothouse: " + tc.errOut + "\n"
		}
		out, errOut, code := runOps(t, o.options(), append([]string{"cancel"}, tc.args...)...)
		if code != tc.code || out != tc.out || errOut != tc.errOut || fmt.Sprint(o.said) != fmt.Sprint(tc.said) {
			t.Errorf("%q: code %d, %q %q, said %q; want %d, %q %q %q", tc.args, code, out, errOut, o.said, tc.code, tc.out, tc.errOut, tc.said)
		}
	}
}
