// A gate in front of the agent's UDP socket: what a firewall does that changes its mind.

package main

import (
	"errors"
	"math/rand"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// udpGate is shared by all sockets that the agent ever opens; its zero value lets everything pass.
type udpGate struct {
	in, out atomic.Pointer[gateRule]
}

// gateRule is what one direction loses; nil: nothing.
type gateRule struct {
	percent int32         // of the packets, at random
	left    *atomic.Int64 // so many pass and then none; nil: no limit
}

const udpUsage = "usage: udp open|closed|closed-in|closed-out|lossy-PERCENT|first-PACKETS"

func (g *udpGate) set(mode string) error {
	all := &gateRule{percent: 100}
	var in, out *gateRule
	name, text, _ := strings.Cut(mode, "-")
	number, err := strconv.ParseInt(text, 10, 32)
	isNumber := err == nil && number >= 0
	switch {
	case mode == "open":
	case mode == "closed":
		in, out = all, all
	case mode == "closed-in":
		in = all
	case mode == "closed-out":
		out = all
	case name == "lossy" && isNumber && number <= 100:
		in = &gateRule{percent: int32(number)}
		out = in
	case name == "first" && isNumber:
		in, out = &gateRule{left: new(atomic.Int64)}, &gateRule{left: new(atomic.Int64)}
		in.left.Store(number)
		out.left.Store(number)
	default:
		return errors.New(udpUsage)
	}
	g.in.Store(in)
	g.out.Store(out)
	return nil
}

func (r *gateRule) loses() bool {
	if r == nil {
		return false
	}
	return r.left != nil && r.left.Add(-1) < 0 || rand.Int31n(100) < r.percent
}

// gatedConn loses what the gate does not let pass. Not being a *net.UDPConn, it gets one packet a call.
type gatedConn struct {
	*net.UDPConn
	gate *udpGate
}

func (c gatedConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil || !c.gate.in.Load().loses() {
			return n, from, err
		}
	}
}

func (c gatedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err != nil || !c.gate.in.Load().loses() {
			return n, from, err
		}
	}
}

func (c gatedConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.gate.out.Load().loses() {
		return len(b), nil
	}
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

func (c gatedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.gate.out.Load().loses() {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}
