package main

import (
	"testing"

	"pilothouse/gateway"
)

// TestDefaults: nobody is without limits because a file says nothing of them,
// and a 0 that it does say means none.
func TestDefaults(t *testing.T) {
	const backend = "[[backend]]\nname = \"b\"\nmodel = \"m\"\nurls = [\"http://127.0.0.1:1\"]\n"
	want := gateway.DefaultLimits()
	want.Burst = 50
	for text, want := range map[string]gateway.Limits{
		backend:           want,
		string(reference): want,
		"[limits]\nrequests_per_second = 0\n[limits.org]\nrequests_per_day = 0\ntokens_per_day = 0\ntokens_per_month = 0\n" + backend: {},
		"[limits]\nrequests_per_second = 20\n" + backend: {RequestsPerSecond: 20, Burst: 20, Org: want.Org},
	} {
		c, err := parseConfig("config.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.Limits != want {
			t.Errorf("%.60q: limits %+v, want %+v", text, c.Limits, want)
		}
		if c.Server.StateDir == "" || c.Server.Listen != "127.0.0.1:8080" {
			t.Errorf("%.60q: server %+v", text, c.Server)
		}
	}
}
