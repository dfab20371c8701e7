package ui

import (
	"fmt"
	"slices"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// victims are whose requests are with what a finding is about; the zero value:
// nobody's, or it is not known.
type victims struct {
	n    int      // requests
	orgs []string // whose keys are known
}

// named names some of them.
func (v victims) named() []string {
	switch {
	case len(v.orgs) == 0:
		return []string{"unknown keys"}
	case len(v.orgs) > 3:
		return append(v.orgs[:2:2], fmt.Sprintf("%d more", len(v.orgs)-2))
	}
	return v.orgs
}

// brief counts them; "": there are none.
func (v victims) brief() string {
	switch {
	case v.n == 0:
		return ""
	case len(v.orgs) == 1:
		return widget.Many(v.n, "request") + ", " + v.orgs[0]
	}
	return widget.Many(v.n, "request") + ", " + widget.Many(len(v.orgs), "org")
}

// hurt finds whose requests are with what a finding is about.
func hurt(d pane.Data, grade widget.Style, about pane.Ref) (v victims) {
	if grade != widget.Bad || about.Kind != pane.RefBackend && about.Kind != pane.RefGPU || d.Gateway == nil {
		return v
	}
	for i := range d.Gateway.Live {
		r := &d.Gateway.Live[i]
		if r.Backend != about.Name {
			continue
		}
		v.n++
		if r.Org != "" && !slices.Contains(v.orgs, r.Org) {
			v.orgs = append(v.orgs, r.Org)
		}
	}
	return v
}
