package query

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"pilothouse/backends"
)

func TestConfig(t *testing.T) {
	const text = `
[[source]]
name = "ledger"
kind = "ledger"

[[source]]
name = "app"
kind = "sqlite"
path = "/srv/app.db"
tables = ["a"]
statement_timeout = "2s"
max_rows = 7
max_bytes = "64KiB"
ask_above = 1000.0

[[source]]
name = "warehouse"
kind = "postgres"
dsn_env = "WAREHOUSE_DSN"
`
	var c struct {
		Source []Config `toml:"source"`
	}
	if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&c); err != nil {
		t.Fatal(err)
	}
	if err := Check(c.Source); err != nil {
		t.Fatal(err)
	}
	want := []Config{
		{Name: "ledger", Kind: Ledger, StatementTimeout: backends.Duration(10 * time.Second), MaxRows: 1000, MaxBytes: 4 << 20, AskAbove: 5e6},
		{Name: "app", Kind: SQLite, Path: "/srv/app.db", Tables: []string{"a"}, StatementTimeout: backends.Duration(2 * time.Second), MaxRows: 7, MaxBytes: 64 << 10, AskAbove: 1000, Index: 1},
		{Name: "warehouse", Kind: Postgres, DSNEnv: "WAREHOUSE_DSN", StatementTimeout: backends.Duration(10 * time.Second), MaxRows: 1000, MaxBytes: 4 << 20, AskAbove: 1e6, Index: 2},
	}
	if !reflect.DeepEqual(c.Source, want) {
		t.Errorf("%+v", c.Source)
	}
}

func TestConfigRefused(t *testing.T) {
	lite := Config{Name: "a", Kind: SQLite, Path: "/a.db"}
	change := func(f func(*Config)) Config { c := lite; f(&c); return c }
	for _, c := range []struct {
		c   Config
		key string
	}{
		{change(func(c *Config) { c.Name = "" }), "name"},
		{change(func(c *Config) { c.Name = "A b" }), "name"},
		{change(func(c *Config) { c.Kind = "mysql" }), "kind"},
		{change(func(c *Config) { c.Path = "a.db" }), "path"},
		{change(func(c *Config) { c.Kind, c.Path = Ledger, "/a.db" }), "path"},
		{change(func(c *Config) { c.DSNEnv = "X" }), "dsn_env"},
		{change(func(c *Config) { c.Kind, c.Path = Postgres, "" }), "dsn_env"},
		{change(func(c *Config) { c.Kind, c.Path, c.DSNEnv = Postgres, "", "postgres://u:hunter2@h/d" }), "dsn_env"},
		{change(func(c *Config) { c.Kind, c.Path, c.Tables = Ledger, "", []string{"requests"} }), "tables"},
		{change(func(c *Config) { c.Tables = []string{""} }), "tables"},
		{change(func(c *Config) { c.StatementTimeout = 1 }), "statement_timeout"},
		{change(func(c *Config) { c.MaxRows = -1 }), "max_rows"},
		{change(func(c *Config) { c.MaxBytes = 1 }), "max_bytes"},
		{change(func(c *Config) { c.AskAbove = -1 }), "ask_above"},
	} {
		_, err := Open(c.c, "")
		var e *SettingError
		if !errors.As(err, &e) || e.Key != c.key {
			t.Errorf("%+v: %v, want one about %s", c.c, err, c.key)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error has a password in it: %v", err)
		}
	}
	err := Check([]Config{lite, lite})
	var e *SettingError
	if !errors.As(err, &e) || e.Index != 1 || e.Key != "name" {
		t.Errorf("twice: %v", err)
	}
}
