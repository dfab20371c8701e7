package ui

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"

	"pilothouse/ui/pane"
)

// keyMap is every key of the dashboard. The last row, the help and the palette
// are made from it.
type keyMap struct {
	Views                        []key.Binding // in the order of the views
	NextView, PrevView           key.Binding
	Help, Quit, Next, Previous   key.Binding
	Full, Pause, Findings, Try   key.Binding
	Refresh, Redraw, Interrupt   key.Binding
	Enter, Filter, NextMatch     key.Binding
	PrevMatch, Sort, Copy        key.Binding
	Describe, Logs, Palette      key.Binding
	Earlier, Later, Now, Mouse   key.Binding
	Restart, Drain, Undrain      key.Binding
	Cancel, CancelOrg, CancelJob key.Binding
	Grant, Revoke, Incident      key.Binding
	Jobs                         key.Binding

	Accept, Close key.Binding // in dialogs

	Scrolling pane.Scrolling
}

// findingsKey is named in the attention row too.
const findingsKey = "!"

func newKeyMap(demo, attached bool) keyMap {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	k := keyMap{
		NextView:  bind("]", "next view", "]"),
		PrevView:  bind("[", "previous view", "["),
		Help:      bind("?", "help", "?"),
		Quit:      bind("q", "back, then quit", "q"),
		Next:      bind("tab", "next pane", "tab"),
		Previous:  bind("shift-tab", "previous pane", "shift+tab"),
		Full:      bind("f", "full screen", "f"),
		Pause:     bind("space", "pause", "space"),
		Findings:  bind(findingsKey, "findings", findingsKey),
		Try:       bind("c", "curl", "c"),
		Refresh:   bind("ctrl-r", "refresh", "ctrl+r"),
		Redraw:    bind("ctrl-l", "redraw", "ctrl+l"),
		Interrupt: bind("ctrl-c", "stop at once", "ctrl+c"),

		Enter:     bind("enter", "open, why", "enter"),
		Filter:    bind("/", "filter", "/"),
		NextMatch: bind("n", "next match", "n"),
		PrevMatch: bind("N", "previous match", "N"),
		Sort:      bind("s", "sort", "s"),
		Copy:      bind("y", "copy", "y"),
		Describe:  bind("d", "describe", "d"),
		Logs:      bind("l", "its logs", "l"),
		Palette:   bind(":", "commands", ":", "ctrl+p"),
		Earlier:   bind(",", "back in time", ","),
		Later:     bind(".", "forth in time", "."),
		Now:       bind("0", "back to now", "0"),
		Mouse:     bind("m", "mouse on or off", "m"),

		Restart:   bind("R", "restart", "R"),
		Drain:     bind("D", "drain", "D"),
		Undrain:   bind("U", "end the drain", "U"),
		Cancel:    bind("X", "cancel request", "X"),
		CancelOrg: bind("O", "cancel all of its org", "O"),
		CancelJob: bind("C", "cancel job", "C"),
		Grant:     bind("T", "grant quota", "T"),
		Revoke:    bind("V", "revoke grant", "V"),
		Incident:  bind("S", "incident bundle", "S"),
		Jobs:      bind("J", "jobs under way", "J"),

		Accept: bind("enter", "choose", "enter"),
		Close:  bind("esc", "close", "esc", "q"),

		Scrolling: pane.NewScrolling(),
	}
	for i, name := range viewNames {
		digit := fmt.Sprint(i + 1)
		k.Views = append(k.Views, bind(digit, name, digit))
	}
	k.Try.SetEnabled(demo)
	if attached {
		k.Quit.SetHelp("q", "back, then leave")
		k.Interrupt.SetHelp("ctrl-c", "leave at once")
	}
	return k
}

// named are the bindings that can be set, by the name of what they do.
func (k *keyMap) named() map[string]*key.Binding {
	all := map[string]*key.Binding{
		"next-view": &k.NextView, "previous-view": &k.PrevView, "help": &k.Help, "quit": &k.Quit, "next-pane": &k.Next, "previous-pane": &k.Previous,
		"full": &k.Full, "pause": &k.Pause, "findings": &k.Findings, "refresh": &k.Refresh, "redraw": &k.Redraw,
		"open": &k.Enter, "filter": &k.Filter, "next-match": &k.NextMatch, "previous-match": &k.PrevMatch, "sort": &k.Sort, "copy": &k.Copy,
		"describe": &k.Describe, "its-logs": &k.Logs, "commands": &k.Palette, "earlier": &k.Earlier, "later": &k.Later, "now": &k.Now, "mouse": &k.Mouse,
		"restart": &k.Restart, "drain": &k.Drain, "undrain": &k.Undrain, "cancel": &k.Cancel, "cancel-org": &k.CancelOrg, "cancel-job": &k.CancelJob,
		"grant": &k.Grant, "revoke": &k.Revoke, "incident": &k.Incident, "jobs": &k.Jobs,
	}
	for i, name := range viewNames {
		all[name] = &k.Views[i]
	}
	return all
}

// CheckKeys returns an error unless keys can be given to what is named: name is
// then in the error, and what there is.
func CheckKeys(keys map[string][]string) error {
	k := newKeyMap(true, false)
	return k.set(keys)
}

// set gives keys to what is named.
func (k *keyMap) set(keys map[string][]string) error {
	named := k.named()
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		b, ok := named[name]
		if !ok {
			return fmt.Errorf("nothing is called %q; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(named)), ", "))
		}
		if len(keys[name]) == 0 {
			return fmt.Errorf("%s has no key; name at least one, such as %q", name, b.Keys()[0])
		}
		if slices.Contains(keys[name], "ctrl+c") {
			return errors.New("ctrl+c always ends the dashboard; choose another key for " + name)
		}
		b.SetKeys(keys[name]...)
		b.SetHelp(strings.ReplaceAll(keys[name][0], "+", "-"), b.Help().Desc)
	}
	return nil
}

// global are the keys that work whatever has the focus, those that are needed
// most first.
func (k keyMap) global() []key.Binding {
	return slices.Concat(k.Views, []key.Binding{k.Next, k.Enter, k.Filter, k.Palette, k.Help, k.Findings, k.Try, k.Sort, k.Describe, k.Copy, k.Logs, k.Full, k.Pause,
		k.Earlier, k.Later, k.Now, k.Quit, k.NextView, k.PrevView, k.Previous, k.NextMatch, k.PrevMatch, k.Mouse, k.Refresh, k.Redraw, k.Interrupt})
}

// acting are the keys of actions.
func (k keyMap) acting() []key.Binding {
	return []key.Binding{k.Restart, k.Drain, k.Undrain, k.Cancel, k.CancelOrg, k.Jobs, k.CancelJob, k.Grant, k.Revoke, k.Incident}
}
