package backends

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pilothouse/backends/docker"
)

// Container is [backend.container]: what a backend's replicas run in. What is
// set for a replica of its own goes before what is set for all of them.
type Container struct {
	docker.Spec
	Host         string             `toml:"host"`          // of [[docker]]; "": the first
	After        []string           `toml:"after"`         // backends that are to be ready before it is started
	DrainTimeout Duration           `toml:"drain_timeout"` // 5m, that requests in flight have to end
	StartTimeout Duration           `toml:"start_timeout"` // 15m, from the container's start to an engine that serves
	Replicas     []ContainerReplica `toml:"replica"`       // one for each of urls, in their order; none: there is one
}

// ContainerReplica is one [[backend.container.replica]].
type ContainerReplica struct {
	Name        string            `toml:"name"`
	Host        string            `toml:"host"`
	GPUs        []string          `toml:"gpus"`
	Command     []string          `toml:"command"`
	Environment map[string]string `toml:"environment"` // besides that of all
	Volumes     []string          `toml:"volumes"`
	Networks    []docker.Network  `toml:"networks"`
	Ports       []string          `toml:"ports"`
}

// fill puts the defaults where nothing was set.
func (c *Container) fill() {
	orDuration(&c.DrainTimeout, 5*time.Minute)
	orDuration(&c.StartTimeout, 15*time.Minute)
	c.Spec.Fill()
}

// of is the container of the i-th replica of a backend, and the host it is on.
func (c *Container) of(backend string, i int) (host string, s docker.Spec) {
	s, host = c.Spec, c.Host
	s.Backend = backend
	if i >= len(c.Replicas) {
		return host, s
	}
	own := &c.Replicas[i]
	s.Name = own.Name
	if own.Host != "" {
		host = own.Host
	}
	for _, list := range []struct {
		of  *[]string
		own []string
	}{{&s.GPUs, own.GPUs}, {&s.Command, own.Command}, {&s.Volumes, own.Volumes}, {&s.Ports, own.Ports}} {
		if list.own != nil {
			*list.of = list.own
		}
	}
	if own.Networks != nil {
		s.Networks = own.Networks
	}
	if own.Environment != nil {
		all := maps.Clone(s.Environment)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, own.Environment)
		s.Environment = all
	}
	return host, s
}

// validate finds what is wrong with a backend's containers; it tells each with
// its key below "container.".
func (c *Container) validate(urls int, bad func(key, got, want string)) {
	switch n := len(c.Replicas); {
	case n > 0 && n != urls:
		bad("container.replica", fmt.Sprintf("%d of them", n), fmt.Sprintf("one for each of the %d urls, in their order", urls))
		return
	case n == 0 && urls > 1:
		bad("container", fmt.Sprintf("one container for %d urls", urls), "a [[backend.container.replica]] for each of them, in their order")
		return
	case n > 0 && c.Name != "":
		bad("container.name", fmt.Sprintf("%q, with replicas", c.Name), "a name for each replica instead")
	}
	for _, t := range []struct {
		key string
		d   Duration
	}{{"drain_timeout", c.DrainTimeout}, {"start_timeout", c.StartTimeout}} {
		if t.d != 0 && time.Duration(t.d) < time.Second { // a number without a unit, too, which is nanoseconds
			bad("container."+t.key, t.d.String(), `"1s" or more, with its unit`)
		}
	}
	for i := range max(1, len(c.Replicas)) {
		_, s := c.of("", i)
		s.Fill()
		var wrong *docker.SettingError
		for _, err := range unjoin(s.Validate()) {
			if errors.As(err, &wrong) {
				bad("container."+c.key(i)+wrong.Key, wrong.Got, wrong.Want)
			}
		}
	}
}

// key is what the settings of the i-th replica's container begin with, below
// "container.".
func (c *Container) key(i int) string {
	if i >= len(c.Replicas) {
		return ""
	}
	return fmt.Sprintf("replica.%d.", i)
}

func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// CheckContainers tells what is wrong with the containers of all backends taken
// together, on these hosts.
func CheckContainers(cfg []Config, hosts []docker.Host) error {
	var errs []error
	byName := map[string]*Config{}
	for i := range cfg {
		byName[cfg[i].Name] = &cfg[i]
	}
	taken := map[[2]string]string{}
	for i := range cfg {
		b := &cfg[i]
		if b.Container == nil {
			continue
		}
		bad := func(key, got, want string) {
			errs = append(errs, &SettingError{i, b.Name, "container." + key, got, want})
		}
		for n := range max(1, len(b.Container.Replicas)) { // whether there are as many urls is Validate's
			host, s := b.Container.of(b.Name, n)
			key := b.Container.key(n)
			h := hostOf(hosts, host)
			if h < 0 {
				bad(key+"host", fmt.Sprintf("%q", host), "the name of a [[docker]]")
				continue
			}
			at := [2]string{hosts[h].Name, s.Name}
			if other, twice := taken[at]; twice {
				bad(key+"name", fmt.Sprintf("%q, which backend %q has too", s.Name, other), "a container of its own")
			}
			taken[at] = b.Name
		}
		for _, a := range b.Container.After {
			switch c := byName[a]; {
			case c == nil:
				bad("after", fmt.Sprintf("%q", a), "the name of another backend")
			case reaches(byName, c, b.Name, map[string]bool{}):
				bad("after", fmt.Sprintf("%q, which comes after %q itself", a, b.Name), "an order without a circle")
			}
		}
	}
	return errors.Join(errs...)
}

// reaches tells whether a backend comes after another one, however far.
func reaches(all map[string]*Config, from *Config, to string, seen map[string]bool) bool {
	if from.Name == to {
		return true
	}
	if from.Container == nil || seen[from.Name] {
		return false
	}
	seen[from.Name] = true
	return slices.ContainsFunc(from.Container.After, func(a string) bool { return all[a] != nil && reaches(all, all[a], to, seen) })
}

// hostOf finds a host by its name, "" for the first; -1: there is none.
func hostOf(hosts []docker.Host, name string) int {
	if name == "" && len(hosts) > 0 {
		return 0
	}
	return slices.IndexFunc(hosts, func(h docker.Host) bool { return h.Name == name })
}
