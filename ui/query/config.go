package query

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"pilothouse/backends"
)

// Config is one [[sql.source]]: a database that is read.
type Config struct {
	Name             string            `toml:"name"`
	Kind             Kind              `toml:"kind"`
	Path             string            `toml:"path"`              // of SQLite's file
	DSNEnv           string            `toml:"dsn_env"`           // the environment variable with PostgreSQL's DSN, which is read whenever a connection is made
	StatementTimeout backends.Duration `toml:"statement_timeout"` // 10s
	MaxRows          int               `toml:"max_rows"`          // 1000
	MaxBytes         backends.Size     `toml:"max_bytes"`         // 4MiB
	AskAbove         float64           `toml:"ask_above"`         // a plan's cost (PostgreSQL; 1e6) or the rows that it reads (SQLite; 5e6), above which it needs a second thought
	Tables           []string          `toml:"tables"`            // the only ones that may be read, where there are any; not with PostgreSQL, where the role's rights say it

	Index int `toml:"-"` // of it in the list; set by Check, for its errors
}

// SettingError is a setting that cannot be used: which, what it got, and what
// to write instead.
type SettingError struct {
	Index  int    // of the source
	Source string // its name
	Key    string
	Got    string
	Want   string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("sql source %q: %s: got %s, want %s", e.Source, e.Key, e.Got, e.Want)
}

// Fill puts the defaults where nothing was set.
func (c *Config) Fill() {
	if c.StatementTimeout == 0 {
		c.StatementTimeout = backends.Duration(10 * time.Second)
	}
	if c.MaxRows == 0 {
		c.MaxRows = 1000
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 4 << 20
	}
	switch {
	case c.AskAbove != 0:
	case c.Kind == Postgres:
		c.AskAbove = 1e6
	default:
		c.AskAbove = 5e6
	}
}

// Check fills the sources in and finds what can't be mended, one *SettingError each,
// joined.
func Check(sources []Config) error {
	var errs []error
	names := make(map[string]bool)
	for i := range sources {
		c := &sources[i]
		c.Index = i
		c.Fill()
		errs = append(errs, c.Check())
		if names[c.Name] {
			errs = append(errs, &SettingError{i, c.Name, "name", strconv.Quote(c.Name) + " twice", "a name of its own"})
		}
		names[c.Name] = true
	}
	return errors.Join(errs...)
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	envForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Check finds what Fill cannot mend, one *SettingError each, joined.
func (c *Config) Check() error {
	var errs []error
	bad := func(key, got, want string) { errs = append(errs, &SettingError{c.Index, c.Name, key, got, want}) }
	if !nameForm.MatchString(c.Name) {
		bad("name", strconv.Quote(c.Name), "32 small letters, digits, '-' and '_' at most, beginning with a letter or a digit")
	}
	c.checkPlace(bad)
	if d := time.Duration(c.StatementTimeout); d < 100*time.Millisecond || d > time.Hour {
		bad("statement_timeout", d.String(), `"100ms" to "1h"`)
	}
	if c.MaxRows < 1 || c.MaxRows > 1_000_000 {
		bad("max_rows", strconv.Itoa(c.MaxRows), "1 to 1000000")
	}
	if c.MaxBytes < 1<<10 || c.MaxBytes > 1<<30 {
		bad("max_bytes", c.MaxBytes.String(), `"1KiB" to "1GiB"`)
	}
	if !(c.AskAbove > 0) {
		bad("ask_above", fmt.Sprint(c.AskAbove), "more than 0")
	}
	return errors.Join(errs...)
}

// checkPlace looks at what says where the database is, and what of it may be read.
func (c *Config) checkPlace(bad func(key, got, want string)) {
	switch c.Kind {
	case Ledger, SQLite, Postgres:
	default:
		bad("kind", strconv.Quote(string(c.Kind)), `"ledger", "sqlite" or "postgres"`)
		return
	}
	switch {
	case c.Kind == SQLite && !filepath.IsAbs(c.Path):
		bad("path", strconv.Quote(c.Path), `an absolute path, like "/srv/app/app.db"`)
	case c.Kind != SQLite && c.Path != "":
		bad("path", "one", `none, or kind = "sqlite"`)
	}
	switch {
	case c.Kind == Postgres && !envForm.MatchString(c.DSNEnv):
		// What is there instead may be the DSN itself, which has a password.
		bad("dsn_env", "what is no variable's name", `the name of the environment variable that holds the DSN, as "WAREHOUSE_DSN"`)
	case c.Kind != Postgres && c.DSNEnv != "":
		bad("dsn_env", "one", `none, or kind = "postgres"`)
	}
	if len(c.Tables) > 0 && c.Kind != SQLite {
		bad("tables", "a list", `none: a ledger's are known, and with kind = "postgres" the role's rights say what may be read`)
	}
	for _, t := range c.Tables {
		if t == "" {
			bad("tables", `""`, "names of tables and views")
		}
	}
}

// bounds are those of a run.
func (c *Config) bounds(b Bounds) Bounds {
	own := Bounds{time.Duration(c.StatementTimeout), c.MaxRows, int64(c.MaxBytes)}
	if b.Time <= 0 || b.Time > own.Time {
		b.Time = own.Time
	}
	if b.Rows <= 0 || b.Rows > own.Rows {
		b.Rows = own.Rows
	}
	if b.Bytes <= 0 || b.Bytes > own.Bytes {
		b.Bytes = own.Bytes
	}
	return b
}
