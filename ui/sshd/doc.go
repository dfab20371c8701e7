// Package sshd is the way in for operators who are elsewhere: the dashboard and
// the one-shot commands, over SSH.
//
//	ssh -p 2222 gateway                     the dashboard
//	ssh -p 2222 gateway status --json       a command: its output, its exit code
//
// # Who gets in
//
// The holders of the keys that the configuration names, each with a name and a
// role. Nothing but a public key is asked for or taken: no password, no
// certificate. Who somebody is comes from the key that they have signed with; the
// user name that the client sends means nothing, and a key that was only
// offered gives nothing. A [Role] says which commands may be run; what is not
// known to be harmless needs an admin.
//
// # What is refused
//
// Forwarding of ports, agents and X11, subsystems (and so sftp and scp), algorithms
// with SHA-1 or CBC, and every variable of the client's environment but those
// that say how to draw. Commands are split into words and not given to any shell:
// there is none behind this server.
//
// # Bounds
//
// Connections that have not proven a key are few, for each address and in all;
// the oldest gives way to the next, so that who sits in the door keeps nobody out.
// Connections and sessions are bounded in all and for each operator. A client
// that has gone without a word, or takes none of its output, is cut off after
// bounded times, and meanwhile holds up its own sessions only. A dashboard
// at which nobody has pressed a key for long ends.
//
// # Concurrency
//
// [New] starts nothing. [Server.Run] owns all goroutines: one for each connection
// and session, and returns after the last. [Server.Apply] may be called at any time.
package sshd
