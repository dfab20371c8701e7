package ui

import (
	"slices"
	"strings"
	"testing"

	"pilothouse/ui/desk"
)

// No key has two meanings where both could be meant.
func TestKeysAreUnique(t *testing.T) {
	k := newKeyMap(true, false)
	seen := map[string]string{}
	for _, b := range slices.Concat(k.global(), k.acting()) {
		for _, one := range b.Keys() {
			if seen[one] != "" {
				t.Errorf("%s is %s and %s", one, seen[one], b.Help().Desc)
			}
			seen[one] = b.Help().Desc
		}
	}
	// What changes the world takes a capital letter.
	for _, b := range k.acting() {
		for _, one := range b.Keys() {
			if one != strings.ToUpper(one) || len(one) != 1 {
				t.Errorf("%s is the key of %s", one, b.Help().Desc)
			}
		}
	}
}

func TestKeysCanBeSet(t *testing.T) {
	for _, tt := range []struct {
		keys map[string][]string
		want string // of the error; "": there is none
	}{
		{map[string][]string{"restart": {"ctrl+x"}, "gpus": {"F2"}}, ""},
		{map[string][]string{"restat": {"R"}}, `nothing is called "restat"; there are: backends,`},
		{map[string][]string{"restart": {}}, `restart has no key; name at least one, such as "R"`},
		{map[string][]string{"help": {"ctrl+c"}}, "ctrl+c always ends the dashboard"},
	} {
		err := CheckKeys(tt.keys)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v: %v, want %q", tt.keys, err, tt.want)
		}
	}
	m, _ := acting(t, desk.Hand)
	o := m.opts
	o.Keys = map[string][]string{"restart": {"w"}}
	m = sized(o, 120, 40)
	do(m, "R")
	if len(m.dialogs) > 0 {
		t.Error("the usual key still works")
	}
	do(m, "w")
	if len(m.dialogs) != 1 {
		t.Error("the other key doesn't work")
	}
	if s := content(m); !strings.Contains(s, "restart text2sql") {
		t.Errorf("%s", s)
	}
	do(m, "esc", "?")
	if s := content(m); !strings.Contains(s, "w           restart") && !strings.Contains(s, "w            restart") {
		t.Errorf("the help doesn't name it:\n%s", s)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{}, ""},
		{Config{Theme: "light", ASCII: true}, ""},
		{Config{Theme: "pink"}, `dashboard.theme: got "pink", want "auto"`},
		{Config{Keys: map[string][]string{"fly": {"F"}}}, `dashboard.keys: got 1 of them, want other ones: nothing is called "fly"`},
	} {
		err := tt.c.Check()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.c, err, tt.want)
		}
	}
}
