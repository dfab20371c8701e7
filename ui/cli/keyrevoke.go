package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"pilothouse/gateway/keys"
	"pilothouse/ui/widget"
)

func newKeyRevoke(opt KeyOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Remove a key",
		Long:    "Remove a key from the keys file. A running gateway refuses it within about a second.",
		Example: "  pilothouse key revoke 7hq2m9xa",
		Args:    usage(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return runKeyRevoke(cmd, opt, args[0]) },
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeIDs(opt, len(args)), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func runKeyRevoke(cmd *cobra.Command, opt KeyOptions, id string) error {
	path, err := opt.change("key revoke")
	if err != nil {
		return err
	}
	k, err := keys.Revoke(path, id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "revoked %s: %s of %s\n",
		k.ID, widget.Clean(k.Name, false), widget.Clean(k.Org.Name, false))
	return err
}

// completeIDs offers the ids of all keys as the first argument.
func completeIDs(opt KeyOptions, args int) []cobra.Completion {
	if args > 0 {
		return nil
	}
	path, err := opt.File()
	if err != nil {
		return nil
	}
	orgs, err := keys.List(path)
	if err != nil {
		return nil // a completion has nowhere to say why
	}
	var ids []cobra.Completion
	for _, o := range orgs {
		for _, k := range o.Keys {
			ids = append(ids, cobra.CompletionWithDesc(k.ID, widget.Clean(k.Name+" of "+o.Name, false)))
		}
	}
	return ids
}
