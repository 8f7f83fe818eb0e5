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
	dropsIn  atomic.Bool
	dropsOut atomic.Bool
	// lossPercent of the packets are lost at random in either direction.
	lossPercent atomic.Int32
}

const udpUsage = "usage: udp open|closed|closed-in|closed-out|lossy-PERCENT"

func (g *udpGate) set(mode string) error {
	if text, isLossy := strings.CutPrefix(mode, "lossy-"); isLossy {
		percent, err := strconv.Atoi(text)
		if err != nil || percent < 0 || percent > 100 {
			return errors.New(udpUsage)
		}
		g.lossPercent.Store(int32(percent))
		g.dropsIn.Store(false)
		g.dropsOut.Store(false)
		return nil
	}
	in, known := map[string]bool{"open": false, "closed": true, "closed-in": true, "closed-out": false}[mode]
	if !known {
		return errors.New(udpUsage)
	}
	g.lossPercent.Store(0)
	g.dropsIn.Store(in)
	g.dropsOut.Store(mode == "closed" || mode == "closed-out")
	return nil
}

func (g *udpGate) loses(drops *atomic.Bool) bool {
	return drops.Load() || rand.Int31n(100) < g.lossPercent.Load()
}

// gatedConn loses what the gate does not let pass. Not being a *net.UDPConn, it gets one packet a call.
type gatedConn struct {
	*net.UDPConn
	gate *udpGate
}

func (c gatedConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil || !c.gate.loses(&c.gate.dropsIn) {
			return n, from, err
		}
	}
}

func (c gatedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err != nil || !c.gate.loses(&c.gate.dropsIn) {
			return n, from, err
		}
	}
}

func (c gatedConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.gate.loses(&c.gate.dropsOut) {
		return len(b), nil
	}
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

func (c gatedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.gate.loses(&c.gate.dropsOut) {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}
