package sim

import (
	"io"
	"net/http"
)

// health says whether the engine lives; a hang it doesn't notice, like vLLM's.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.engine.dead:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	default:
	}
	if s.faults.dead() || s.faults.unhealthy() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, encode(map[string]string{"version": Version}))
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	type model struct {
		ID          string  `json:"id"`
		Object      string  `json:"object"`
		Created     int64   `json:"created"`
		OwnedBy     string  `json:"owned_by"`
		Root        string  `json:"root"`
		Parent      *string `json:"parent"`
		MaxModelLen int     `json:"max_model_len"`
	}
	answerJSON(w, http.StatusOK, encode(map[string]any{
		"object": "list",
		"data": []model{{
			ID: s.config.Model, Object: "model", Created: s.created.Unix(), OwnedBy: "pilothouse-sim",
			Root: s.config.Model, MaxModelLen: s.config.MaxModelLen,
		}},
	}))
}

func (s *Server) showFaults(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, encode(map[string]any{"faults": s.Faults()}))
}

func (s *Server) changeFaults(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		s.refuse(w, badRequest("", "read faults: "+err.Error()))
		return
	}
	list, err := parseFaults(data)
	if err == nil {
		err = s.SetFaults(list...)
	}
	if err != nil {
		s.refuse(w, badRequest("faults", err.Error()))
		return
	}
	s.showFaults(w, r)
}
