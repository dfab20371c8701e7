package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/ask"
	"pilothouse/ui/desk"
	"pilothouse/ui/query"
)

// askAt are the options of the serving process, for an operator of a role.
func askAt(models ask.Models, role desk.Role, audited *[]string, sources ...query.Source) AskOptions {
	d := desk.New(desk.Platform{}, desk.Options{Note: func(_ context.Context, e ledger.Event) error {
		if audited != nil {
			*audited = append(*audited, e.Action+" "+e.Object+": "+e.Detail)
		}
		return nil
	}})
	return AskOptions{Seat: d.Seat(desk.Operator{Name: "anna", Role: role}), Models: models, Serving: arctic, Sources: sources}
}

func runAsk(t *testing.T, opt AskOptions, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	_, code = Run(t.Context(), append([]string{"ask"}, args...), &o, &e, testCode, NewAsk(opt))
	return o.String(), e.String(), code
}

const howMany = "How many customers are there in each country?"

// Standard output is the SQL, and the rows where they are asked for.
func TestAsk(t *testing.T) {
	var audited []string
	src := newShop(t)
	opt := askAt(simulated(t), desk.Hand, &audited, src)
	const sql = "SELECT country, COUNT(*) AS customers\nFROM customers\nGROUP BY country;\n"
	out, errOut, code := runAsk(t, opt, "How many customers are there", "in each country?")
	if code != 0 || out != sql || !strings.Contains(errOut, "I count the customers per country.\n\narctic, ") || src.ran.Load() != 0 || len(audited) != 0 {
		t.Errorf("code %d, %q, %q, ran %d, audited %q", code, out, errOut, src.ran.Load(), audited)
	}
	out, errOut, code = runAsk(t, opt, howMany, "--run", "--source", "shop", "--model", "arctic")
	if code != 0 || !strings.HasPrefix(out, sql+"\ncountry      customers\n") || !strings.Contains(out, "\nNetherlands          1\n") || !strings.HasSuffix(errOut, "11 rows in 3 ms\n") {
		t.Errorf("code %d, %q, %q", code, out, errOut)
	}
	if len(audited) != 1 || !strings.HasPrefix(audited[0], "query shop: 11 rows in ") {
		t.Errorf("audited %q", audited)
	}
	out, errOut, code = runAsk(t, opt, howMany, "--run", "--json")
	var got askListing
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || errOut != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("code %d, %v, %q, %q", code, err, out, errOut)
	}
	if got.SQL+"\n" != sql || got.Question != howMany || got.Source != "shop" || got.Dialect != "SQLite" || got.Model != "arctic" || got.Reasoning == "" || got.Prompt == 0 ||
		got.Completion == 0 || got.First <= 0 || got.Duration < got.First || len(got.Result.Rows) != 11 || *got.Result.Rows[0][0] != "Czechia" || got.Error != "" {
		t.Errorf("got %s", out)
	}
	if out, _, _ = runAsk(t, opt, howMany, "--json"); !strings.Contains(out, `"result":null`) || !strings.Contains(out, `"tables_left_out":[]`) {
		t.Errorf("not run, it is %s", out)
	}
}

// says is what a model always answers.
func says(text string) simModels {
	b, _ := json.Marshal(text)
	return simModels{always: "data: {\"choices\":[{\"delta\":{\"content\":" + string(b) + "}}]}\n\ndata: [DONE]\n\n"}
}

