package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"pilothouse/gateway/keys"
	"pilothouse/ui/widget"
)

func newKeyList(opt KeyOptions) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List organisations and their keys",
		Args:    usage(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runKeyList(cmd, opt, asJSON) },
		Example: `  pilothouse key list --json | jq '.orgs[].keys[] | select(.state == "expired") | .id'`,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runKeyList(cmd *cobra.Command, opt KeyOptions, asJSON bool) error {
	path, err := opt.File()
	if err != nil {
		return err
	}
	orgs, err := keys.List(path)
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetEscapeHTML(false)
		return out.Encode(keyListing(orgs, opt.Clock()))
	}
	return writeTable(cmd.OutOrStdout(), keyRows(orgs, opt.Clock()))
}

// The states of a key in a listing.
const (
	stateValid   = "valid"
	stateExpired = "expired"
)

func keyState(k *keys.Key, now time.Time) string {
	if k.Expired(now) {
		return stateExpired
	}
	return stateValid
}

// listing is what "key list --json" prints.
type listing struct {
	Orgs []orgListing `json:"orgs"`
}

type orgListing struct {
	Org    string        `json:"org"`
	Weight int           `json:"weight"`
	Keys   []keyListItem `json:"keys"`
}

type keyListItem struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Scopes  []keys.Scope `json:"scopes"`  // null: everything
	Expires *time.Time   `json:"expires"` // null: never
	State   string       `json:"state"`
}

func keyListing(orgs []*keys.Org, now time.Time) listing {
	out := listing{Orgs: make([]orgListing, len(orgs))}
	for i, o := range orgs {
		out.Orgs[i] = orgListing{Org: o.Name, Weight: o.Weight, Keys: make([]keyListItem, len(o.Keys))}
		for j, k := range o.Keys {
			item := keyListItem{ID: k.ID, Name: k.Name, Scopes: k.Scopes, State: keyState(k, now)}
			if !k.Expires.IsZero() {
				item.Expires = &k.Expires
			}
			out.Orgs[i].Keys[j] = item
		}
	}
	return out
}

// none stands in a table where there is nothing to say.
const none = "-"

func keyRows(orgs []*keys.Org, now time.Time) [][]string {
	rows := [][]string{{"ORG", "ID", "NAME", "SCOPES", "EXPIRES", "STATE"}}
	for _, o := range orgs {
		for _, k := range o.Keys {
			expires, scopes := "never", "all"
			if !k.Expires.IsZero() {
				expires = k.Expires.Format("2006-01-02 15:04Z")
			}
			if len(k.Scopes) > 0 {
				scopes = joinScopes(k.Scopes)
			}
			rows = append(rows, []string{o.Name, k.ID, k.Name, scopes, expires, keyState(k, now)})
		}
		if len(o.Keys) == 0 {
			rows = append(rows, []string{o.Name, none, none, none, none, "no keys"})
		}
	}
	return rows
}

func joinScopes(scopes []keys.Scope) string {
	s := make([]string, len(scopes))
	for i := range scopes {
		s[i] = string(scopes[i])
	}
	return strings.Join(s, ",")
}

// writeTable writes rows in columns two spaces apart, with what could harm a
// terminal made visible.
func writeTable(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i] = widget.Clean(row[i], false)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(row[i]))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}
