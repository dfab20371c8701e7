package gpu

import "strings"

// container finds out of a /proc/PID/cgroup which container a process is in, by
// its id of 64 hexadecimal digits, or else which systemd unit; "" for neither.
//
// The outermost container counts: it is the one that this host's engine knows,
// and what a process inside names its own groups can't change it. Known are the
// names of Docker (/docker/ID, docker-ID.scope), of containerd and CRI-O below
// Kubernetes (cri-containerd-ID.scope, crio-ID.scope, …:cri-containerd:ID, ID)
// and of podman (libpod-ID.scope), in cgroup v1 and v2, with whatever parent.
func container(cgroup string) (id, unit string) {
	for line := range strings.Lines(cgroup) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":") // hierarchy:controllers:path
		_, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(path, "/") {
			if id := containerID(part); id != "" {
				return id, ""
			}
			if strings.HasSuffix(part, ".service") {
				unit = part // the innermost: a user's service is below user@1000.service
			}
		}
	}
	return "", unit
}

// containerID is the id in a group's name; "" where there is none.
func containerID(group string) string {
	name := strings.TrimSuffix(group, ".scope")
	cut := strings.LastIndexAny(name, "-:") + 1
	id := name[cut:]
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" || strings.HasPrefix(name, "libpod-conmon-") {
		return "" // conmon watches a container, from outside
	}
	return id
}
