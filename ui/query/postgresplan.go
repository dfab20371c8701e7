package query

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Plan is PostgreSQL's EXPLAIN. It is given what Run is: a cursor's declaration.
func (p *postgres) Plan(ctx context.Context, sql string) (*Plan, error) {
	if err := plausible(sql); err != nil {
		return nil, err
	}
	b := p.c.bounds(Bounds{})
	ctx, leave, err := p.gate.enter(ctx, b.Time)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := p.begin(ctx, b)
	if err != nil {
		return nil, err
	}
	defer s.end()
	r := s.conn.ExecParams(ctx, explain+declare+sql, nil, nil, nil, nil).Read()
	if r.Err != nil {
		return nil, p.planRefusal(ctx, s, sql, r.Err)
	}
	var documents []struct{ Plan node }
	if len(r.Rows) != 1 || json.Unmarshal(r.Rows[0][0], &documents) != nil || len(documents) != 1 {
		return nil, &Error{Wrong, "the server gave no plan", -1}
	}
	top := documents[0].Plan
	plan := &Plan{Cost: top.Cost, Rows: top.Rows}
	top.lines(plan, 0)
	if plan.Cost > p.c.AskAbove {
		plan.Expensive = fmt.Sprintf("its cost is %s, which is above %s", short(plan.Cost), short(p.c.AskAbove))
		if n := top.dearest(); n != nil {
			plan.Expensive += "; most of it in: " + n.title()
		}
	}
	return plan, nil
}

// planRefusal is explainRefusal, with what stands before the statement here.
func (p *postgres) planRefusal(ctx context.Context, s *session, sql string, err error) error {
	e := p.explainRefusal(ctx, s, sql, err).(*Error)
	if e.At >= 0 {
		return place(p.fail(ctx, err, len(explain)+len(declare)), sql)
	}
	return e
}

// node is a step of PostgreSQL's plan.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Alias    string  `json:"Alias"`
	Index    string  `json:"Index Name"`
	Function string  `json:"Function Name"`
	CTE      string  `json:"CTE Name"`
	Join     string  `json:"Join Type"`
	Filter   string  `json:"Filter"`
	Cond     string  `json:"Index Cond"`
	Hash     string  `json:"Hash Cond"`
	Cost     float64 `json:"Total Cost"`
	Rows     float64 `json:"Plan Rows"`
	Plans    []node  `json:"Plans"`
}

func (n *node) lines(p *Plan, depth int) {
	p.Lines = append(p.Lines, PlanLine{depth, fmt.Sprintf("%s (cost %s, rows %s)", n.title(), short(n.Cost), short(n.Rows))})
	for _, c := range []struct{ name, text string }{{"condition", n.Cond}, {"condition", n.Hash}, {"filter", n.Filter}} {
		if c.text != "" {
			p.Lines = append(p.Lines, PlanLine{depth + 1, c.name + ": " + c.text})
		}
	}
	for i := range n.Plans {
		n.Plans[i].lines(p, depth+1)
	}
}

func (n *node) title() string {
	t := n.Type
	if n.Join != "" && n.Join != "Inner" {
		t += " (" + n.Join + ")"
	}
	if n.Index != "" {
		t += " using " + n.Index
	}
	for _, on := range []string{n.Relation, n.Function, n.CTE} {
		if on != "" {
			t += " on " + on
			if n.Alias != "" && n.Alias != on {
				t += " " + n.Alias
			}
			break
		}
	}
	return t
}

// dearest is the step whose own cost is the greatest.
func (n *node) dearest() (most *node) {
	var cost float64
	var visit func(*node)
	visit = func(n *node) {
		own := n.Cost
		for i := range n.Plans {
			own -= n.Plans[i].Cost
			visit(&n.Plans[i])
		}
		if own > cost {
			most, cost = n, own
		}
	}
	visit(n)
	return most
}

// short writes a figure with three digits or so: 1234567 is 1.23M.
func short(v float64) string {
	for _, u := range []struct {
		at   float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= u.at {
			div := u.at
			if u.name == "k" {
				div = 1e3
			}
			return strconv.FormatFloat(v/div, 'g', 3, 64) + u.name
		}
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 0, 64), ".0")
}
