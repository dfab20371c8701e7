package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pilothouse/backends/dockertest"
)

// authority signs certificates.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.file, _, a.cert, a.key = sign(t, name, nil)
	return a
}

// sign makes a certificate for the loopback address, signed by another's key or
// by its own.
func sign(t *testing.T, name string, by *authority) (certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert = &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: by == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := cert, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(file, kind string, der []byte) string {
		file = filepath.Join(dir, file)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", keyDER), cert, key
}

// An engine behind TCP with certificates on both sides lets in whom it knows, and
// is believed only with the certificate that it should have.
func TestTLS(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other\x1b[31m")
	serverCert, serverKey, _, _ := sign(t, "engine", ca)
	clientCert, clientKey, _, _ := sign(t, "pilothouse", ca)
	strangerCert, strangerKey, _, _ := sign(t, "stranger", other)
	addr := reserve(t)
	d := dockertest.Start(t, "--host", "tcp://"+addr, "--tlsverify", "--tlscacert", ca.file, "--tlscert", serverCert, "--tlskey", serverKey)
	d.Talker(t)
	quiet(t)
	_, port, _ := net.SplitHostPort(addr)

	e := open(t, Host{Name: "tls", Host: "tcp://" + addr, TLS: TLS{ca.file, clientCert, clientKey}})
	if v, err := e.Version(t.Context()); err != nil || v.API == "" || v.OS != "linux" {
		t.Errorf("%+v, %v", v, err)
	}
	s := talker(t, d, "", "out:over TLS")
	finished(t, e, s)
	if got := texts(read(t, e, s.Name, LogOptions{})); len(got) != 1 || got[0] != "over TLS" {
		t.Errorf("%q", got)
	}
	for name, o := range map[string]struct {
		host, detail string
		tls          TLS
	}{
		"another authority":       {addr, "certificate", TLS{other.file, clientCert, clientKey}},
		"the system's":            {addr, "certificate", TLS{"", clientCert, clientKey}},
		"another name":            {"localhost:" + port, "certificate", TLS{ca.file, clientCert, clientKey}},
		"no certificate":          {addr, "certificate", TLS{ca.file, "", ""}},
		"a stranger's ":           {addr, "certificate", TLS{ca.file, strangerCert, strangerKey}},
		"nobody, at another port": {reserve(t), "refused", TLS{ca.file, clientCert, clientKey}},
	} {
		e := open(t, Host{Name: "tls", Host: "tcp://" + o.host, TLS: o.tls})
		err := e.Ping(t.Context())
		if got := is[*EngineError](t, err); got.Kind != Away || !strings.Contains(got.Detail, o.detail) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	plainly := open(t, Host{Host: "tcp://" + l.Addr().String(), TLS: TLS{ca.file, clientCert, clientKey}})
	if got := is[*EngineError](t, plainly.Ping(t.Context())); got.Kind != Nonsense || !strings.Contains(got.Detail, "TLS") {
		t.Error(got)
	}
}

// sshServer is a real sshd on the loopback address that knows one key, and a real
// ssh on PATH that has it.
type sshServer struct {
	dir, port string
	user      string
	cmd       *exec.Cmd
}

func startSSH(t *testing.T) *sshServer {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd"
	}
	ssh, err := exec.LookPath("ssh")
	if _, missing := os.Stat(sshd); missing != nil || err != nil {
		t.Fatal("no sshd or ssh here: install openssh-server and openssh-client, or run make deps")
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // which sshd wants, and Debian makes at boot
		t.Fatal(err)
	}
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{dir: t.TempDir(), user: who.Username}
	_, s.port, _ = net.SplitHostPort(reserve(t))
	for _, key := range []string{"host", "mine", "stranger"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.path(key)).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	hostKey, err := os.ReadFile(s.path("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "sshd_config", 0o600, fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
		s.port, s.path("host"), s.path("mine.pub")))
	s.write(t, "known", 0o600, fmt.Sprintf("[127.0.0.1]:%s %s", s.port, hostKey))
	s.configure(t, "mine", "known")
	// The system's ssh, with this configuration and not the user's.
	s.write(t, "bin/ssh", 0o700, fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nexec %s -F %s \"$@\"\n", s.path("args"), ssh, s.path("config")))
	t.Setenv("PATH", s.path("bin")+":"+os.Getenv("PATH"))

	log, err := os.Create(s.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(sshd, "-D", "-e", "-f", s.path("sshd_config"))
	s.cmd.Stderr = log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	until(t, "sshd to listen", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return s
}

func (s *sshServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshServer) write(t *testing.T, name string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (s *sshServer) configure(t *testing.T, key, known string) {
	t.Helper()
	s.write(t, "config", 0o600, fmt.Sprintf("IdentityFile %s\nIdentitiesOnly yes\nUserKnownHostsFile %s\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\n", s.path(key), s.path(known)))
}

// kill ends sshd with its sessions.
func (s *sshServer) kill() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	s.cmd.Wait()
}

// children are those of a process, "self" for the test's own.
func children(t *testing.T, of string) string {
	t.Helper()
	files, err := filepath.Glob("/proc/" + of + "/task/*/children")
	if err != nil || len(files) == 0 {
		t.Fatalf("no list of the children of process %s: %v", of, err)
	}
	var all strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f) // its thread may have ended
		all.Write(text)
	}
	return all.String()
}

// An engine behind SSH is used like any other, through the system's own ssh, and
// what goes wrong there is told.
func TestSSH(t *testing.T) {
	d := sharedEngine(t)
	d.Talker(t)
	quiet(t)
	server := startSSH(t)
	before := children(t, "self")
	h := Host{Name: "far", Host: fmt.Sprintf("ssh://%s@127.0.0.1:%s%s", server.user, server.port, d.Socket)}
	e := open(t, h)
	s := talker(t, d, "", "out:far away", "wait")
	run(t, e, s)
	f := follow(t, e, s.Name, LogOptions{})
	f.has(t, 1)
	if err := e.Restart(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	f.has(t, 3)
	f.end()
	<-f.done
	if got := f.texts(); len(got) != 3 || got[0] != "far away" || got[1] != "terminated" || got[2] != "far away" {
		t.Errorf("%q", got)
	}
	e.Close()
	until(t, "ssh to end", func() bool { return children(t, "self") == before })

	args, err := os.ReadFile(server.path("args"))
	want := fmt.Sprintf("-T -o BatchMode=yes -o ConnectTimeout=10 -l %s -p %s -- 127.0.0.1 docker --host unix://%s system dial-stdio\n", server.user, server.port, d.Socket)
	if err != nil || strings.ReplaceAll(string(args), want, "") != "" {
		t.Errorf("ssh was run with %q, want %q; %v", args, want, err)
	}

	kind := Away
	refuses := func(what, detail string) {
		t.Helper()
		e := open(t, h)
		defer e.Close()
		err := e.Ping(t.Context())
		if got := is[*EngineError](t, err); got.Kind != kind || !strings.Contains(got.Detail, detail) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("%s: %v", what, err)
		}
		until(t, "ssh to end", func() bool { return children(t, "self") == before })
	}
	server.configure(t, "stranger", "known")
	refuses("another key", "Permission denied")
	server.configure(t, "mine", "none")
	refuses("an unknown host", "Host key verification failed")
	server.configure(t, "mine", "known")
	h.Host += ".none"
	refuses("no engine there", "no such file")
	h.Host = strings.TrimSuffix(h.Host, ".none")

	e = open(t, h)
	f = follow(t, e, s.Name, LogOptions{})
	f.has(t, 3)
	sessions := children(t, strconv.Itoa(server.cmd.Process.Pid))
	server.kill()
	for field := range strings.FieldsSeq(sessions) { // which have left its group
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if got := is[*EngineError](t, <-f.done); got.Kind != Away {
		t.Error(got)
	}
	until(t, "ssh to end", func() bool { return len(children(t, "self")) < len(before) })
	before = children(t, "self")
	refuses("no sshd", "Connection refused")
	server.write(t, "bin/ssh", 0o700, "#!/bin/sh\nsleep 1000 &\nsleep 1000\n")
	kind, h.Timeout = Slow, Duration(brief)
	refuses("an ssh that does nothing", brief.String())
	t.Setenv("PATH", t.TempDir())
	kind = Away
	refuses("no ssh", "openssh-client")
}
