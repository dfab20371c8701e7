package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds what is read of a host key file.
const maxKeyFile = 64 << 10

// hostKey reads the key by which clients know this host, or makes it where there
// is none. A file that others can read, or that holds something else, is an error:
// clients would be told to trust what they should not.
func hostKey(path string) (ssh.Signer, error) {
	key, err := readHostKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeHostKey(path); err != nil {
		return nil, fmt.Errorf("make the SSH host key %q: %w", path, err)
	}
	return readHostKey(path)
}

func readHostKey(path string) (ssh.Signer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the SSH host key: %w", err)
	}
	defer f.Close()
	wrong := func(got, remedy string) error {
		return fmt.Errorf("read the SSH host key %q: got %s; %s", path, got, remedy)
	}
	const another = "want an ed25519 key of OpenSSH's without a passphrase; move it away to have one made"
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the SSH host key: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, wrong("what is no file", another)
	case info.Mode().Perm()&0o077 != 0:
		return nil, wrong(fmt.Sprintf("mode %04o", info.Mode().Perm()),
			"want 0600; chmod it, or if somebody may have read it, move it away to have another made")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read the SSH host key: %w", err)
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, wrong("a key with a passphrase", another)
	case err != nil: // whose text might tell of what is in it
		return nil, wrong("what is no private key", another)
	}
	key, ok := raw.(*ed25519.PrivateKey)
	if !ok {
		return nil, wrong("a key of another type", another)
	}
	return ssh.NewSignerFromKey(key)
}

// passingKey is a host key that lasts as long as the process: for a socket, of
// which the kernel says who listens.
func passingKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a host key: %w", err)
	}
	return ssh.NewSignerFromKey(key)
}

// makeHostKey makes a key and puts it in place whole. One that another process has
// put there first stays.
func makeHostKey(path string) (err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "pilothouse")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".ssh_host_key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = tmp.Write(pem.EncodeToMemory(block))
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
