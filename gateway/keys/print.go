package keys

import (
	"fmt"
	"iter"
)

// all ranges over the keys of all organisations.
func all(orgs []*Org) iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		for _, o := range orgs {
			for _, k := range o.Keys {
				if !yield(k) {
					return
				}
			}
		}
	}
}

// print writes all that a key's entry says, to compare it with another.
func (k *Key) print() string {
	return fmt.Sprintf("%q %q %q %x %q %d", k.Org.Name, k.ID, k.Name, k.hash, k.Scopes, k.Expires.UnixNano())
}

// print writes what an organisation's entry says of itself.
func (o *Org) print() string {
	return fmt.Sprintf("%q %d %v %v %v", o.Name, o.Weight, o.RequestsPerDay, o.TokensPerDay, o.TokensPerMonth)
}

// prints returns the prints of all keys, by id.
func prints(orgs []*Org) map[string]string {
	p := make(map[string]string)
	for k := range all(orgs) {
		p[k.ID] = k.print()
	}
	return p
}
