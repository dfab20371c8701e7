package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/ui/ask"
	"pilothouse/ui/desk"
	"pilothouse/ui/query"
)

// AskOptions are what the command ask needs from main. The process that serves sets
// Seat and what follows it; a shell sets Forward.
type AskOptions struct {
	Seat    *desk.Seat         // whoever gives the command; nil: this is a shell
	Models  ask.Models         // asks in their name
	Serving func() []ask.Model // those that may be asked
	Sources []query.Source     // the first is the one that is asked about by default
	Bounds  query.Bounds       // of each run
	Forward Forward

	Clock func() time.Time // nil: time.Now
}

// askFlags are the flags of "ask".
type askFlags struct {
	source, model     string
	run, sure, asJSON bool
	eval, cases       string
	least             float64
}

// maxAsked bounds a question in bytes.
const maxAsked = 16 << 10

// NewAsk makes the command that asks a database a question.
func NewAsk(opt AskOptions) *cobra.Command {
	f := &askFlags{}
	cmd := &cobra.Command{
		Use:   "ask QUESTION",
		Short: "Have the text-to-SQL model write a query, and run it",
		Long: `Have the text-to-SQL model write a query for a question about a database that the gateway
may read: its own ledger, or those of [[source]]. Standard output is the query; what the
model reasoned goes to standard error. With --run the rows follow as a table. Nothing but
reading is ever done.

With --eval: put each question of a file, of which a line is a JSON object with "question"
and "sql" and perhaps "id" and "source", run the model's query and the one given, and tell
how many have the same result.`,
		Example: `  pilothouse ask "Which organisation used the most tokens yesterday?" --run
  pilothouse ask "Which customers have never placed an order?" --source shop --json
  pilothouse ask --eval shop.jsonl --source shop --at-least 0.8`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.do(cmd, &opt, args) },
	}
	cmd.SetFlagErrorFunc(wrongFlag)
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.source, "source", "", "the database, by its name (default: the first, which is the ledger)")
	flags.StringVar(&f.model, "model", "", "the model to ask (default: that of the route /text2sql, or else the first)")
	flags.BoolVar(&f.run, "run", false, "run the query, too")
	flags.BoolVar(&f.sure, "sure", false, "run it even where its plan is expensive")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	flags.StringVar(&f.eval, "eval", "", "a `file` of questions with known answers to put")
	flags.Float64Var(&f.least, "at-least", 0, "with --eval: fail where the share of right answers is lower, from 0 to 1")
	flags.StringVar(&f.cases, "cases", "", "the cases themselves, for the process that serves")
	_ = flags.MarkHidden("cases") // the flag exists, so this cannot fail
	return cmd
}

// check returns an error where flags and arguments make no sense.
func (f *askFlags) check(cmd *cobra.Command, opt *AskOptions, question string) error {
	set := cmd.Flags().Changed
	switch put := set("eval") || set("cases"); {
	case put && question != "":
		return usagef("--eval has questions of its own; leave out %q", question)
	case put && (f.run || f.sure):
		return usagef("--eval runs each query anyway; leave out --run and --sure")
	case set("eval") && f.eval == "":
		return usagef("--eval needs the name of a file")
	case set("eval") && opt.Seat != nil:
		return usagef("--eval reads a file of the shell that it is given in, and there is none here; run pilothouse ask --eval on the gateway's host")
	case set("at-least") && !set("eval"):
		return usagef("--at-least is for --eval")
	case !(f.least >= 0 && f.least <= 1):
		return usagef("--at-least %v is no share; want 0 to 1", f.least)
	case f.sure && !f.run:
		return usagef("--sure is for --run")
	case !put && question == "":
		return usagef(`ask something: pilothouse ask "Which organisation used the most tokens yesterday?"`)
	case len(question) > maxAsked:
		return usagef("the question has %d bytes; the most is %d", len(question), maxAsked)
	}
	return nil
}

