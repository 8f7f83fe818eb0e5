// The coordinator: who shares a tunnel with whom, and what they know of each other. No I/O here; coordinate.go
// carries its requests and responses over a websocket, the agent of this process calls it directly.
//
// The rules are those of Coder's in-memory coordinator. Tunnels have a direction, and a peer that goes takes along
// the tunnels it is the source of. LOST and DISCONNECTED reach only peers that had been sent a NODE.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
)

// responseQueue bounds what may wait for a peer; one that falls so far behind is dropped.
const responseQueue = 512

type coordinator struct {
	release release

	mu      sync.Mutex
	closed  bool
	peers   map[uuid]*coordPeer
	tunnels map[tunnel]struct{}
}

type tunnel struct{ src, dst uuid }

type coordPeer struct {
	id      uuid
	agentID uuid // the only allowed destination; zero for the agent itself
	node    []byte
	sent    map[uuid][]byte // the last NODE this peer got, by whose it was
	out     chan coordinateResponse
	gone    bool
}

var (
	errCoordinatorClosed = errors.New("coordinator closed")
	errDisconnected      = errors.New("disconnected")
)

func newCoordinator(at release) *coordinator {
	return &coordinator{release: at, peers: map[uuid]*coordPeer{}, tunnels: map[tunnel]struct{}{}}
}

// connect registers a peer. Responses come from the peer's out channel, which is closed when the coordinator
// drops the peer. A zero agentID makes it the agent.
func (c *coordinator) connect(id, agentID uuid) (*coordPeer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errCoordinatorClosed
	}
	if old := c.peers[id]; old != nil {
		c.send(old, coordinateResponse{Error: "peer ID overwritten by new connection"})
		c.drop(old)
	}
	p := &coordPeer{id: id, agentID: agentID, sent: map[uuid][]byte{}, out: make(chan coordinateResponse, responseQueue)}
	c.peers[id] = p
	var batch coordinateResponse
	for _, other := range c.partners(id) {
		if other.node != nil {
			batch.Updates = append(batch.Updates, c.nodeUpdate(p, other))
		}
	}
	if len(batch.Updates) > 0 {
		c.send(p, batch)
	}
	return p, nil
}

// handle carries out one request. errDisconnected is the normal end, other errors are violations.
func (c *coordinator) handle(p *coordPeer, r coordinateRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.gone {
		return errCoordinatorClosed
	}
	err := c.apply(p, r)
	if err != nil && !errors.Is(err, errDisconnected) {
		c.send(p, coordinateResponse{Error: err.Error()})
		c.leave(p, kindLost)
	}
	return err
}

