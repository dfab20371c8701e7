package gpu

import (
	"strings"
	"testing"
)

const (
	hex64 = "3f4e1f2d5b6a79880123456789abcdef3f4e1f2d5b6a79880123456789abcdef"
	other = "0000000000000000000000000000000000000000000000000000000000000001"
)

func TestContainerOfACgroup(t *testing.T) {
	for name, tc := range map[string]struct{ cgroup, id, unit string }{
		"docker, v1":              {"12:memory:/docker/" + hex64 + "\n1:name=systemd:/docker/" + hex64 + "\n0::/\n", hex64, ""},
		"docker, v1, one line":    {"9:name=systemd:/\n4:memory:/docker/" + hex64 + "\n", hex64, ""},
		"docker, another parent":  {"4:memory:/llm/" + hex64 + "\n", hex64, ""},
		"docker, v2":              {"0::/docker/" + hex64 + "\n", hex64, ""},
		"docker, systemd":         {"0::/system.slice/docker-" + hex64 + ".scope\n", hex64, ""},
		"no newline":              {"0::/system.slice/docker-" + hex64 + ".scope", hex64, ""},
		"containerd under CRI":    {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_0001.slice/cri-containerd-" + hex64 + ".scope\n", hex64, ""},
		"CRI-O":                   {"0::/kubepods.slice/kubepods-pod1.slice/crio-" + hex64 + ".scope\n", hex64, ""},
		"CRI, by cgroupfs":        {"3:devices:/kubepods/burstable/pod0a1b2c3d-0001/" + hex64 + "\n", hex64, ""},
		"containerd, with colons": {"11:cpu,cpuacct:/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:" + hex64 + "\n", hex64, ""},
		"podman":                  {"0::/machine.slice/libpod-" + hex64 + ".scope/container\n", hex64, ""},
		"podman without root":     {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + hex64 + ".scope\n", hex64, ""},
		"podman's watcher":        {"0::/machine.slice/libpod-conmon-" + hex64 + ".scope\n", "", ""},
		"docker in docker":        {"0::/docker/" + hex64 + "/docker/" + other + "\n", hex64, ""},
		"systemd in a container":  {"0::/system.slice/docker-" + hex64 + ".scope/system.slice/app.service\n", hex64, ""},
		"a unit":                  {"0::/system.slice/vllm.service\n", "", "vllm.service"},
		"a user's unit":           {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vllm.service\n", "", "vllm.service"},
		"a session":               {"0::/user.slice/user-1000.slice/session-3.scope\n", "", ""},
		"the root":                {"0::/\n", "", ""},
		"63 digits":               {"0::/docker/" + hex64[1:] + "\n", "", ""},
		"65 digits":               {"0::/docker/a" + hex64 + "\n", "", ""},
		"capitals":                {"0::/docker/" + strings.ToUpper(hex64) + "\n", "", ""},
		"in the controllers":      {"1:" + hex64 + ":/\n", "", ""},
		"nothing":                 {"", "", ""},
		"no cgroup":               {"docker/" + hex64 + "\n", "", ""},
	} {
		if id, unit := container(tc.cgroup); id != tc.id || unit != tc.unit {
			t.Errorf("%s: %q %q", name, id, unit)
		}
	}
}

func FuzzContainer(f *testing.F) {
	f.Add("0::/system.slice/docker-" + hex64 + ".scope\n")
	f.Add("11:cpu,cpuacct:/x.slice:cri-containerd:" + hex64 + "\n1:a:/b.service")
	f.Fuzz(func(t *testing.T, text string) {
		id, unit := container(text)
		if id != "" && (len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" || !strings.Contains(text, id) || unit != "") {
			t.Errorf("%q %q", id, unit)
		}
		if unit != "" && (strings.ContainsAny(unit, "/\n") || !strings.HasSuffix(unit, ".service")) {
			t.Errorf("unit %q", unit)
		}
	})
}
