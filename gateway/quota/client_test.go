package quota

import (
	"net/netip"
	"strings"
	"testing"
)

var proxies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("fd00::/8"),
}

func TestClientAddr(t *testing.T) {
	for _, tc := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "192.0.2.1", nil, "192.0.2.1"},
		{"a stranger's word", "192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a forged first entry", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1", []string{"198.51.100.7, 10.1.1.1"}, "198.51.100.7"},
		{"two headers", "10.0.0.1", []string{"203.0.113.9", "198.51.100.7,10.1.1.1"}, "198.51.100.7"},
		{"the second header all proxies", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7", "10.1.1.1"}, "198.51.100.7"},
		{"only proxies", "10.0.0.1", []string{"10.2.2.2, 10.1.1.1"}, "10.2.2.2"},
		{"trusted without header", "10.0.0.1", nil, "10.0.0.1"},
		{"garbage", "10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1", []string{"198.51.100.7, _hidden, 10.1.1.1"}, "10.1.1.1"},
		{"an empty entry", "10.0.0.1", []string{"198.51.100.7,,10.1.1.1"}, "10.1.1.1"},
		{"an empty header", "10.0.0.1", []string{"198.51.100.7", ""}, "10.0.0.1"},
		{"a port", "10.0.0.1", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", "fd00::1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv6 in brackets", "fd00::1", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"IPv6 with a port", "fd00::1", []string{"[2001:db8::5]:443"}, "2001:db8::5"},
		{"IPv6 with a zone", "fd00::1", []string{"[fe80::5%eth0]:443"}, "fe80::5"},
		{"IPv4 in brackets", "10.0.0.1", []string{"[198.51.100.7]"}, "10.0.0.1"},
		{"IPv4 in IPv6", "::ffff:10.0.0.1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a proxy with a zone", "fd00::1%eth0", []string{"198.51.100.7"}, "198.51.100.7"},
		{"tabs and spaces", "10.0.0.1", []string{"\t198.51.100.7 "}, "198.51.100.7"},
		{"a long entry", "10.0.0.1", []string{"fe80::5%" + strings.Repeat("z", 1000)}, "10.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var forwarded [][]byte
			for _, f := range tc.forwarded {
				forwarded = append(forwarded, []byte(f))
			}
			got := ClientAddr(netip.MustParseAddr(tc.peer), forwarded, proxies)
			if got != netip.MustParseAddr(tc.want) {
				t.Errorf("ClientAddr = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestClientAddrOfNoPeer(t *testing.T) {
	if got := ClientAddr(netip.Addr{}, [][]byte{[]byte("198.51.100.7")}, proxies); got.IsValid() {
		t.Errorf("ClientAddr = %v, want none: a peer without an address is not trusted", got)
	}
}

// The plain way to say what ClientAddr does: all entries of all headers as one
// list, read from its end.
func clientAddrPlain(peer netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	isTrusted := func(a netip.Addr) bool {
		for _, p := range trusted {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	client := peer.Unmap().WithZone("")
	if len(forwarded) == 0 {
		return client
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(client); i-- {
		hop := strings.Trim(hops[i], " \t")
		if len(hop) > longestHop {
			break
		}
		addr, err := netip.ParseAddr(hop)
		if err != nil {
			var ap netip.AddrPort
			ap, err = netip.ParseAddrPort(hop)
			addr = ap.Addr()
		}
		if err != nil && strings.HasPrefix(hop, "[") && strings.HasSuffix(hop, "]") {
			addr, err = netip.ParseAddr(hop[1 : len(hop)-1])
			if err == nil && !strings.Contains(hop, ":") {
				break
			}
		}
		if err != nil {
			break
		}
		client = addr.Unmap().WithZone("")
	}
	return client
}

func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1", "203.0.113.9, 198.51.100.7", "10.1.1.1", true)
	f.Add("10.0.0.1", "[2001:db8::5]:443,fd00::9", "[fd00::2%x]", true)
	f.Add("fd00::1", "::ffff:10.0.0.9:80,unknown", "10.1.1.1:99999", true)
	f.Add("10.0.0.1", "", " ,\t", false)
	f.Fuzz(func(t *testing.T, peer, first, second string, two bool) {
		addr, err := netip.ParseAddr(peer)
		if err != nil {
			addr = netip.MustParseAddr("10.0.0.1")
		}
		forwarded := []string{first}
		if two {
			forwarded = append(forwarded, second)
		}
		raw := make([][]byte, len(forwarded))
		for i, s := range forwarded {
			raw[i] = []byte(s)
		}
		got, want := ClientAddr(addr, raw, proxies), clientAddrPlain(addr, forwarded, proxies)
		if got != want {
			t.Errorf("ClientAddr(%v, %q) = %v, want %v", addr, forwarded, got, want)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("ClientAddr = %v: not plain", got)
		}
	})
}

func BenchmarkClientAddr(b *testing.B) {
	peer := netip.MustParseAddr("10.0.0.1")
	forwarded := [][]byte{[]byte("203.0.113.9, 198.51.100.7, 10.1.1.1")}
	b.ReportAllocs()
	for b.Loop() {
		ClientAddr(peer, forwarded, proxies)
	}
}
