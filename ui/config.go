package ui

import (
	"fmt"

	"pilothouse/ui/widget"
)

// Config is [dashboard] of the configuration. The zero value is the usual look.
type Config struct {
	Theme string              `toml:"theme"` // "auto" (also ""), "dark", "light" or "colour-blind"
	ASCII bool                `toml:"ascii"` // draw without Unicode
	Keys  map[string][]string `toml:"keys"`  // of what CheckKeys names, instead of the usual ones: restart = ["ctrl+x"]
}

// SettingError is a setting of [dashboard] that cannot be used.
type SettingError struct {
	Key, Got, Want string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("dashboard.%s: got %s, want %s", e.Key, e.Got, e.Want)
}

// Check returns a *SettingError unless the configuration can be used.
func (c *Config) Check() error {
	if _, err := widget.ParsePalette(c.Theme); err != nil {
		return &SettingError{"theme", fmt.Sprintf("%q", c.Theme), `"auto", "dark", "light" or "colour-blind"`}
	}
	if err := CheckKeys(c.Keys); err != nil {
		return &SettingError{"keys", fmt.Sprintf("%d of them", len(c.Keys)), "other ones: " + err.Error()}
	}
	return nil
}

// Apply puts the configuration into a dashboard's options, unless they say
// otherwise already.
func (c *Config) Apply(o *Options) {
	if p, err := widget.ParsePalette(c.Theme); err == nil && o.Palette == "" {
		o.Palette = p
	}
	o.ASCII = o.ASCII || c.ASCII
	o.Keys = c.Keys
}
