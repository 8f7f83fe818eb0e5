// The STUN server: upstream's codec around one socket. It wants SOFTWARE and FINGERPRINT, as Tailscale's does.
//
// Not upstream's stunserver, because it answers at once: on loopback the answer can overtake the return of the
// sender's system call, magicsock's netcheck then notes that it cannot send IPv4, and the next check rebinds the
// sockets and drops the relay connection, at times with the first handshake in it (5 s lost).

package main

import (
	"context"
	"net"
	"net/netip"
	"time"

	"tailscale.com/net/stun"
)

const stunDelay = 3 * time.Millisecond

// startSTUN serves on a free port of host until ctx ends.
func startSTUN(ctx context.Context, host netip.Addr) (addr netip.AddrPort, err error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		return addr, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			transaction, err := stun.ParseBindingRequest(buf[:n])
			if err != nil {
				continue
			}
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			response := stun.Response(transaction, from)
			time.AfterFunc(stunDelay, func() { conn.WriteToUDPAddrPort(response, from) })
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}
