package backends

import "testing"

func TestWhose(t *testing.T) {
	with := func(host, id, name string, inFlight int) ReplicaStatus {
		return ReplicaStatus{InFlight: inFlight, Container: &ContainerStatus{Host: host, ID: id, Name: name}}
	}
	s := &Snapshot{Backends: []BackendStatus{
		{Name: "a", Replicas: []ReplicaStatus{with("here", "1", "vllm-a-1", 2), with("there", "2", "vllm-a-2", 3)}},
		{Name: "b", Replicas: []ReplicaStatus{{InFlight: 5}, with("here", "2", "vllm-b", 0)}},
	}}
	for backend, want := range map[string]int{"a": 5, "b": 5, "c": 0} {
		if got := s.InFlight(backend); got != want {
			t.Errorf("%s: %d in flight, want %d", backend, got, want)
		}
	}
	for id, want := range map[string][2]string{"1": {"vllm-a-1", "a"}, "2": {"vllm-b", "b"}, "3": {}} {
		if name, backend := s.Container(id, []string{"here"}); name != want[0] || backend != want[1] {
			t.Errorf("container %s: %q of %q, want %q", id, name, backend, want)
		}
	}
}
