package sshd

import (
	"crypto/rsa"

	"golang.org/x/crypto/ssh"
)

// tries is how many keys a client may offer: an agent may hold many.
const tries = 20

// newServerConfig is what is agreed upon with clients: what OpenSSH has had since
// 2014 and nothing that uses SHA-1 or CBC. Without recognise nothing has to be
// proven.
func newServerConfig(host ssh.Signer, recognise func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error)) *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		Config: ssh.Config{
			KeyExchanges: []string{
				"mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org",
				"ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
			},
			Ciphers: []string{
				"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com",
				"aes256-ctr", "aes128-ctr",
			},
			MACs: []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"},
		},
		PublicKeyAuthAlgorithms: []string{
			ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
			ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
			ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
		},
		MaxAuthTries:      tries,
		PublicKeyCallback: recognise,
		NoClientAuth:      recognise == nil,
		ServerVersion:     "SSH-2.0-Pilothouse",
	}
	c.AddHostKey(host)
	return c
}

// rsaBits is the size of an RSA key; 0 of another.
func rsaBits(key ssh.PublicKey) int {
	if k, ok := key.(ssh.CryptoPublicKey); ok {
		if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok {
			return r.N.BitLen()
		}
	}
	return 0
}
