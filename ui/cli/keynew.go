package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pilothouse/gateway/keys"
	"pilothouse/ui/widget"
)

func newKeyNew(opt KeyOptions) *cobra.Command {
	var flags entryFlags
	cmd := &cobra.Command{
		Use:   "new --org NAME --name NAME",
		Short: "Make a key and print it",
		Long: `Make a key, add its hash to the keys file and print the key, and nothing else,
on standard output. It is shown this once.`,
		Example: `  pilothouse key new --org acme --name ci
  pilothouse key new --org acme --name trial --scope chat --expires 30d`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runKeyNew(cmd, opt, &flags) },
	}
	flags.add(cmd)
	return cmd
}

func runKeyNew(cmd *cobra.Command, opt KeyOptions, flags *entryFlags) error {
	entry, err := flags.entry(opt.Clock())
	if err != nil {
		return err
	}
	path, err := opt.change("key new")
	if err != nil {
		return err
	}
	secret, key, err := keys.New(path, entry)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), secret); err != nil {
		return fmt.Errorf(`print the key: %w; it is lost, so run "pilothouse key revoke %s" and make another`, err, key.ID)
	}
	added(cmd, path, key)
	fmt.Fprintln(cmd.ErrOrStderr(), "The key is shown this once: keep it where its user finds it.")
	return nil
}

func newKeyImport(opt KeyOptions) *cobra.Command {
	var flags entryFlags
	cmd := &cobra.Command{
		Use:   "import --org NAME --name NAME < FILE",
		Short: "Add a key that clients already have",
		Long: `Read a key from standard input, in one line, and add its hash to the keys file,
so that a running platform moves over without a change to its clients. A terminal
is asked for the key and does not show it. A key is never an argument: those
can be seen by everyone on the machine.`,
		Example: `  pilothouse key import --org acme --name website < old-key.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // which may be the key, so it is not repeated
				return usagef("import takes no argument; want the key on standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runKeyImport(cmd, opt, &flags) },
	}
	flags.add(cmd)
	return cmd
}

func runKeyImport(cmd *cobra.Command, opt KeyOptions, flags *entryFlags) error {
	entry, err := flags.entry(opt.Clock())
	if err != nil {
		return err
	}
	path, err := opt.change("key import")
	if err != nil {
		return err
	}
	secret, err := readSecret(cmd)
	if err != nil {
		return err
	}
	key, err := keys.Import(path, entry, secret)
	if err != nil {
		return err
	}
	added(cmd, path, key)
	return nil
}

// added says what was added to the file.
func added(cmd *cobra.Command, path string, k *keys.Key) {
	fmt.Fprintf(cmd.ErrOrStderr(), "Key %s (%s of %s) is in %s.\n",
		k.ID, widget.Clean(k.Name, false), widget.Clean(k.Org.Name, false), widget.Clean(path, false))
}

// maxInput is more than any key and its line end have.
const maxInput = 4 << 10

// readSecret reads the one line that standard input has.
func readSecret(cmd *cobra.Command) ([]byte, error) {
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "Key: ")
		secret, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return nil, fmt.Errorf("read the key: %w", err)
		}
		return secret, nil
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, &UsageError{Err: errors.New("standard input is empty; want the key in its first line")}
	case len(rest) > 0:
		return nil, &UsageError{Err: errors.New("standard input has more than one line; want the key alone")}
	}
	return line, nil
}
