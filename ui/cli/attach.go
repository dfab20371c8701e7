package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"
)

// AttachOptions are what the command attach needs from main.
type AttachOptions struct {
	// Here shows the dashboard of the gateway that serves on this host.
	Here func(ctx context.Context) error
	// ReadOnly tells whether the screen is to be a viewer's; asked when the command
	// runs.
	ReadOnly func() bool
}

// NewAttach makes the command that shows the dashboard of a gateway which serves
// already.
func NewAttach(opt AttachOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "attach [[USER@]HOST[:PORT]]",
		Short: "Show the dashboard of a gateway that serves already",
		Long: `Show the dashboard of the gateway that serves on this host, through its control socket;
or of one elsewhere, with OpenSSH's client, to port 2222 unless another is given. q
leaves it, and so does ctrl-z; the gateway goes on either way.`,
		Example: `  pilothouse attach
  pilothouse attach gpu1.example.com
  pilothouse attach --read-only gpu1.example.com:2022`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return opt.Here(cmd.Context())
			}
			line, err := sshLine(args[0], opt.ReadOnly())
			if err != nil {
				return err
			}
			return become(line)
		},
	}
}

// sshPort is where gateways listen for SSH unless it is said otherwise.
const sshPort = "2222"

// sshLine is the command line of OpenSSH's client for a target: "host",
// "user@host:port", "[2001:db8::1]:port".
func sshLine(target string, readOnly bool) ([]string, error) {
	user, host, named := strings.Cut(target, "@")
	if !named {
		user, host = "", target
	}
	port := sshPort
	switch {
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		host = host[1 : len(host)-1]
	case strings.HasPrefix(host, "[") || strings.Count(host, ":") == 1:
		var err error
		if host, port, err = net.SplitHostPort(host); err != nil {
			return nil, usagef("attach to %q: %w", target, err)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch odd := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }; {
	case err != nil || n == 0:
		return nil, usagef("attach to %q: %q is no port; want 1 to 65535", target, port)
	case host == "" || named && user == "" || host[0] == '-' || strings.HasPrefix(user, "-") || strings.ContainsFunc(target, odd) || strings.Contains(host, "@"):
		return nil, usagef("attach to %q: want a host, as in ana@gpu1:2222", target)
	}
	line := []string{"ssh", "-t", "-p", port, "-o", "SendEnv=LANG LC_* COLORTERM NO_COLOR"}
	if readOnly {
		line = append(line, "-o", "SetEnv=PILOTHOUSE_READ_ONLY=1")
	}
	if named {
		host = user + "@" + host
	}
	return append(line, "--", host), nil
}

// become has another program take this one's place: its terminal, its signals, its
// exit code.
func become(line []string) error {
	path, err := exec.LookPath(line[0])
	if err != nil {
		return fmt.Errorf("find OpenSSH's client: %w; install it, or log in on that host and run there: pilothouse attach", err)
	}
	if err := syscall.Exec(path, line, os.Environ()); err != nil {
		return fmt.Errorf("run %q: %w", path, err)
	}
	return nil
}
