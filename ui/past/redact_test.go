package past

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	got, err := Redact([]byte(`
[server]
listen = "127.0.0.1:8080"
[[backend]]
name = "chat"
urls = ["http://user:hunter2@chat:8000", "http://chat-1:8000"]
api_key_env = "BACKEND_KEY"
api_key = "hunter2"
[backend.container]
environment = { HF_TOKEN = "hunter2", HF_HUB_OFFLINE = "0" }
secrets = { VLLM_API_KEY = { env = "BACKEND_KEY" } }
command = ["model", "--max-model-len", "8192"]
[backend.container.ulimits]
password = 12345
`))
	if err != nil {
		t.Fatal(err)
	}
	s := string(got)
	for _, secret := range []string{"hunter2", "12345"} {
		if strings.Contains(s, secret) {
			t.Errorf("%s is still there:\n%s", secret, s)
		}
	}
	for _, plain := range []string{"127.0.0.1:8080", "chat-1:8000", "'BACKEND_KEY'", "HF_TOKEN", "--max-model-len"} {
		if !strings.Contains(s, plain) {
			t.Errorf("%s is gone:\n%s", plain, s)
		}
	}
	if _, err := Redact([]byte("= nonsense")); err == nil {
		t.Error("nonsense was read")
	}
}