// What fails ends with its code, and what there is by then is printed.
func TestAskFails(t *testing.T) {
	wrong := says("I \x1b[2J guess.\n```sql\nSELECT x\n\t,'\u202e'\n```")
	for name, tc := range map[string]struct {
		models simModels
		args   []string
		code   int
		out    string
		errOut []string
	}{
		"not run":        {wrong, []string{"q"}, 0, "SELECT x\n    ,'\\u202e'\n", []string{`I \x1b[2J guess.`}},
		"wrong":          {wrong, []string{"q", "--run"}, 1, "SELECT x\n    ,'\\u202e'\n", []string{"no such column", `\x1b[2J`}},
		"no SQL":         {says("Ask another."), []string{"q"}, 1, "", []string{"Ask another.", "wrote no SQL"}},
		"broke off":      {simModels{always: "data: {\"error\":{\"message\":\"a \\u001bb\"}}\n\n"}, []string{"q"}, 1, "", []string{`broke off: a \x1bb`}},
		"no gateway":     {simModels{err: desk.ErrNotServing}, []string{"q"}, 3, "", []string{"nothing serves"}},
		"refused there":  {simModels{err: &desk.RefusedError{Action: "ask"}}, []string{"q"}, 4, "", []string{"refused"}},
		"no question":    {wrong, nil, 2, "", []string{"ask something"}},
		"blank question": {wrong, []string{" "}, 2, "", []string{"ask something"}},
		"too long":       {wrong, []string{strings.Repeat("x", maxAsked+1)}, 2, "", []string{"the most is 16384"}},
		"no source":      {wrong, []string{"q", "--source", "ba\x1bnk"}, 2, "", []string{`no database "ba\x1bnk"; there is: shop`}},
		"no model":       {wrong, []string{"q", "--model", "gpt"}, 2, "", []string{`no model "gpt"`}},
		"sure of what":   {wrong, []string{"q", "--sure"}, 2, "", []string{"--sure is for --run"}},
		"least of what":  {wrong, []string{"q", "--at-least", "1"}, 2, "", []string{"--at-least is for --eval"}},
		"flag":           {wrong, []string{"q", "--nonsense"}, 2, "", []string{"nonsense"}},
		"a file here":    {wrong, []string{"--eval", "/etc/passwd"}, 2, "", []string{"the gateway's host"}},
		"bad cases":      {wrong, []string{"--cases", "{}"}, 2, "", []string{"--cases: line 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, code := runAsk(t, askAt(tc.models, desk.Hand, nil, newShop(t)), tc.args...)
			if code != tc.code || out != tc.out {
				t.Errorf("code %d, %q, %q", code, out, errOut)
			}
			for _, s := range tc.errOut {
				if !strings.Contains(errOut, s) {
					t.Errorf("there is no %q in %q", s, errOut)
				}
			}
			if strings.ContainsAny(out+errOut, "\x1b\u202e") {
				t.Errorf("%q and %q have what harms a terminal", out, errOut)
			}
		})
	}
	out, _, code := runAsk(t, askAt(wrong, desk.Hand, nil, newShop(t)), "q", "--run", "--json")
	if code != 1 || !strings.Contains(out, `"error":"`) || !strings.Contains(out, `no such column`) || !strings.Contains(out, `"result":null`) {
		t.Errorf("as JSON: code %d, %q", code, out)
	}
	if _, errOut, code := runAsk(t, askAt(wrong, desk.Hand, nil), "q"); code != 1 || !strings.Contains(errOut, ask.ErrNoSource.Error()) {
		t.Errorf("without a database: code %d, %q", code, errOut)
	}
	opt := askAt(wrong, desk.Hand, nil, newShop(t))
	opt.Serving = func() []ask.Model { return []ask.Model{{Name: "tiny", MaxContext: 900}} }
	if _, errOut, code := runAsk(t, opt, "Which orders?"); code != 0 || !strings.Contains(errOut, "\nthe model's context had no room for ") {
		t.Errorf("without room: code %d, %q", code, errOut)
	}
	opt.Serving = nil
	if _, errOut, code := runAsk(t, opt, "q"); code != 1 || !strings.Contains(errOut, ask.ErrNoModel.Error()) {
		t.Errorf("without a model: code %d, %q", code, errOut)
	}
}

func TestAskExpensive(t *testing.T) {
	src := newShop(t)
	src.expensive = "it reads all of orders"
	opt := askAt(simulated(t), desk.Hand, nil, src)
	out, errOut, code := runAsk(t, opt, howMany, "--run")
	if code != 1 || !strings.Contains(out, "SELECT country") || !strings.Contains(errOut, "expensive: it reads all of orders; to run it all the same: --run --sure") || src.ran.Load() != 0 {
		t.Errorf("code %d, %q, %q, ran %d", code, out, errOut, src.ran.Load())
	}
	if out, _, code = runAsk(t, opt, howMany, "--run", "--sure", "--json"); code != 0 || src.ran.Load() != 1 || !strings.Contains(out, `"expensive":"it reads`) {
		t.Errorf("sure: code %d, %q, ran %d", code, out, src.ran.Load())
	}
}

