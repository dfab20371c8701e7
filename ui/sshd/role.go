package sshd

import "fmt"

// Role is what an operator may do.
type Role string

// The roles; each may do what those before it may.
const (
	RoleViewer   Role = "viewer"   // sees
	RoleOperator Role = "operator" // drains, restarts and cancels, too
	RoleAdmin    Role = "admin"    // changes quotas as well, and may run what is not known here
)

func (r Role) valid() bool { return r.rank() > 0 }

// rank orders the roles; 0 is none.
func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleOperator:
		return 2
	case RoleAdmin:
		return 3
	}
	return 0
}

// RefusedError is a command that a role may not run.
type RefusedError struct {
	Command string // "": one that is not known here
	Role    Role   // who wanted it
	Needs   Role
}

func (e *RefusedError) Error() string {
	what := "this command"
	if e.Command != "" {
		what = e.Command
	}
	return fmt.Sprintf("refused: %s needs the role %s, and yours is %s", what, e.Needs, e.Role)
}

// Permits returns a *RefusedError unless the role may run a command line,
// without the program's name. It goes by the first words: flags before the
// command make it one that is not known, which only an admin may run.
func (r Role) Permits(args []string) error {
	name, needs := identify(args)
	if r.rank() >= needs.rank() && r.valid() {
		return nil
	}
	return &RefusedError{name, r, needs}
}

// identify names what a command line runs, and says whom it takes. The name is
// "" where it is not known: it may be anything, a secret as well.
func identify(args []string) (name string, needs Role) {
	if len(args) == 0 {
		return "help", RoleViewer
	}
	switch args[0] {
	case "help", "status", "logs", "usage", "events", "version":
		return args[0], RoleViewer
	case "--help", "-h":
		if len(args) == 1 {
			return "help", RoleViewer
		}
	case "grant":
		if len(args) > 1 && args[1] == "list" {
			return "grant list", RoleViewer
		}
		return args[0], RoleAdmin
	case "cancel", "drain", "undrain", "restart", "start", "stop", "up", "down":
		return args[0], RoleOperator
	}
	return "", RoleAdmin
}
