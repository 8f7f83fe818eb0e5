// The coordinator before API 2: JSON over a websocket. A client says one object after the other, each a node of its
// own; it hears arrays of its agent's nodes. There is no acknowledgement, no error, and no word of an agent that left.

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"
)

// jsonReadLimit was the websocket library's own limit for one message.
const jsonReadLimit = 32 << 10

// peerOfNode names a peer as sides did that knew of no ids but those of nodes.
func peerOfNode(id int64) (name uuid) {
	binary.BigEndian.PutUint64(name[8:], uint64(id))
	return name
}

func (s *coordination) serveJSON(ctx context.Context, conn *websocket.Conn, agentID uuid) error {
	conn.SetReadLimit(jsonReadLimit)
	c := s.coordinator()
	peer, err := c.connect(newUUID(), agentID)
	if err != nil {
		return err
	}
	defer c.lose(peer)
	if err := c.handle(peer, coordinateRequest{AddTunnel: agentID[:]}); err != nil {
		return err
	}
	go func() {
		defer conn.CloseNow()
		for response := range peer.out {
			if nodes := nodesOf(response); len(nodes) > 0 && writeJSONMessage(ctx, conn, nodes) != nil {
				return
			}
		}
	}()
	// An object may be cut over messages, and several may come in one.
	decoder := json.NewDecoder(websocket.NetConn(ctx, conn, websocket.MessageBinary))
	for {
		var said tailnetNode
		if err := decoder.Decode(&said); err != nil {
			return err
		}
		if err := c.handle(peer, coordinateRequest{UpdateSelf: said.encode()}); err != nil {
			return err
		}
	}
}

func nodesOf(response coordinateResponse) (nodes []*tailnetNode) {
	for _, u := range response.Updates {
		if u.Kind != kindNode {
			continue
		}
		if n, err := decodeNode(u.Node); err == nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func writeJSONMessage(ctx context.Context, conn *websocket.Conn, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageBinary, raw)
}

// serveDERPMap sends the map as it is now, with a line's end behind it. It asked nobody for a token.
func (s *coordination) serveDERPMap(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(s.mapConns.writer(w), r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(context.Background())
	go pingWebsocket(ctx, conn)
	m, _ := s.maps.get()
	raw, err := json.Marshal(m)
	if err != nil || conn.Write(ctx, websocket.MessageBinary, append(raw, '\n')) != nil {
		return
	}
	<-ctx.Done()
}
