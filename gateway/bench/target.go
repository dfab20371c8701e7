package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// A target is something that clients can be pointed at: the backend itself or
// a gateway in front of it.
type target struct {
	name    string
	program string   // looked up in PATH; "": the backend itself
	debian  string   // the package that has it; "": none
	args    []string // templates over a site
	version []string // arguments that make it tell its version
	files   []string // in conf, rendered into the site's folder
}

const (
	direct     = "direct"
	nginx      = "nginx"
	haproxy    = "haproxy"
	pilothouse = "pilothouse"
)

// targets are all there are, with the path of Pilothouse's binary.
func targets(binary string) []target {
	return []target{
		{name: direct},
		{name: nginx, program: "nginx", debian: "nginx", version: []string{"-v"},
			args: []string{"-c", "{{.Dir}}/nginx.conf"}, files: []string{"nginx.conf"}},
		{name: haproxy, program: "haproxy", debian: "haproxy", version: []string{"-v"},
			args: []string{"-db", "-f", "{{.Dir}}/haproxy.cfg"}, files: []string{"haproxy.cfg"}},
		{name: pilothouse, program: binary, version: []string{"version"},
			args:  []string{"serve", "--config", "{{.Dir}}/pilothouse.toml"},
			files: []string{"pilothouse.toml", "keys.toml"}},
	}
}

// A site is what a target's configuration is rendered from.
type site struct {
	Dir           string // of its own
	Listen, Admin string // host and port
	Backend       string // host and port
	Model         string
	Context       int    // tokens
	Key, KeyHash  string // the client's, and its SHA-256 in hex
	BackendKeyEnv string // the variable that holds the key for the backend
	Files         int    // how many may be open
	Root          bool
}

//go:embed conf
var conf embed.FS

// write renders a target's files into the site's folder and gives its
// arguments.
func (s *site) write(t target) (args []string, err error) {
	for _, name := range t.files {
		text, err := conf.ReadFile("conf/" + name)
		if err != nil {
			return nil, err
		}
		rendered, err := s.render(name, string(text))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(rendered), 0o600); err != nil {
			return nil, err
		}
	}
	for _, a := range t.args {
		rendered, err := s.render("arguments of "+t.name, a)
		if err != nil {
			return nil, err
		}
		args = append(args, rendered)
	}
	return args, nil
}

func (s *site) render(name, text string) (string, error) {
	tmpl, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = tmpl.Execute(&b, s)
	return b.String(), err
}

// find gives a target's program, after installing its package where that is
// missing and we are root.
func (t target) find(ctx context.Context) (string, error) {
	path, err := lookPath(t.program)
	if err == nil {
		return path, nil
	}
	if t.debian == "" {
		return "", fmt.Errorf("find %s: %w (make build makes it; -pilothouse names another)", t.program, err)
	}
	if os.Getuid() != 0 {
		return "", fmt.Errorf("find %s: %w (apt-get install %s, or run this as root, or leave it out with -targets)", t.program, err, t.debian)
	}
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", t.debian}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out[max(0, len(out)-1000):])
		}
	}
	return lookPath(t.program)
}

// lookPath looks where servers are too: Debian keeps them out of a user's PATH.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// banner is the first line that a program tells of its version, with its name.
func (t target) banner(ctx context.Context, path string) string {
	if len(t.version) == 0 {
		return ""
	}
	out, err := exec.CommandContext(ctx, path, t.version...).CombinedOutput()
	if err != nil {
		return t.name + " (version unknown)"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !strings.Contains(strings.ToLower(line), t.name) {
		line = t.name + " " + line
	}
	return line
}