func (c *coordinator) apply(p *coordPeer, r coordinateRequest) error {
	isAgent := p.agentID == uuid{}
	if r.UpdateSelf != nil {
		n, err := decodeNode(r.UpdateSelf)
		if err != nil {
			return fmt.Errorf("authorization: %w", err)
		}
		for _, a := range n.Addresses {
			if a.Bits() != 128 && c.release.has(strictAddresses) {
				return fmt.Errorf("authorization: invalid address bits, expected 128, got %d", a.Bits())
			}
		}
		p.node = r.UpdateSelf
		for _, other := range c.partners(p.id) {
			// The oldest servers repeat what a peer knows already.
			if !c.release.has(newAgentRoutes) || !bytes.Equal(other.sent[p.id], p.node) {
				c.send(other, coordinateResponse{Updates: []peerUpdate{c.nodeUpdate(other, p)}})
			}
		}
	}
	if r.AddTunnel != nil {
		id, err := uuidFromBytes(r.AddTunnel)
		if err != nil {
			return fmt.Errorf("authorization: parse uuid bytes: %w", err)
		}
		if isAgent || id != p.agentID {
			return fmt.Errorf("authorization: invalid agent id, expected %v, got %v", p.agentID, id)
		}
		c.tunnels[tunnel{p.id, id}] = struct{}{}
		if other := c.peers[id]; other != nil {
			if other.node != nil {
				c.send(p, coordinateResponse{Updates: []peerUpdate{c.nodeUpdate(p, other)}})
			}
			if p.node != nil {
				c.send(other, coordinateResponse{Updates: []peerUpdate{c.nodeUpdate(other, p)}})
			}
		}
	}
	if r.RemoveTunnel != nil {
		id, err := uuidFromBytes(r.RemoveTunnel)
		if err != nil {
			return fmt.Errorf("authorization: parse uuid bytes: %w", err)
		}
		if other := c.peers[id]; other != nil {
			c.farewell(other, p.id, kindDisconnected)
			c.farewell(p, id, kindDisconnected)
		}
		delete(c.tunnels, tunnel{p.id, id})
	}
	if !c.release.has(readyForHandshake) {
		r.ReadyForHandshake = nil // a field that is not known
	}
	if len(r.ReadyForHandshake) > 0 && !isAgent {
		return errors.New("authorization: clients may not send ready_for_handshake")
	}
	for _, raw := range r.ReadyForHandshake {
		id, err := uuidFromBytes(raw)
		if err != nil {
			return fmt.Errorf("authorization: parse uuid bytes: %w", err)
		}
		if _, ok := c.tunnels[tunnel{id, p.id}]; !ok {
			c.send(p, coordinateResponse{
				Error: fmt.Sprintf("ready for handshake error: you do not share a tunnel with %q", id),
			})
		} else if other := c.peers[id]; other != nil {
			c.send(other, coordinateResponse{Updates: []peerUpdate{{ID: p.id, Kind: kindReadyForHandshake}}})
		}
	}
	if r.Disconnect {
		c.leave(p, kindDisconnected)
		return errDisconnected
	}
	return nil
}

// lose notes that the connection of p ended without a Disconnect.
func (c *coordinator) lose(p *coordPeer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave(p, kindLost)
}

// close drops everybody, as a server that goes down does.
func (c *coordinator) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, p := range c.peers {
		c.drop(p)
	}
}

func (c *coordinator) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.peers)
}

// The methods below expect c.mu to be held.

func (c *coordinator) leave(p *coordPeer, kind peerUpdateKind) {
	if p.gone {
		return
	}
	for _, other := range c.partners(p.id) {
		c.farewell(other, p.id, kind)
	}
	for t := range c.tunnels {
		if t.src == p.id {
			delete(c.tunnels, t)
		}
	}
	c.drop(p)
}

// farewell tells to that id is gone, unless it never heard of it. In JSON there are no words for it.
func (c *coordinator) farewell(to *coordPeer, id uuid, kind peerUpdateKind) {
	if _, known := to.sent[id]; !known || !c.release.has(dRPCCoordination) {
		return
	}
	delete(to.sent, id)
	reason := "disconnected"
	if kind == kindLost {
		reason = "lost"
	}
	c.send(to, coordinateResponse{Updates: []peerUpdate{{ID: id, Kind: kind, Reason: reason}}})
}

// partners returns the connected peers that share a tunnel with id, in either direction.
func (c *coordinator) partners(id uuid) []*coordPeer {
	seen := map[uuid]bool{}
	var found []*coordPeer
	for t := range c.tunnels {
		other := t.dst
		if other == id {
			other = t.src
		} else if t.src != id {
			continue
		}
		if p := c.peers[other]; p != nil && !seen[other] {
			seen[other] = true
			found = append(found, p)
		}
	}
	return found
}

func (c *coordinator) nodeUpdate(to, about *coordPeer) peerUpdate {
	to.sent[about.id] = about.node
	return peerUpdate{ID: about.id, Node: about.node, Kind: kindNode}
}

func (c *coordinator) send(p *coordPeer, r coordinateResponse) {
	if r.Error != "" && !c.release.has(readyForHandshake) {
		return // the field came with that release
	}
	if p.gone {
		return
	}
	select {
	case p.out <- r:
	default:
		c.drop(p)
	}
}

func (c *coordinator) drop(p *coordPeer) {
	if p.gone {
		return
	}
	p.gone = true
	close(p.out)
	if c.peers[p.id] == p {
		delete(c.peers, p.id)
	}
}
