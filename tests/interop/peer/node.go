// One node of the overlay: magicsock and wireguard-go around the stack of tun.go.
//
// The order of the steps in newNode is load-bearing: magicsock swallows endpoint updates that come before its DERP
// map, and wants the private key before the map. All sockets are bound to one host address, so that nothing of the
// machine's other interfaces is announced or reachable.

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tailscale/wireguard-go/device"
	"tailscale.com/envknob"
	"tailscale.com/health"
	"tailscale.com/ipn/ipnstate"
	"tailscale.com/net/netmon"
	"tailscale.com/net/netns"
	"tailscale.com/net/packet"
	"tailscale.com/net/tstun"
	"tailscale.com/tailcfg"
	"tailscale.com/types/ipproto"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
	"tailscale.com/util/eventbus"
	"tailscale.com/util/usermetric"
	"tailscale.com/wgengine/filter"
	"tailscale.com/wgengine/magicsock"
	"tailscale.com/wgengine/wgcfg"
)

const persistentKeepaliveSeconds = 25

// setDebugKnobs sets what upstream only offers as process-wide switches.
func setDebugKnobs(relayOnly, plainHTTP, websocket bool) {
	netns.SetEnabled(false)
	set := func(name string, on bool) {
		if on {
			envknob.Setenv(name, "true")
		}
	}
	set("TS_DEBUG_USE_DERP_HTTP", plainHTTP)
	set("TS_DEBUG_NEVER_DIRECT_UDP", relayOnly)
	set("TS_DEBUG_DERP_WS_CLIENT", websocket)
}

type nodeOptions struct {
	id          int64      // as announced; 0 draws a random one
	host        netip.Addr // local address of the UDP socket
	namespace   string     // path of the network namespace of that socket; "": our own
	addresses   []netip.Prefix
	derpMap     derpMap
	stun        netip.AddrPort // see derpMap.forMagicsock
	blockDirect bool
	gate        *udpGate // nil: no gate
	logf        logger.Logf
	// changed is called when announcement() would differ. It must not block.
	changed func()
}

type node struct {
	opts    nodeOptions
	private key.NodePrivate
	bus     *eventbus.Bus
	magic   *magicsock.Conn
	wrapper *tstun.Wrapper
	dev     *device.Device
	tun     *netTun

	mu        sync.Mutex
	endpoints []netip.AddrPort
	latency   map[string]float64
	peers     map[uuid]*nodePeer
	byIP      map[netip.Addr]key.NodePublic
	nextID    tailcfg.NodeID
	pings     map[[8]byte]chan struct{}
}

type nodePeer struct {
	magicID   tailcfg.NodeID
	node      *tailnetNode
	keepalive bool
}

// boundListener makes magicsock bind its IPv4 socket to one address and have no IPv6 socket at all. With a gate, packets
// go through it.
type boundListener struct {
	host      netip.Addr
	namespace string
	gate      *udpGate
}

func (l boundListener) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	if network != "udp4" {
		return nil, fmt.Errorf("%s is not used", network)
	}
	port, err := netip.ParseAddrPort("0.0.0.0" + address)
	if err != nil {
		return nil, err
	}
	var conn *net.UDPConn
	listen := func() (err error) {
		conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.host, port.Port())))
		return err
	}
	if l.namespace == "" {
		err = listen()
	} else {
		err = inNamespace(l.namespace, listen)
	}
	if err != nil || l.gate == nil {
		return conn, err
	}
	return gatedConn{conn, l.gate}, nil
}