// It takes an operator to ask, and to evaluate.
func TestAskRoles(t *testing.T) {
	for _, args := range [][]string{{howMany, "--run"}, {"--cases", `{"question":"a","sql":"SELECT 1"}`}} {
		for _, role := range []desk.Role{"", desk.Viewer, desk.Hand, desk.Admin} {
			var audited []string
			src := newShop(t)
			_, errOut, code := runAsk(t, askAt(says("```sql\nSELECT 1\n```"), role, &audited, src), args...)
			if may := role.May(desk.Hand); may != (code == 0) || !may && (code != 4 || src.ran.Load() > 0 || len(audited) != 1 || !strings.HasPrefix(audited[0], "ask refused shop: ")) {
				t.Errorf("%v by a %q: code %d, %q, ran %d, audited %q", args, role, code, errOut, src.ran.Load(), audited)
			}
		}
	}
}

// serveAsk serves the command on a control socket, and gives a shell's options.
func serveAsk(t *testing.T, opt AskOptions) AskOptions {
	t.Helper()
	path := socketIn(t)
	serve(t, path, func(ctx context.Context, _ *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		return Run(ctx, args, out, errOut, testCode, NewAsk(opt))
	})
	return AskOptions{Forward: through(path)}
}

// A shell's question is asked by the process that serves.
func TestAskForward(t *testing.T) {
	opt := askAt(simulated(t), desk.Hand, nil, newShop(t))
	shell := serveAsk(t, opt)
	want, _, _ := runAsk(t, opt, howMany, "--run")
	out, errOut, code := runAsk(t, shell, howMany, "--run")
	if code != 0 || out != want || !strings.Contains(errOut, "11 rows") {
		t.Errorf("code %d, %q, %q, want %q", code, out, errOut, want)
	}
	if _, errOut, code = runAsk(t, shell, "q", "--source", "bank"); code != 2 || !strings.Contains(errOut, "no database") {
		t.Errorf("another database: code %d, %q", code, errOut)
	}
	if _, errOut, code = runAsk(t, shell); code != 2 || !strings.Contains(errOut, "ask something") {
		t.Errorf("nothing: code %d, %q", code, errOut)
	}
	none := AskOptions{Forward: through(socketIn(t))}
	for _, args := range [][]string{{howMany}, {"--eval", sampleFile}} {
		if out, errOut, code = runAsk(t, none, args...); code != 3 || out != "" || !strings.Contains(errOut, "nothing serves") {
			t.Errorf("%v where nothing serves: code %d, %q, %q", args, code, out, errOut)
		}
	}
}

const sampleFile = "../../docs/sample/shop.jsonl"

// The sample is evaluated through the socket; the simulated model has nine right.
func TestAskEval(t *testing.T) {
	var audited []string
	shell := serveAsk(t, askAt(simulated(t), desk.Hand, &audited, newShop(t)))
	out, errOut, code := runAsk(t, shell, "--eval", sampleFile, "--source", "shop")
	if code != 0 || !strings.Contains(out, "\nexecution accuracy 32.1 % of 28 questions: 9 ok, 19 different result\narctic; ") ||
		!strings.Contains(errOut, "28 of 28  ") || strings.Count(errOut, "\n") != 28 {
		t.Errorf("code %d, %q, %q", code, out, errOut)
	}
	lines := strings.Split(out, "\n")
	if !strings.HasPrefix(lines[1], "shop-01  ok ") || !strings.HasPrefix(lines[3], "shop-03  different result ") {
		t.Errorf("it begins with %q", lines[:4])
	}
	if len(audited) != 1 || audited[0] != "evaluate shop: 28 questions" {
		t.Errorf("audited %q", audited)
	}
	out, errOut, code = runAsk(t, shell, "--eval", sampleFile, "--json", "--at-least", "0.8")
	var got evalListing
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 || !strings.Contains(errOut, "the accuracy is 32.1 %, below the 80.0 % asked for") {
		t.Fatalf("%v, code %d, %q, %q", err, code, out, errOut)
	}
	if got.Accuracy != 9.0/28 || got.Outcomes["ok"] != 9 || len(got.Questions) != 28 || got.Questions[0].SQL == "" || got.Questions[0].Known == "" || got.Questions[27].ID != "shop-28" ||
		got.Prompt == 0 || got.Completion == 0 || got.Duration <= 0 || got.Model != "arctic" {
		t.Errorf("got %s", out)
	}
	if _, _, code = runAsk(t, shell, "--eval", sampleFile, "--at-least", "0.3"); code != 0 {
		t.Errorf("with enough right it ends with %d", code)
	}
}

