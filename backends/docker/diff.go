package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Change is a setting that a container was made with otherwise than it should be
// now. The container has to be made anew for it.
type Change struct {
	Field string // as config.toml names it, like "environment.HF_HOME"
	Have  string // of the container
	Want  string // of the configuration
}

func (c Change) String() string {
	return fmt.Sprintf("%s: %s, to be %s", c.Field, c.Have, c.Want)
}

const unset = "not set"

// Diff tells what of a container is not as planned, in the order in which
// settings are documented; none: it is up to date. Of secrets it says only that
// they have changed. A container that is not ours can't be compared, which is
// one Change of its own.
func Diff(p Plan, c Container) []Change {
	if c.made == nil {
		return []Change{{"container", "made by something else than Pilothouse", "made by Pilothouse, after it was removed by hand"}}
	}
	d := &differ{}
	have, want := c.made.Spec, p.Spec
	d.text("backend", have.Backend, want.Backend, `""`)
	d.text("image", have.Image, want.Image, unset)
	d.text("command", words(have.Command), words(want.Command), "the image's")
	d.text("entrypoint", words(have.Entrypoint), words(want.Entrypoint), "the image's")
	d.text("gpus", strings.Join(have.GPUs, ", "), strings.Join(want.GPUs, ", "), "none")
	d.keys("environment", have.Environment, want.Environment)
	d.secrets(c.made, p)
	d.text("volumes", sorted(have.Volumes), sorted(want.Volumes), "none")
	d.text("networks", networksOf(have, c), networks(want.Networks), "the engine's default")
	d.text("ports", sorted(have.Ports), sorted(want.Ports), "none")
	d.text("ipc", have.IPC, want.IPC, "its own")
	d.text("shm_size", size(have.ShmSize), size(want.ShmSize), "the engine's default")
	d.text("restart", c.Restart, want.Restart, unset) // as it is: docker update changes it
	d.text("stop_timeout", have.StopTimeout.String(), want.StopTimeout.String(), unset)
	d.keys("labels", have.Labels, want.Labels)
	d.text("user", have.User, want.User, "the image's")
	d.text("workdir", have.Workdir, want.Workdir, "the image's")
	d.text("healthcheck", have.Healthcheck, want.Healthcheck, "the image's")
	return d.changes
}

type differ struct{ changes []Change }

// text compares one setting, of which "" is shown as empty.
func (d *differ) text(field, have, want, empty string) {
	if have == want {
		return
	}
	show := func(s string) string {
		if s == "" {
			return empty
		}
		return plain(s)
	}
	d.changes = append(d.changes, Change{field, show(have), show(want)})
}

// keys compares settings that have names of their own.
func (d *differ) keys(field string, have, want map[string]string) {
	all := maps.Clone(have)
	if all == nil {
		all = make(map[string]string)
	}
	maps.Copy(all, want)
	show := func(from map[string]string, k string) string {
		v, ok := from[k]
		if !ok {
			return unset
		}
		return strconv.Quote(v)
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if h, w := show(have, k), show(want, k); h != w {
			d.changes = append(d.changes, Change{field + "." + plain(k), h, w})
		}
	}
}

// secrets compares values by their hashes. Where one is read from does not
// matter.
func (d *differ) secrets(made *record, p Plan) {
	all := make(map[string]bool)
	for k := range made.Secrets {
		all[k] = true
	}
	for k := range p.Spec.Secrets {
		all[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		have, had := made.Secrets[k]
		_, wanted := p.Spec.Secrets[k]
		switch field := "secrets." + plain(k); {
		case !had:
			d.changes = append(d.changes, Change{field, unset, "set"})
		case !wanted:
			d.changes = append(d.changes, Change{field, "set", unset})
		case have != made.hash(k, p.secret(k)):
			d.changes = append(d.changes, Change{field, "set", "changed"})
		}
	}
}

// words are an argument list as one would type it.
func words(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`*?<>|&;(){}[]#~!") {
			quoted[i] = strconv.Quote(a)
		}
	}
	return strings.Join(quoted, " ")
}

func sorted(list []string) string {
	return strings.Join(slices.Sorted(slices.Values(list)), ", ")
}

func size(s Size) string {
	if s == 0 {
		return ""
	}
	return s.String()
}

func networks(list []Network) string {
	var all []string
	for _, n := range list {
		text := n.Name
		if len(n.Aliases) > 0 {
			text += " (" + sorted(n.Aliases) + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// networksOf are those that a container was made with, less those that it has
// been taken out of since.
func networksOf(have Spec, c Container) string {
	return networks(slices.DeleteFunc(slices.Clone(have.Networks), func(n Network) bool {
		_, in := c.Networks[n.Name]
		return !in
	}))
}
