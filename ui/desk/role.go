package desk

import "fmt"

// Role is what an operator may do.
type Role string

// The roles; each may do what those before it may.
const (
	Viewer Role = "viewer"   // sees
	Hand   Role = "operator" // drains, restarts, cancels and asks models, too
	Admin  Role = "admin"    // changes quotas as well
)

// Valid tells whether there is such a role.
func (r Role) Valid() bool { return r.rank() > 0 }

// May tells whether the role has what another may do.
func (r Role) May(needs Role) bool { return r.Valid() && needs.Valid() && r.rank() >= needs.rank() }

// AtMost is the role, or the other where that one may do less.
func (r Role) AtMost(most Role) Role {
	if r.rank() > most.rank() {
		return most
	}
	return r
}

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Hand:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// RefusedError is something that a role may not do. The program's exit code is 4.
type RefusedError struct {
	Action string // "restart"
	Role   Role   // who wanted it
	Needs  Role
}

func (e *RefusedError) Error() string {
	role := string(e.Role)
	if role == "" {
		role = "none"
	}
	return fmt.Sprintf("refused: %s needs the role %s, and yours is %s", e.Action, e.Needs, role)
}