func newNode(opts nodeOptions) (_ *node, err error) {
	if opts.id == 0 {
		limit := new(big.Int).Lsh(big.NewInt(1), 63)
		random, err := rand.Int(rand.Reader, limit.Sub(limit, big.NewInt(1)))
		if err != nil {
			return nil, err
		}
		opts.id = random.Int64() + 1
	}
	n := &node{
		opts:    opts,
		private: key.NewNode(),
		bus:     eventbus.New(),
		peers:   map[uuid]*nodePeer{},
		byIP:    map[netip.Addr]key.NodePublic{},
		pings:   map[[8]byte]chan struct{}{},
	}
	metrics := new(usermetric.Registry)
	n.magic, err = magicsock.NewConn(magicsock.Options{
		EventBus:               n.bus,
		NetMon:                 netmon.NewStatic(),
		Metrics:                metrics,
		Logf:                   opts.logf,
		HealthTracker:          health.NewTracker(n.bus),
		DisablePortMapper:      true,
		EndpointsFunc:          n.setEndpoints,
		TestOnlyPacketListener: boundListener{opts.host, opts.namespace, opts.gate},
	})
	if err != nil {
		return nil, fmt.Errorf("magicsock: %w", err)
	}
	n.magic.SetNetInfoCallback(n.setNetInfo)
	n.magic.SetNetworkUp(true)
	if err := n.magic.SetPrivateKey(n.private); err != nil {
		return nil, fmt.Errorf("set private key: %w", err)
	}
	if n.tun, err = newNetTun(opts.addresses); err != nil {
		return nil, err
	}
	n.wrapper = tstun.Wrap(opts.logf, n.tun, metrics, n.bus)
	n.wrapper.SetFilter(filter.NewAllowAllForTest(opts.logf))
	n.wrapper.OnTSMPPongReceived = n.pongReceived
	n.wrapper.Start()

	n.dev = wgcfg.NewDevice(n.wrapper, n.magic.Bind(), &device.Logger{Verbosef: opts.logf, Errorf: opts.logf})
	n.dev.SetPeerByIPPacketFunc(func(_, dst netip.Addr, _ []byte) (device.NoisePublicKey, bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		k, ok := n.byIP[dst]
		return k.Raw32(), ok
	})
	n.dev.SetPeerLookupFunc(wgcfg.NewPeerLookupFunc(n.magic.Bind(), opts.logf, n.allowedIPs))
	n.dev.SetSessionStateFunc(func(pub device.NoisePublicKey, state device.PeerSessionState) {
		if state == device.PeerSessionEstablished {
			go n.startKeepalive(pub) // must not call into the device from here
		}
	})
	if err := n.dev.SetPrivateKey(n.private.Raw32()); err != nil {
		return nil, fmt.Errorf("set private key: %w", err)
	}
	if err := n.dev.Up(); err != nil {
		return nil, fmt.Errorf("bring device up: %w", err)
	}
	n.magic.SetDERPMap(opts.derpMap.forMagicsock(opts.stun))
	n.magic.ForceSetNearestDERP(relayRegion)
	return n, nil
}

// close drops everything at once, without a word to any peer.
func (n *node) close() {
	n.dev.Close()
	n.wrapper.Close()
	n.magic.Close()
	n.bus.Close()
}

func (n *node) setEndpoints(endpoints []tailcfg.Endpoint) {
	addrs := make([]netip.AddrPort, 0, len(endpoints))
	for _, e := range endpoints {
		addrs = append(addrs, e.Addr)
	}
	n.mu.Lock()
	n.endpoints = addrs
	n.mu.Unlock()
	if !n.opts.blockDirect {
		n.opts.changed()
	}
}

func (n *node) setNetInfo(info *tailcfg.NetInfo) {
	n.mu.Lock()
	n.latency = info.DERPLatency
	n.mu.Unlock()
	n.opts.changed()
}

// announcement is what to tell the coordinator about this node.
func (n *node) announcement() *tailnetNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	self := &tailnetNode{
		ID:            n.opts.id,
		AsOf:          time.Now(),
		Key:           n.private.Public(),
		Disco:         n.magic.DiscoPublicKey(),
		PreferredDERP: relayRegion,
		DERPLatency:   n.latency,
		Addresses:     n.opts.addresses,
		AllowedIPs:    n.opts.addresses,
	}
	if !n.opts.blockDirect {
		self.Endpoints = n.endpoints
	}
	return self
}

func (n *node) allowedIPs(pub device.NoisePublicKey) ([]netip.Prefix, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		if p.node.Key.Raw32() == pub {
			return p.node.AllowedIPs, true
		}
	}
	return nil, false
}

