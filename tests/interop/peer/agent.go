// The workspace agent: a node that the coordinator knows by the agent's UUID, and the services behind it.
//
//	1, 22  SSH
//	7001   source: reads a count (u64 BE), sends that many bytes, closes
//	7002   sink: reads to EOF, answers the count (u64 BE), closes
//	7003   echo
//	other  forwarded to 127.0.0.1:port, then [::1]:port; RST when nothing listens. TCP and UDP alike.

package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
	"tailscale.com/types/logger"
)

const (
	portSSH       = 1
	portSSHCommon = 22
	portSource    = 7001
	portSink      = 7002
	portEcho      = 7003

	maxHandshakesInFlight = 1024
	forwardDialTimeout    = 10 * time.Second
	udpForwardIdle        = 2 * time.Minute

	// lostPeerLife is how long a peer that lost its coordinator may keep its tunnel.
	lostPeerLife = 15 * time.Minute

	reannounceDelay = 50 * time.Millisecond
)

type agentOptions struct {
	id           uuid
	release      release
	host         netip.Addr
	namespace    string // see nodeOptions
	derpMap      derpMap
	stun         netip.AddrPort
	blockDirect  bool
	gate         *udpGate // nil: no gate
	ssh          *sshService
	coordination *coordination
	logf         logger.Logf
}

type agent struct {
	opts  agentOptions
	node  *node
	dirty chan struct{} // holds a token when the node must be announced again

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	lost map[uuid]*time.Timer
}

