package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What an engine tells of containers can be shown, whatever it is.
func TestHostileText(t *testing.T) {
	quiet(t)
	const evil = "a\x1b[31m\n\u202e\x00b"
	mine := Spec{Name: "vllm" + evil, Image: evil, Command: []string{evil}, Environment: map[string]string{evil: evil}, Labels: map[string]string{evil: evil},
		Networks: []Network{{Name: evil, Aliases: []string{evil}}}, Volumes: []string{evil}, GPUs: []string{evil}, Secrets: map[string]Secret{evil: {}}}
	text, err := json.Marshal(record{Spec: mine, Secrets: map[string]string{evil: evil}})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]any{
		"Id": strings.Repeat("a", 64), "Name": "/" + plain("vllm"+evil), "Image": evil, "State": map[string]any{"Status": evil, "Error": evil, "Health": map[string]any{"Status": evil}},
		"Config":          map[string]any{"Image": evil, "Labels": map[string]string{evil: evil, labelManaged: "true", labelBackend: evil, labelSpec: string(text)}},
		"HostConfig":      map[string]any{"RestartPolicy": map[string]any{"Name": evil, "MaximumRetryCount": 3}, "DeviceRequests": []any{map[string]any{"DeviceIDs": []string{evil}}}},
		"NetworkSettings": map[string]any{"Networks": map[string]any{evil: map[string]any{"Aliases": []string{evil}}}, "Ports": map[string]any{"8000/tcp": []any{map[string]any{"HostPort": evil}}}},
	}
	e := fakeHTTP(t, patient, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/events"):
			json.NewEncoder(w).Encode(map[string]any{"Type": "container", "Action": evil, "timeNano": 5, "Actor": map[string]any{"ID": evil, "Attributes": map[string]string{"name": evil, "image": evil, labelBackend: evil}}})
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(r.URL.Path, "/images/create"):
			json.NewEncoder(w).Encode(map[string]any{"status": evil, "id": evil})
		case strings.Contains(r.URL.Path, "/images/"):
			io.WriteString(w, `{"Id":"sha256:1"}`)
		case strings.HasSuffix(r.URL.Path, "/version"):
			json.NewEncoder(w).Encode(map[string]string{"Version": evil, "Os": evil, "Arch": evil})
		default:
			json.NewEncoder(w).Encode(known)
		}
	})
	shown := make(map[string]any)
	c, err := e.Inspect(t.Context(), strings.Repeat("a", 64))
	if err != nil {
		t.Fatal(err)
	}
	made := c.made
	c.made = nil // which is not shown, but for what Diff says of it
	shown["container"], shown["words"] = c, c.Words()
	c.made = &record{Spec: mine, Secrets: map[string]string{evil: evil}}
	shown["diff"] = Diff(plan(t, Spec{Name: "vllm", Image: "i"}), c)
	if made != nil {
		t.Error("a container with another name in its label is ours")
	}
	if shown["version"], err = e.Version(t.Context()); err != nil {
		t.Error(err)
	}
	if err := e.EnsureImage(t.Context(), "i", "always", func(p Progress) { shown["progress"] = p }); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e.Events(ctx, func(ev Event) { shown["event"] = ev; cancel() })
	for what, v := range shown {
		if text := fmt.Sprintf("%+v", v); strings.ContainsAny(text, "\x1b\n\x00\u202e") || !strings.Contains(text, `a\x1b[31m\n\u202e\x00b`) {
			t.Errorf("%s: %q", what, text)
		}
	}
}
