// The inside of the tunnel: a gVisor TCP/IP stack that looks like a TUN device to wireguard-go.
//
// IPv6 only, MTU 1280, with the TCP settings Coder's agents use: SACK on, RACK off, CUBIC, receive buffer up to
// 6 MiB, send buffer up to 4 MiB, five retransmissions. Checksums of what arrives are not verified again:
// WireGuard has authenticated every byte.

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/tailscale/wireguard-go/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	overlayMTU      = 1280
	linkQueueLength = 512
	tunBatchSize    = 128
	overlayNIC      = 1

	// nextHeaderTSMP marks Tailscale's in-band messages. The wrapper around this device answers them; gVisor
	// would send an ICMPv6 error.
	nextHeaderTSMP = 99

	maxReceiveBufferBytes = 6 << 20
	maxSendBufferBytes    = 4 << 20
	maxRetransmissions    = 5
)

// netTun is the TCP/IP stack and the TUN device in one.
type netTun struct {
	stack  *stack.Stack
	link   *channel.Endpoint
	addr   netip.Addr // the first address, source of outgoing connections
	events chan tun.Event

	closing context.Context
	close   context.CancelFunc
	once    sync.Once
}

func newNetTun(addresses []netip.Prefix) (*netTun, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol6},
		HandleLocal:        true,
	})
	sack, recovery, cubic := tcpip.TCPSACKEnabled(true), tcpip.TCPRecovery(0), tcpip.CongestionControlOption("cubic")
	retries := tcpip.TCPMaxRetriesOption(maxRetransmissions)
	for _, option := range []tcpip.SettableTransportProtocolOption{
		&sack, &recovery, &cubic, &retries,
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultReceiveBufferSize, Max: maxReceiveBufferBytes},
		&tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: maxSendBufferBytes},
	} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return nil, fmt.Errorf("set TCP option %T: %v", option, err)
		}
	}
	link := channel.New(linkQueueLength, overlayMTU, "")
	link.LinkEPCapabilities = stack.CapabilityRXChecksumOffload
	if err := s.CreateNIC(overlayNIC, link); err != nil {
		return nil, fmt.Errorf("create NIC: %v", err)
	}
	for _, p := range addresses {
		protocolAddress := tcpip.ProtocolAddress{
			Protocol:          ipv6.ProtocolNumber,
			AddressWithPrefix: tcpip.AddrFrom16(p.Addr().As16()).WithPrefix(),
		}
		if err := s.AddProtocolAddress(overlayNIC, protocolAddress, stack.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("add address %v: %v", p, err)
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv6EmptySubnet, NIC: overlayNIC}})

	t := &netTun{stack: s, link: link, addr: addresses[0].Addr(), events: make(chan tun.Event, 1)}
	t.closing, t.close = context.WithCancel(context.Background())
	t.events <- tun.EventUp
	return t, nil
}

func (t *netTun) File() *os.File           { return nil }
func (t *netTun) MTU() (int, error)        { return overlayMTU, nil }
func (t *netTun) Name() (string, error)    { return "peer", nil }
func (t *netTun) Events() <-chan tun.Event { return t.events }
func (t *netTun) BatchSize() int           { return tunBatchSize }

// Read waits for one packet of the stack, then takes what else is queued.
func (t *netTun) Read(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	packet := t.link.ReadContext(t.closing)
	for packet != nil {
		size := 0
		for _, part := range packet.AsSlices() {
			size += copy(bufs[n][offset+size:], part)
		}
		packet.DecRef()
		sizes[n] = size
		if n++; n == len(bufs) {
			return n, nil
		}
		packet = t.link.Read()
	}
	if n == 0 {
		return 0, os.ErrClosed
	}
	return n, nil
}

// Write hands decrypted packets to the stack.
func (t *netTun) Write(bufs [][]byte, offset int) (int, error) {
	if t.closing.Err() != nil {
		return 0, os.ErrClosed
	}
	for _, b := range bufs {
		ip := b[offset:]
		if len(ip) < header.IPv6MinimumSize || ip[0]>>4 != 6 || ip[6] == nextHeaderTSMP {
			continue
		}
		packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(ip)})
		t.link.InjectInbound(ipv6.ProtocolNumber, packet)
		packet.DecRef()
	}
	return len(bufs), nil
}

// Close ends the device at once: no FIN, no RST, like a process that was killed.
func (t *netTun) Close() error {
	t.once.Do(func() {
		t.close()
		close(t.events)
		t.link.Close()
		go t.stack.Destroy() // waits for goroutines of connections that their owners may still hold
	})
	return nil
}

// dialTCP connects from our address to a port in the overlay.
func (t *netTun) dialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return gonet.DialContextTCP(ctx, t.stack, tcpip.FullAddress{
		NIC: overlayNIC, Addr: tcpip.AddrFrom16(to.Addr().As16()), Port: to.Port(),
	}, ipv6.ProtocolNumber)
}
