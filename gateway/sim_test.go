package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"pilothouse/backends"
	"pilothouse/backends/sim"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// The reference deployment's models, on simulated engines.
const (
	chatModel = "Qwen/Qwen2.5-7B-Instruct"
	sqlModel  = "Snowflake/Arctic-Text2SQL-R1-7B"
)

// simulator is a vLLM-shaped server on a real socket.
type simulator struct {
	*sim.Server
	URL string
}

// simulate starts a simulator that ends with the test. It is fast, and wants
// the gateway's key.
func simulate(t testing.TB, c sim.Config) *simulator {
	t.Helper()
	if c.Model == "" {
		c.Model = chatModel
	}
	if c.Speed == 0 {
		c.Speed = 200
	}
	c.APIKey = backendKey
	server, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	return &simulator{server, "http://" + l.Addr().String()}
}

// Do asks the simulator itself, without a gateway.
func (s *simulator) Do(t testing.TB, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+backendKey)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// platform is the reference deployment with simulated engines.
type platform struct {
	*service
	Chat, SQL *simulator
}

func servePlatform(t testing.TB, change ...func(*setup)) *platform {
	t.Helper()
	p := &platform{Chat: simulate(t, sim.Config{}), SQL: simulate(t, sim.Config{Model: sqlModel, Kind: sim.Text2SQL})}
	p.service = serve(t, append([]func(*setup){func(s *setup) {
		chat, sql := testBackend("chat", chatModel, p.Chat.URL), testBackend("text2sql", sqlModel, p.SQL.URL)
		chat.Aliases, chat.MaxContext, chat.MaxN = []string{"gpt-4o-mini"}, 8192, 4
		sql.Routes, sql.MaxContext = []string{"/text2sql"}, 8192
		s.Backends = []backends.Config{chat, sql}
	}}, change...)...)
	return p
}

// SDK is the official client with a key of that name. It does not retry.
func (s *service) SDK(key string, more ...option.RequestOption) openai.Client {
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(s.URL() + "/v1"), option.WithAPIKey(s.Key(key)), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: transport}),
	}, more...)...)
}

// unalike are the members whose values differ between two answers to the same
// question.
var unalike = regexp.MustCompile(`"(id|created)":("[^"]*"|\d+)`)

func alike(answer string) string { return unalike.ReplaceAllString(answer, `"$1":"-"`) }

// difference is the first line in which two texts differ; "" where none does.
func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return fmt.Sprintf("line %d of %d and %d:\n%s\n%s", i+1, len(a), len(b), x, y)
		}
	}
	return ""
}
