package sim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// routes are those of the Engine API, with and without its version before them.
func (d *Docker) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", apiVersion)
		w.Header().Set("Ostype", "linux")
		_, _ = w.Write([]byte("OK")) // whoever asked may be gone
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		give(w, map[string]any{"Version": "simulated", "ApiVersion": apiVersion, "MinAPIVersion": "1.40", "Os": "linux", "Arch": "amd64"})
	})
	mux.HandleFunc("GET /containers/json", func(w http.ResponseWriter, _ *http.Request) {
		all := []any{}
		for _, b := range d.boxes {
			all = append(all, map[string]any{"Id": b.id, "Names": []string{"/" + b.program.Container}})
		}
		give(w, all)
	})
	mux.HandleFunc("GET /events", d.serveEvents)
	mux.HandleFunc("GET /images/{name...}", func(w http.ResponseWriter, r *http.Request) {
		give(w, map[string]any{"Id": "sha256:simulated"})
	})
	mux.HandleFunc("GET /networks", func(w http.ResponseWriter, _ *http.Request) { give(w, []any{}) })
	for pattern, do := range map[string]func(*box, http.ResponseWriter, *http.Request){
		"GET /containers/{name}/json": func(b *box, w http.ResponseWriter, _ *http.Request) { give(w, b.inspect()) },
		"GET /containers/{name}/logs": (*box).serveLog,
		"POST /containers/{name}/start": func(b *box, w http.ResponseWriter, _ *http.Request) {
			if err := b.start(b.program.Load); err != nil {
				refuse(w, http.StatusInternalServerError, err.Error())
				return
			}
			w.WriteHeader(http.StatusNoContent)
		},
		"POST /containers/{name}/stop": func(b *box, w http.ResponseWriter, _ *http.Request) {
			b.stop()
			w.WriteHeader(http.StatusNoContent)
		},
		"POST /containers/{name}/restart": func(b *box, w http.ResponseWriter, _ *http.Request) {
			b.stop()
			if err := b.start(b.program.Load); err != nil {
				refuse(w, http.StatusInternalServerError, err.Error())
				return
			}
			w.WriteHeader(http.StatusNoContent)
		},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			name := r.PathValue("name")
			i := slices.IndexFunc(d.boxes, func(b *box) bool { return b.id == name || b.program.Container == name })
			if i < 0 {
				refuse(w, http.StatusNotFound, "No such container: "+name)
				return
			}
			do(d.boxes[i], w, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotImplemented, "a simulated Docker engine can't do that")
	})
	version := regexp.MustCompile(`^/v\d+\.\d+`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.ReplaceAllString(r.URL.Path, "")
		mux.ServeHTTP(w, r)
	})
}

func give(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // whoever asked may be gone
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// inspect is the container as the Engine API tells of it.
func (b *box) inspect() any {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := map[string]any{"Status": "exited", "Running": false, "Pid": 0, "ExitCode": b.code, "Error": "",
		"StartedAt": stamp(b.started), "FinishedAt": stamp(b.finished)}
	if b.run != nil {
		state["Status"], state["Running"] = "running", true
	}
	return map[string]any{
		"Id": b.id, "Name": "/" + b.program.Container, "Created": stamp(b.created), "Image": "sha256:simulated", "State": state,
		"Config": map[string]any{"Image": b.program.Image, "Labels": map[string]string{}, "StopTimeout": 10},
		"HostConfig": map[string]any{"RestartPolicy": map[string]any{"Name": "unless-stopped"},
			"DeviceRequests": []any{map[string]any{"Driver": "nvidia", "DeviceIDs": []string{b.program.GPU}}}},
		"NetworkSettings": map[string]any{},
	}
}

// stamp is a time as the Engine API writes it.
func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

// event is one of the Engine API.
type event struct {
	Type, Action string
	Actor        actor
	Time         int64 `json:"time"`
	TimeNano     int64 `json:"timeNano"`
}

type actor struct {
	ID         string
	Attributes map[string]string
}

// Of events so many are remembered, and so many wait for a reader: one that is
// slower is cut off, and asks again.
const (
	pastEvents    = 256
	waitingEvents = 64
)

// tell tells all who watch what has happened to a container.
func (d *Docker) tell(b *box, action string, code int) {
	now := time.Now()
	e := event{Type: "container", Action: action, Time: now.Unix(), TimeNano: now.UnixNano(),
		Actor: actor{ID: b.id, Attributes: map[string]string{"name": b.program.Container, "image": b.program.Image}}}
	if action == "die" {
		e.Actor.Attributes["exitCode"] = string('0' + rune(code))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past = append(d.past, e)
	d.past = d.past[max(0, len(d.past)-pastEvents):]
	for to := range d.watched {
		select {
		case to <- e:
		default:
			delete(d.watched, to)
			close(to)
		}
	}
}

// serveEvents tells events from a moment on, until whoever asked has gone.
func (d *Docker) serveEvents(w http.ResponseWriter, r *http.Request) {
	to := make(chan event, waitingEvents)
	since := moment(r.URL.Query().Get("since"))
	d.mu.Lock()
	var before []event
	for _, e := range d.past {
		if !since.IsZero() && !time.Unix(0, e.TimeNano).Before(since) {
			before = append(before, e)
		}
	}
	d.watched[to] = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.watched, to)
		d.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	way := http.NewResponseController(w)
	for _, e := range before {
		if out.Encode(e) != nil {
			return
		}
	}
	for way.Flush() == nil {
		select {
		case e, ok := <-to:
			if !ok || out.Encode(e) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
