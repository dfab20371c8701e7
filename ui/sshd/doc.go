// Package sshd is the control plane, its server and its client: the dashboard and
// the one-shot commands over SSH, from elsewhere over TCP, and from this host
// through a unix socket.
//
//	ssh -p 2222 gateway                     the dashboard
//	ssh -p 2222 gateway status --json       a command: its output, its exit code
//	pilothouse attach                       the same, on the gateway's host ([Attach])
//	pilothouse status --json                ([Call])
//
// # Who gets in
//
// Over TCP: the holders of the keys that the configuration names, each with a name
// and a role. Nothing but a public key is asked for or taken: no password, no
// certificate. Who somebody is comes from the key that they have signed with; the
// user name that the client sends means nothing, and a key that was only
// offered gives nothing.
//
// Through the [Socket]: whoever can open its file, which are the user that serves
// and root. Who it is, the kernel says, of the server as well as of the client, and
// nothing else is proven; they have the role admin.
//
// Each session gets a seat at the desk, with which alone it can act: what a role
// may do is enforced there. A client can ask for less, with PILOTHOUSE_READ_ONLY
// in its environment: its operator is a viewer then.
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
// Connections and sessions are bounded in all and for each operator, those of the
// socket and those of TCP apart. A client that has gone without a word, or takes
// none of its output, is cut off after bounded times, and meanwhile holds up its
// own sessions only. A dashboard at which nobody has pressed a key for long ends.
//
// # Concurrency
//
// [New] starts nothing; [ListenSocket] listens, and who comes waits. [Server.Run]
// owns all goroutines: one for each connection and session, and returns after the
// last. [Server.Apply] may be called at any time.
package sshd
