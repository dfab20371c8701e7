package cli

import (
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway/keys"
)

// KeyOptions are what the key commands need from main.
type KeyOptions struct {
	File   func() (string, error)    // the path of the keys file; asked for when a command runs
	Permit func(action string) error // before the file is changed; nil: it may be
	Clock  func() time.Time          // nil: time.Now
}

// NewKey makes the command "key" with new, import, list and revoke under it.
func NewKey(opt KeyOptions) *cobra.Command {
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.Permit == nil {
		opt.Permit = func(string) error { return nil }
	}
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, import, list and revoke API keys",
		Long: `Edit the keys file: the organisations that may use the gateway, and their API keys.

The file holds only the hash of each key. A running gateway takes every change
within about a second.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &UsageError{Err: err} })
	cmd.AddCommand(newKeyNew(opt), newKeyImport(opt), newKeyList(opt), newKeyRevoke(opt))
	return cmd
}

// change is the path of the keys file for a command that changes it.
func (o *KeyOptions) change(action string) (string, error) {
	if err := o.Permit(action); err != nil {
		return "", err
	}
	return o.File()
}

// entryFlags are the flags that say what a new key is to be.
type entryFlags struct {
	org, name string
	scopes    []string
	expires   string
}

func (f *entryFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.org, "org", "", "organisation that the key belongs to; made if there is none of that name (required)")
	flags.StringVar(&f.name, "name", "", "what the key is for (required)")
	flags.StringArrayVar(&f.scopes, "scope", nil,
		"what the key may do: chat, completions, embeddings, text2sql, model:NAME; may be repeated (default: everything)")
	flags.StringVar(&f.expires, "expires", "",
		`when the key ends: "2027-01-31" (0:00 UTC), "2027-01-31T18:00:00Z", or from now "90d", "12h" (default: never)`)
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(
		[]string{string(keys.Chat), string(keys.Completions), string(keys.Embeddings), string(keys.Text2SQL)},
		cobra.ShellCompDirectiveNoFileComp))
}

// entry turns the flags into an entry that the keys file can hold.
func (f *entryFlags) entry(now time.Time) (keys.Entry, error) {
	e := keys.Entry{Org: f.org, Name: f.name}
	switch {
	case f.org == "":
		return e, usagef("say whose key it is, with --org")
	case f.name == "":
		return e, usagef("say what the key is for, with --name")
	}
	for _, s := range f.scopes {
		e.Scopes = append(e.Scopes, keys.Scope(s))
	}
	var err error
	if e.Expires, err = parseExpiry(f.expires, now); err != nil {
		return e, err
	}
	if err := e.Check(); err != nil {
		return e, &UsageError{Err: err}
	}
	return e, nil
}
