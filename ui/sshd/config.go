package sshd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/backends"
	"pilothouse/ui/desk"
)

// Config is [ssh] of the configuration. All but IdleTimeout is about SSH over TCP.
type Config struct {
	Listen      string            `toml:"listen"`        // "": nobody comes over TCP
	HostKeyFile string            `toml:"host_key_file"` // made at the first start; "": ssh_host_ed25519_key in the state directory
	IdleTimeout backends.Duration `toml:"idle_timeout"`  // 12h, that a dashboard may stay without a key pressed
	Operators   []Operator        `toml:"operator"`
}

// Operator is one [[ssh.operator]]: somebody who may come in.
type Operator struct {
	Name      string    `toml:"name"` // theirs wherever it is told who did something
	Role      desk.Role `toml:"role"`
	PublicKey string    `toml:"public_key"` // "ssh-ed25519 AAAA… comment", as in id_ed25519.pub
}

// SettingError is a setting that cannot be used: which, what it got, and what
// to write instead.
type SettingError struct {
	Index    int    // of the operator; -1: the setting is [ssh]'s own
	Operator string // the operator's name
	Key      string
	Got      string
	Want     string
}

func (e *SettingError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("ssh.%s: got %s, want %s", e.Key, e.Got, e.Want)
	}
	return fmt.Sprintf("ssh operator %q: %s: got %s, want %s", e.Operator, e.Key, e.Got, e.Want)
}

// Fill puts the defaults where nothing was set.
func (c *Config) Fill(stateDir string) {
	if c.HostKeyFile == "" {
		c.HostKeyFile = filepath.Join(stateDir, "ssh_host_ed25519_key")
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = backends.Duration(12 * time.Hour)
	}
}

// Validate finds what Fill cannot mend, one *SettingError each, joined. Where SSH
// is off it looks at the operators all the same.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, got, want string) {
		errs = append(errs, &SettingError{Index: -1, Key: key, Got: got, Want: want})
	}
	if c.Listen != "" {
		_, port, err := net.SplitHostPort(c.Listen)
		if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 && port != "0" {
			bad("listen", strconv.Quote(c.Listen), `an address and a port, like "127.0.0.1:2222", or "" for none`)
		}
		if len(c.Operators) == 0 {
			bad("operator", "none", "an [[ssh.operator]] for everybody who may come in")
		}
	}
	if d := time.Duration(c.IdleTimeout); d < time.Minute {
		bad("idle_timeout", d.String(), "a minute or more")
	}
	_, err := c.known()
	return errors.Join(append(errs, err)...)
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$`)

// known is who may come in, by their key as it is on the wire. The error joins a
// *SettingError for each mistake.
func (c *Config) known() (map[string]Operator, error) {
	var errs []error
	known := make(map[string]Operator)
	names := make(map[string]bool)
	for i, o := range c.Operators {
		bad := func(key, got, want string) {
			errs = append(errs, &SettingError{i, o.Name, key, got, want})
		}
		switch {
		case !nameForm.MatchString(o.Name):
			bad("name", strconv.Quote(o.Name), "64 letters, digits, '-', '_', '.' and '@' at most, beginning with a letter or a digit")
		case names[o.Name]:
			bad("name", strconv.Quote(o.Name)+" twice", "a name of its own")
		}
		names[o.Name] = true
		if !o.Role.Valid() {
			bad("role", strconv.Quote(string(o.Role)), `"viewer", "operator" or "admin"`)
		}
		key, wrong := parseKey(o.PublicKey)
		if wrong != "" {
			bad("public_key", wrong, `one key as in id_ed25519.pub, like "ssh-ed25519 AAAA… ana@laptop"`)
			continue
		}
		if other, taken := known[string(key.Marshal())]; taken {
			bad("public_key", fmt.Sprintf("the key of %q", other.Name), "a key of its own")
		}
		known[string(key.Marshal())] = o
	}
	return known, errors.Join(errs...)
}

// minRSA is the fewest bits of an RSA key (NIST SP 800-131A).
const minRSA = 2048

// parseKey reads a key, or says what is there instead. It never repeats it:
// the wrong text may be a secret.
func parseKey(text string) (_ ssh.PublicKey, wrong string) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, "nothing"
	case strings.Contains(text, "PRIVATE KEY"):
		return nil, "a private key"
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	switch {
	case err != nil:
		return nil, "text that is no public key"
	case len(options) > 0:
		return nil, "a key with options before it"
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, "more than one line"
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256:
		return key, ""
	case ssh.KeyAlgoRSA:
		if n := rsaBits(key); n < minRSA {
			return nil, fmt.Sprintf("an RSA key of %d bits, where %d are the fewest", n, minRSA)
		}
		return key, ""
	}
	return nil, "a key of the type " + strconv.Quote(key.Type())
}
