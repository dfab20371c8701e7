package sshd

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/backends"
	"pilothouse/ui/desk"
)

func TestConfig(t *testing.T) {
	ana := newPerson(t, t.TempDir(), "ana").public
	bo := newPerson(t, t.TempDir(), "bo").public
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	short, err := ssh.NewPublicKey(&weak.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	valid := func() *Config {
		c := &Config{Listen: "127.0.0.1:2222", Operators: []Operator{{"ana", desk.Admin, ana + "\n"}, {"bo", desk.Viewer, bo}}}
		c.Fill("/var/lib/pilothouse")
		return c
	}
	if c := valid(); c.Validate() != nil || c.HostKeyFile != "/var/lib/pilothouse/ssh_host_ed25519_key" || time.Duration(c.IdleTimeout) != 12*time.Hour {
		t.Errorf("%+v: %v", c, c.Validate())
	}
	off := &Config{}
	off.Fill("")
	if err := off.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		`ssh.listen: got "2222", want an address`:                         func(c *Config) { c.Listen = "2222" },
		`ssh.listen: got "h:ssh", want`:                                   func(c *Config) { c.Listen = "h:ssh" },
		`ssh.listen: got "h:70000", want`:                                 func(c *Config) { c.Listen = "h:70000" },
		`ssh.operator: got none, want an [[ssh.operator]]`:                func(c *Config) { c.Operators = nil },
		`ssh.idle_timeout: got 1s, want a minute or more`:                 func(c *Config) { c.IdleTimeout = backends.Duration(time.Second) },
		`ssh operator "": name: got "", want`:                             func(c *Config) { c.Operators[0].Name = "" },
		`ssh operator "a\nb": name: got "a\nb", want`:                     func(c *Config) { c.Operators[0].Name = "a\nb" },
		`ssh operator "ana": name: got "ana" twice, want`:                 func(c *Config) { c.Operators[1].Name = "ana" },
		`ssh operator "bo": role: got "root", want "viewer", "operator"`:  func(c *Config) { c.Operators[1].Role = "root" },
		`ssh operator "bo": role: got "", want`:                           func(c *Config) { c.Operators[1].Role = "" },
		`ssh operator "bo": public_key: got the key of "ana", want`:       func(c *Config) { c.Operators[1].PublicKey = ana },
		`ssh operator "bo": public_key: got nothing, want`:                func(c *Config) { c.Operators[1].PublicKey = " " },
		`ssh operator "bo": public_key: got text that is no public key`:   func(c *Config) { c.Operators[1].PublicKey = "ssh-ed25519 AAAA secret" },
		`ssh operator "bo": public_key: got a private key`:                func(c *Config) { c.Operators[1].PublicKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret" },
		`ssh operator "bo": public_key: got a key with options before it`: func(c *Config) { c.Operators[1].PublicKey = `from="10.0.0.1" ` + bo },
		`ssh operator "bo": public_key: got more than one line`:           func(c *Config) { c.Operators[1].PublicKey = bo + ana },
		`ssh operator "bo": public_key: got an RSA key of 1024 bits`:      func(c *Config) { c.Operators[1].PublicKey = string(ssh.MarshalAuthorizedKey(short)) },
	} {
		c := valid()
		change(c)
		err := c.Validate()
		var setting *SettingError
		if err == nil || !errors.As(err, &setting) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
