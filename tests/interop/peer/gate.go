// A gate in front of the agent's UDP socket: what a firewall does that changes its mind.

package main

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// udpGate is shared by all sockets that the agent ever opens; its zero value lets everything pass.
type udpGate struct {
	dropsIn  atomic.Bool
	dropsOut atomic.Bool
}

func (g *udpGate) set(mode string) error {
	in, known := map[string]bool{"open": false, "closed": true, "closed-in": true, "closed-out": false}[mode]
	if !known {
		return errors.New("usage: udp open|closed|closed-in|closed-out")
	}
	g.dropsIn.Store(in)
	g.dropsOut.Store(mode == "closed" || mode == "closed-out")
	return nil
}

// gatedConn loses what the gate does not let pass. Not being a *net.UDPConn, it gets one packet a call.
type gatedConn struct {
	*net.UDPConn
	gate *udpGate
}

func (c gatedConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil || !c.gate.dropsIn.Load() {
			return n, from, err
		}
	}
}

func (c gatedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err != nil || !c.gate.dropsIn.Load() {
			return n, from, err
		}
	}
}

func (c gatedConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.gate.dropsOut.Load() {
		return len(b), nil
	}
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

func (c gatedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.gate.dropsOut.Load() {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}
