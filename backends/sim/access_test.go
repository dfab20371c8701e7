package sim_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pilothouse/backends/docker"
	"pilothouse/backends/sim"
)

// Every request that clients make has a line with the status it got, those that the
// gateway makes by itself have none, and neither has one that gets no answer.
func TestAccessLog(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	s := start(t, sim.Config{APIKey: "k", Console: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}})
	all := func() string {
		mu.Lock()
		defer mu.Unlock()
		return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(strings.Join(lines, "\n"), "ADDRESS")
	}
	chat := s.url + "/v1/chat/completions"
	do(t, "POST", chat, "k", body(false, 3))
	do(t, "POST", chat, "k", body(true, 3))
	do(t, "POST", chat, "wrong", body(false, 3))
	do(t, "POST", chat, "k", `{"model":"m","prompt":"a secret"}`)
	do(t, "GET", s.url+"/v1/no%20such?secret=1", "k", "")
	for _, path := range []string{"/health", "/metrics", "/ping"} {
		do(t, "GET", s.url+path, "", "")
	}
	if err := s.SetFaults(sim.Fault{Kind: sim.Reset}); err != nil {
		t.Fatal(err)
	}
	if r, err := http.Post(chat, "application/json", strings.NewReader(body(true, 3))); err == nil {
		r.Body.Close()
	}
	const post = `INFO:     ADDRESS - "POST /v1/chat/completions HTTP/1.1" `
	want := strings.Join([]string{post + "200 OK", post + "200 OK", post + "401 Unauthorized", post + "404 Not Found",
		`INFO:     ADDRESS - "GET /v1/no%20such HTTP/1.1" 404 Not Found`, post + "401 Unauthorized"}, "\n")
	if got := all(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The line of a stream comes with its head, not with its end.
func TestAccessLogOfAStream(t *testing.T) {
	lines := make(chan string, 1)
	s := start(t, sim.Config{Speed: 1, Console: func(line string) { lines <- line }})
	raw(t, s, body(true, 4000)) // some 200 s of work
	select {
	case line := <-lines:
		if !strings.HasSuffix(line, " 200 OK") {
			t.Error(line)
		}
	case <-time.After(20 * time.Second):
		t.Error("it came too late")
	}
}

// What a container's server prints is in the container's log.
func TestDockerLogOfRequests(t *testing.T) {
	_, e, addr := docked(t, 0)
	wait(t, "it serves", func() bool { return serving(addr) })
	do(t, "GET", "http://"+addr+"/v1/models", "", "")
	found := false
	err := e.Logs(t.Context(), "vllm-chat", docker.LogOptions{Tail: 5}, func(l docker.Line) {
		found = found || strings.HasSuffix(l.Text, `"GET /v1/models HTTP/1.1" 200 OK`)
	})
	if err != nil || !found {
		t.Errorf("found %v, error %v", found, err)
	}
}

// A container's address is nobody else's while nothing serves there, and is given
// up at the end.
func TestDockerHoldsItsAddresses(t *testing.T) {
	d, e, addr := docked(t, time.Hour)
	wait(t, "it serves", func() bool { return serving(addr) })
	port := func() (n int) {
		for _, r := range addr[strings.LastIndexByte(addr, ':')+1:] {
			n = 10*n + int(r-'0')
		}
		return n
	}()
	// taken tells whether the address would be refused to one who shares with nobody.
	taken := func() bool {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}) != nil
	}
	if err := e.Restart(t.Context(), "vllm-chat"); err != nil {
		t.Fatal(err)
	}
	if serving(addr) || !taken() {
		t.Errorf("while it loads: connections are taken %v, the address is taken %v", serving(addr), taken())
	}
	if err := e.Stop(t.Context(), "vllm-chat"); err != nil {
		t.Fatal(err)
	}
	if serving(addr) || !taken() {
		t.Errorf("while it is stopped: connections are taken %v, the address is taken %v", serving(addr), taken())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the address is free", func() bool { return !taken() })
}

// The GPU's faults are set as the engine's are, told once, and outlast a restart of
// the engine, which those of the engine do not.
func TestFaultsOfTheGPU(t *testing.T) {
	var mu sync.Mutex
	var told []string
	hooked := sim.Config{Model: testModel, Control: true, Speed: 100, Card: func(f sim.FaultKind) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, string(f))
	}}
	has := func(want string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(told, ","); got != want {
			t.Errorf("the GPU was told %q, want %q", got, want)
		}
	}
	_, e, addr := dockedWith(t, hooked, 0)
	wait(t, "it serves", func() bool { return serving(addr) })
	faults := "http://" + addr + "/sim/faults"
	set := func(list, answers string) {
		t.Helper()
		if _, text := do(t, "POST", faults, "", `{"faults":`+list+`}`); !strings.Contains(text, answers) {
			t.Errorf("%s: answered %s, want %s", list, text, answers)
		}
	}
	set(`[{"kind":"gpu_hot"},{"kind":"gpu_lost"}]`, "one fault of the GPU at a time")
	set(`[{"kind":"gpu_hot","next":3}]`, "next is 3")
	has("")
	set(`[{"kind":"gpu_hot"},{"kind":"freeze"}]`, `{"faults":[{"kind":"gpu_hot"},{"kind":"freeze"}]}`)
	has("gpu_hot")
	if err := e.Restart(t.Context(), "vllm-chat"); err != nil {
		t.Fatal(err)
	}
	wait(t, "it serves again", func() bool { return serving(addr) })
	if _, text := do(t, "GET", faults, "", ""); text != `{"faults":[{"kind":"gpu_hot"}]}` {
		t.Errorf("after a restart: %s", text)
	}
	if status, text := do(t, "POST", "http://"+addr+"/v1/chat/completions", "", body(false, 3)); status != 200 {
		t.Errorf("a GPU's fault has the engine answer %d %s", status, text)
	}
	set(`[{"kind":"gpu_hot"},{"kind":"error_500","next":1}]`, "gpu_hot")
	has("gpu_hot")
	set(`[{"kind":"gpu_full"}]`, "gpu_full")
	set(`[]`, `{"faults":[]}`)
	has("gpu_hot,gpu_full,")

	alone := start(t, sim.Config{Control: true})
	r, err := http.Post(alone.url+"/sim/faults", "application/json", strings.NewReader(`{"faults":[{"kind":"gpu_hot"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 400 || !strings.Contains(string(text), "in the demo only") {
		t.Errorf("without a GPU: %d %s, %v", r.StatusCode, text, err)
	}
	if _, err := sim.ParseFault("gpu_hot"); err == nil {
		t.Error("a command line may give a GPU's fault")
	}
}