func (f *askFlags) do(cmd *cobra.Command, opt *AskOptions, args []string) error {
	question := strings.TrimSpace(strings.Join(args, " "))
	if err := f.check(cmd, opt, question); err != nil {
		return err
	}
	var err error
	switch {
	case opt.Seat == nil && f.eval != "":
		err = f.evaluate(cmd, opt)
	case opt.Seat == nil:
		return opt.Forward.command(cmd, args)
	case f.cases != "":
		err = f.putCases(cmd.Context(), cmd, opt)
	default:
		err = f.ask(cmd.Context(), cmd, opt, question)
	}
	if wrong, is := errors.AsType[*UsageError](err); is {
		return &UsageError{Err: &toldError{wrong.Err}}
	} else if err != nil {
		return &toldError{err}
	}
	return nil
}

// from is the database that is asked about, and the model that is, if the operator may.
func (f *askFlags) from(ctx context.Context, opt *AskOptions) (query.Source, ask.Model, error) {
	names := make([]string, len(opt.Sources))
	for i, s := range opt.Sources {
		names[i] = s.Name()
	}
	at := 0
	if f.source != "" {
		at = slices.Index(names, f.source)
	}
	var all []ask.Model
	if opt.Serving != nil {
		all = opt.Serving()
	}
	m, ok := ask.Choose(all, f.model)
	switch {
	case len(names) == 0:
		return nil, m, ask.ErrNoSource
	case at < 0:
		return nil, m, usagef("there is no database %q; there is: %s", f.source, strings.Join(names, ", "))
	case !ok && f.model != "":
		return nil, m, usagef("no model %q is configured", f.model)
	case !ok:
		return nil, m, ask.ErrNoModel
	}
	return opt.Sources[at], m, opt.Seat.Permit(ctx, desk.Hand, "ask", names[at])
}

// asked is a question, and what came of it.
type asked struct {
	question string
	source   query.Source
	model    ask.Model
	answer   ask.Answer
	prompt   ask.Prompted
	plan     *query.Plan
	result   *query.Result
	err      error // of the database, which is told beside what there is
}

func (f *askFlags) ask(ctx context.Context, cmd *cobra.Command, opt *AskOptions, question string) error {
	src, m, err := f.from(ctx, opt)
	if err != nil {
		return err
	}
	schema, err := src.Schema(ctx)
	if err != nil {
		return fmt.Errorf("look up the schema of %q: %w", src.Name(), err)
	}
	a := &asked{question: question, source: src, model: m}
	a.answer, a.prompt, err = m.Write(ctx, opt.Models, ask.Inquiry{Kind: src.Kind(), Schema: schema, Question: question, Now: utcNow(opt.Clock)})
	if err != nil {
		if a.answer.Reasoning != "" && !f.asJSON {
			err = errors.Join(writeReasoning(cmd.ErrOrStderr(), a), err)
		}
		return err
	}
	if !f.asJSON {
		if err = writeAnswer(cmd.OutOrStdout(), cmd.ErrOrStderr(), a); err != nil {
			return err
		}
	}
	if f.run {
		f.query(ctx, opt, a)
	}
	if f.asJSON {
		err = encode(cmd.OutOrStdout(), newAskListing(a))
	} else if a.result != nil {
		err = writeResult(cmd.OutOrStdout(), cmd.ErrOrStderr(), a.result)
	}
	return errors.Join(a.err, err)
}

// query plans the answer's SQL and runs it, and tells the audit.
func (f *askFlags) query(ctx context.Context, opt *AskOptions, a *asked) {
	began := time.Now()
	a.plan, a.err = a.source.Plan(ctx, a.answer.SQL)
	switch {
	case a.err != nil:
		a.plan = nil
	case a.plan.Expensive != "" && !f.sure:
		a.err = fmt.Errorf("it was not run, as that is expensive: %s; to run it all the same: --run --sure", a.plan.Expensive)
		return
	default:
		began = time.Now()
		a.result, a.err = a.source.Run(ctx, a.answer.SQL, opt.Bounds)
	}
	opt.Seat.Note(ctx, "query", a.source.Name(), ask.Outline(a.result, a.err, time.Since(began)))
}