// What a shell sends fits into a command line, however many cases there are, and the
// two outputs may be one.
func TestAskEvalMany(t *testing.T) {
	var text strings.Builder
	for range 500 {
		text.WriteString(`{"question":"` + strings.Repeat("it's ", 40) + `","sql":"SELECT 1"}` + "\n")
	}
	file := filepath.Join(t.TempDir(), "many.jsonl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := serveAsk(t, askAt(says("```sql\nSELECT 1\n```"), desk.Hand, nil, newShop(t)))
	there, calls := shell.Forward, 0
	shell.Forward = func(ctx context.Context, args []string, _, errOut io.Writer) (int, error) {
		calls++
		return there(ctx, args, errOut, errOut)
	}
	out, errOut, code := runAsk(t, shell, "--eval", file)
	if code != 0 || calls < 3 || !strings.Contains(out, "accuracy 100.0 % of 500 questions: 500 ok\n") {
		t.Errorf("code %d after %d calls, %q, %q", code, calls, out[max(0, len(out)-200):], errOut[:min(len(errOut), 200)])
	}
}

func TestAskEvalFails(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "cases.jsonl")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	viewer := serveAsk(t, askAt(says("```sql\nSELECT 1\n```"), desk.Viewer, nil, newShop(t)))
	hand := serveAsk(t, askAt(says("```sql\nSELECT 1\n```"), desk.Hand, nil, newShop(t)))
	good := file(`{"question":"a","sql":"SELECT 1"}`)
	for name, tc := range map[string]struct {
		opt  AskOptions
		args []string
		code int
		err  string
	}{
		"no file":        {hand, []string{"--eval", "none.jsonl"}, 2, "none.jsonl"},
		"no name":        {hand, []string{"--eval", ""}, 2, "name of a file"},
		"no cases":       {hand, []string{"--eval", file("")}, 2, "cases.jsonl: line 1: there is no case"},
		"a long case":    {hand, []string{"--eval", file(`{"question":"a","sql":"` + strings.Repeat("'", maxCases/3) + `"}`)}, 2, `the case "1" is longer`},
		"a bad case":     {hand, []string{"--eval", file(`{"question":"a","sql":"SELECT x"}`)}, 1, "1 case of "},
		"another source": {hand, []string{"--eval", good, "--source", "bank"}, 2, "no database"},
		"a question":     {hand, []string{"--eval", good, "q"}, 2, "leave out"},
		"run":            {hand, []string{"--eval", good, "--run"}, 2, "leave out --run"},
		"least":          {hand, []string{"--eval", good, "--at-least", "80"}, 2, "no share"},
		"not a number":   {hand, []string{"--eval", good, "--at-least", "NaN"}, 2, "no share"},
		"a viewer":       {viewer, []string{"--eval", good}, 4, "refused: ask needs the role operator"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, errOut, code := runAsk(t, tc.opt, tc.args...); code != tc.code || !strings.Contains(errOut, tc.err) {
				t.Errorf("code %d, %q", code, errOut)
			}
		})
	}
}

// A shell that leaves ends what is evaluated.
func TestAskEvalCancelled(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan struct{})
	held := askFunc(func(there context.Context) error {
		stop()
		<-there.Done()
		close(gone)
		return there.Err()
	})
	file := filepath.Join(t.TempDir(), "cases.jsonl")
	if err := os.WriteFile(file, []byte(`{"question":"a","sql":"SELECT 1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	_, code := Run(ctx, []string{"ask", "--eval", file}, &out, &errOut, testCode, NewAsk(serveAsk(t, askAt(held, desk.Hand, nil, newShop(t)))))
	if code != 1 || out.Len() > 0 {
		t.Errorf("code %d, %q, %q", code, &out, &errOut)
	}
	<-gone
}