func startAgent(opts agentOptions) (*agent, error) {
	a := &agent{opts: opts, dirty: make(chan struct{}, 1), lost: map[uuid]*time.Timer{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	id, addresses := agentIdentity(opts.id, opts.release)
	n, err := newNode(nodeOptions{
		id:          id,
		host:        opts.host,
		namespace:   opts.namespace,
		addresses:   addresses,
		derpMap:     opts.derpMap,
		stun:        opts.stun,
		blockDirect: opts.blockDirect,
		gate:        opts.gate,
		logf:        opts.logf,
		changed: func() {
			select {
			case a.dirty <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return nil, err
	}
	a.node = n
	forwarder := tcp.NewForwarder(n.tun.stack, 0, maxHandshakesInFlight, a.acceptTCP)
	n.tun.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, forwarder.HandlePacket)
	udpForwarder := udp.NewForwarder(n.tun.stack, a.acceptUDP)
	n.tun.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udpForwarder.HandlePacket)
	a.done.Go(a.coordinate)
	return a, nil
}

// agentIdentity is what an agent calls itself: an id, 0 for one that each process draws, and the addresses that are its own.
func agentIdentity(id uuid, at release) (nodeID int64, addresses []netip.Prefix) {
	if at.has(agentUUIDAddress) {
		nodeID = agentNodeID(id)
		addresses = append(addresses, hostPrefix(id.addressIn(prefixTailscale)))
	}
	if !at.has(noJSON) {
		addresses = append(addresses, hostPrefix(legacyAgentAddress))
	}
	if at.has(coderPrefix) {
		addresses = append(addresses, hostPrefix(id.addressIn(prefixCoder)))
	}
	return nodeID, addresses
}

// agentNodeID is Coder's rule: the last eight bytes of the UUID as a positive number.
func agentNodeID(id uuid) int64 {
	var v int64
	for _, b := range id[8:] {
		v = v<<8 | int64(b)
	}
	if v < 0 {
		v = -v
	}
	return v
}

// kill ends the agent like a lost machine: peers learn of it from silence, and from the coordinator's LOST.
func (a *agent) kill() {
	a.cancel()
	a.node.close()
	a.opts.ssh.closeConnections()
	a.opts.ssh.killProcesses()
	a.done.Wait()
}

// shutdown ends the agent politely: SSH connections are closed and their FINs get out first.
func (a *agent) shutdown() {
	a.opts.ssh.closeConnections()
	time.Sleep(100 * time.Millisecond)
	a.kill()
}

// coordinate keeps the agent registered with whatever coordinator there is.
func (a *agent) coordinate() {
	for a.ctx.Err() == nil {
		a.coordinateOnce(a.opts.coordination.coordinator())
		select {
		case <-a.ctx.Done():
		case <-time.After(reannounceDelay):
		}
	}
}

func (a *agent) coordinateOnce(c *coordinator) {
	self, err := c.connect(a.opts.id, uuid{})
	if err != nil {
		return
	}
	defer c.lose(self)
	announce := func() {
		c.handle(self, coordinateRequest{UpdateSelf: a.node.announcement().encode()})
	}
	announce()
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-a.dirty:
			announce()
		case response, ok := <-self.out:
			if !ok {
				return
			}
			for _, u := range response.Updates {
				if a.applyUpdate(u) && a.opts.release.has(readyForHandshake) {
					c.handle(self, coordinateRequest{ReadyForHandshake: [][]byte{u.ID[:]}})
				}
			}
		}
	}
}

// applyUpdate reports whether the peer in question is now ready for a handshake.
func (a *agent) applyUpdate(u peerUpdate) bool {
	a.mu.Lock()
	if timer := a.lost[u.ID]; timer != nil {
		timer.Stop()
		delete(a.lost, u.ID)
	}
	a.mu.Unlock()
	switch u.Kind {
	case kindNode:
		other, err := decodeNode(u.Node)
		if err == nil {
			if !a.opts.release.has(dRPCCoordination) {
				u.ID = peerOfNode(other.ID) // what JSON says of clients
			}
			err = a.node.setPeer(u.ID, other)
		}
		if err != nil {
			a.opts.logf("peer %v ignored: %v", u.ID, err)
		}
		return err == nil
	case kindDisconnected:
		a.node.removePeer(u.ID)
	case kindLost:
		a.mu.Lock()
		a.lost[u.ID] = time.AfterFunc(lostPeerLife, func() { a.node.removePeer(u.ID) })
		a.mu.Unlock()
	}
	return false
}

// acceptTCP runs on a goroutine of its own for each SYN.
func (a *agent) acceptTCP(request *tcp.ForwarderRequest) {
	port := request.ID().LocalPort
	var serve func(net.Conn)
	switch port {
	case portSSH:
		serve = a.opts.ssh.serve
	case portSource:
		serve = serveSource
	case portSink:
		serve = serveSink
	case portEcho:
		serve = serveEcho
	default:
		if port == portSSHCommon && a.opts.release.has(commonSSHPort) {
			serve = a.opts.ssh.serve
			break
		}
		backend, err := a.dialLocal("tcp", port)
		if err != nil {
			request.Complete(true)
			return
		}
		serve = func(c net.Conn) { splice(c, backend) }
		defer backend.Close()
	}
	var queue waiter.Queue
	endpoint, err := request.CreateEndpoint(&queue)
	if err != nil {
		request.Complete(true)
		return
	}
	request.Complete(false)
	conn := gonet.NewTCPConn(&queue, endpoint)
	defer conn.Close()
	serve(conn)
}

// acceptUDP runs in the packet path and must not block.
func (a *agent) acceptUDP(request *udp.ForwarderRequest) bool {
	var queue waiter.Queue
	endpoint, err := request.CreateEndpoint(&queue)
	if err != nil {
		return true
	}
	conn := gonet.NewUDPConn(&queue, endpoint)
	go func() {
		defer conn.Close()
		backend, err := a.dialLocal("udp", request.ID().LocalPort)
		if err != nil {
			return
		}
		defer backend.Close()
		exchangeDatagrams(conn, backend)
	}()
	return true
}

func (a *agent) dialLocal(network string, port uint16) (net.Conn, error) {
	dialer := net.Dialer{Timeout: forwardDialTimeout}
	service := strconv.Itoa(int(port))
	conn, err := dialer.DialContext(a.ctx, network, net.JoinHostPort("127.0.0.1", service))
	if err == nil {
		return conn, nil
	}
	conn, err6 := dialer.DialContext(a.ctx, network, net.JoinHostPort("::1", service))
	if err6 != nil {
		return nil, errors.Join(err, err6)
	}
	return conn, nil
}

// exchangeDatagrams copies both ways until neither side has said anything for a while.
func exchangeDatagrams(a, b net.Conn) {
	var last sync.Mutex
	deadline := func() {
		last.Lock()
		defer last.Unlock()
		until := time.Now().Add(udpForwardIdle)
		a.SetReadDeadline(until)
		b.SetReadDeadline(until)
	}
	deadline()
	pump := func(to, from net.Conn) {
		defer to.SetReadDeadline(time.Now())
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			deadline()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go pump(a, b)
	pump(b, a)
}