// setPeer installs a peer or replaces what is known of it. A new node key under an old id means that the other
// side started afresh: its old WireGuard peer goes.
func (n *node) setPeer(id uuid, other *tailnetNode) error {
	if other.PreferredDERP == 0 || other.Key.IsZero() || other.Disco.IsZero() {
		return fmt.Errorf("node without home relay or keys")
	}
	n.mu.Lock()
	if old, ok := n.peers[id]; ok && old.node.Key != other.Key {
		n.mu.Unlock()
		n.removePeer(id)
		n.mu.Lock()
	}
	peer := n.peers[id]
	if peer == nil {
		n.nextID++
		peer = &nodePeer{magicID: n.nextID}
		n.peers[id] = peer
	}
	peer.node = other
	for _, p := range other.AllowedIPs {
		n.byIP[p.Addr()] = other.Key
	}
	view := &tailcfg.Node{
		ID:         peer.magicID,
		Key:        other.Key,
		DiscoKey:   other.Disco,
		HomeDERP:   other.PreferredDERP,
		Addresses:  other.Addresses,
		AllowedIPs: other.AllowedIPs,
	}
	if !n.opts.blockDirect {
		view.Endpoints = other.Endpoints
	}
	n.mu.Unlock()

	n.magic.UpsertPeer(view.View())
	if active, ok := n.dev.LookupActivePeer(other.Key.Raw32()); ok {
		active.SetAllowedIPs(other.AllowedIPs)
	}
	return nil
}

func (n *node) removePeer(id uuid) {
	n.mu.Lock()
	peer, ok := n.peers[id]
	delete(n.peers, id)
	if ok {
		for _, p := range peer.node.AllowedIPs {
			if n.byIP[p.Addr()] == peer.node.Key {
				delete(n.byIP, p.Addr())
			}
		}
	}
	n.mu.Unlock()
	if ok {
		n.magic.RemovePeer(peer.magicID)
		n.dev.RemovePeer(peer.node.Key.Raw32())
	}
}

// startKeepalive switches the persistent keepalive on, once per peer. Earlier than the first handshake it would
// make this side start one.
func (n *node) startKeepalive(pub device.NoisePublicKey) {
	n.mu.Lock()
	var found *nodePeer
	for _, p := range n.peers {
		if p.node.Key.Raw32() == pub && !p.keepalive {
			p.keepalive, found = true, p
		}
	}
	n.mu.Unlock()
	if found == nil {
		return
	}
	err := n.dev.IpcSet(fmt.Sprintf("public_key=%s\nupdate_only=true\npersistent_keepalive_interval=%d\n",
		hex.EncodeToString(pub[:]), persistentKeepaliveSeconds))
	if err != nil {
		n.opts.logf("keepalive: %v", err)
	}
}

// directAddr returns the UDP address in use towards a peer, or "" while its packets go through the relay.
func (n *node) directAddr(other key.NodePublic) string {
	builder := ipnstate.StatusBuilder{WantPeers: true}
	n.magic.UpdateStatus(&builder)
	if status, ok := builder.Status().Peer[other]; ok {
		return status.CurAddr
	}
	return ""
}

// peerList describes all peers for people.
func (n *node) peerList() []object {
	n.mu.Lock()
	keys := map[uuid]key.NodePublic{}
	for id, p := range n.peers {
		keys[id] = p.node.Key
	}
	n.mu.Unlock()
	list := []object{}
	for id, k := range keys {
		list = append(list, object{"id": id, "key": k.ShortString(), "address": n.directAddr(k)})
	}
	return list
}

// ping sends one TSMP ping and waits for its pong.
func (n *node) ping(ctx context.Context, to netip.Addr) error {
	var data [8]byte
	rand.Read(data[:])
	answered := make(chan struct{}, 1)
	n.mu.Lock()
	n.pings[data] = answered
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.pings, data)
		n.mu.Unlock()
	}()
	ip := packet.IP6Header{IPProto: ipproto.TSMP, Src: n.tun.addr, Dst: to}
	if err := n.wrapper.InjectOutbound(packet.Generate(ip, append([]byte{byte(packet.TSMPTypePing)}, data[:]...))); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *node) pongReceived(pong packet.TSMPPongReply) {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case n.pings[pong.Data] <- struct{}{}:
	default:
	}
}
