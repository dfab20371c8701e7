package quota

import (
	"bytes"
	"net/netip"
)

// ClientAddr returns the address that a request counts for. That is the peer's,
// unless the peer lies in a trusted network: then the last address in the
// X-Forwarded-For headers that does not, since everything before it was written
// by someone whose word is worth nothing. forwarded holds the values of the
// headers in the order in which they came.
//
// The walk goes from the end and stops at what is no address ("unknown", a name,
// nothing at all): the answer is then the last proxy before it. If every address
// is trusted, it is the first of them. Ports, brackets and zones are cut off
// and IPv4 in IPv6 is unwrapped, in the answer too. It keeps nothing of forwarded.
func ClientAddr(peer netip.Addr, forwarded [][]byte, trusted []netip.Prefix) netip.Addr {
	client := plain(peer)
	for i := len(forwarded) - 1; i >= 0; i-- {
		for line, more := forwarded[i], true; more; {
			if !contains(trusted, client) {
				return client
			}
			var hop []byte
			if comma := bytes.LastIndexByte(line, ','); comma >= 0 {
				line, hop = line[:comma], line[comma+1:]
			} else {
				hop, more = line, false
			}
			addr, ok := parseHop(hop)
			if !ok {
				return client
			}
			client = addr
		}
	}
	return client
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// longestHop is more than any address with a zone and a port takes.
const longestHop = 128

// parseHop reads one entry: an address, alone or with a port, an IPv6 one in
// brackets or not.
func parseHop(hop []byte) (netip.Addr, bool) {
	hop = bytes.Trim(hop, " \t")
	if len(hop) == 0 || len(hop) > longestHop {
		return netip.Addr{}, false
	}
	s := string(hop)
	if addr, err := netip.ParseAddr(s); err == nil {
		return plain(addr), true
	}
	if s[0] == '[' && s[len(s)-1] == ']' {
		addr, err := netip.ParseAddr(s[1 : len(s)-1])
		return plain(addr), err == nil && addr.Is6()
	}
	ap, err := netip.ParseAddrPort(s)
	return plain(ap.Addr()), err == nil
}
