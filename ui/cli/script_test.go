package cli

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestMain lets the scripts run a program that has the key commands alone, on
// keys.toml in the current directory.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pilothouse": func() {
		root := &cobra.Command{Use: "pilothouse", SilenceUsage: true, SilenceErrors: true}
		root.AddCommand(NewKey(KeyOptions{File: func() (string, error) { return "keys.toml", nil }}))
		err := root.Execute()
		var wrong *UsageError
		switch {
		case errors.As(err, &wrong):
			fmt.Fprintln(os.Stderr, "usage:", err)
			os.Exit(2)
		case err != nil:
			fmt.Fprintln(os.Stderr, "failed:", err)
			os.Exit(1)
		}
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}
