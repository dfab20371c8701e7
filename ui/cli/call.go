package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"pilothouse/ui/widget"
)

// ErrNotServing means that no process serves where a command has to run in one.
// The program exits with code 3 then.
var ErrNotServing = errors.New("nothing serves here; start it with: pilothouse serve")

// answerTime is how long a serving process may take to begin with a command.
const answerTime = 15 * time.Second

// CallControl has the process that listens at path run a command line, without
// the program's name, copies its output and returns its exit code. The command
// ends when ctx does. The error is [ErrNotServing] when nothing listens there.
func CallControl(ctx context.Context, path string, args []string, out, errOut io.Writer) (int, error) {
	body, err := json.Marshal(request{Args: args})
	if err != nil {
		return 0, fmt.Errorf("send the command: %w", err)
	}
	if len(body) > maxArgs {
		return 0, usagef("the arguments are too long: %d bytes, of %d at most", len(body), maxArgs)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control"+controlRoute, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("send the command: %w", err)
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: answerTime,
	}}
	resp, err := client.Do(req)
	switch {
	case err != nil && gone(err):
		return 0, ErrNotServing
	case errors.Is(err, fs.ErrPermission):
		return 0, fmt.Errorf("ask the process that serves, through %q: permission denied; run this as the user that it runs as", path)
	case err != nil:
		return 0, fmt.Errorf("ask the process that serves, through %q: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what came of it is enough
		return 0, fmt.Errorf("ask the process that serves: %s: %s",
			resp.Status, widget.Clean(strings.TrimSpace(string(reason)), false))
	}
	return readFrames(resp.Body, out, errOut)
}
