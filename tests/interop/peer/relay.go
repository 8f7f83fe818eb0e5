// The DERP relay: upstream's server, behind switches that make it fail on demand.

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"tailscale.com/derp/derpserver"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

type relay struct {
	logf logger.Logf
	// websocketOnly makes outside clients get 400 for `Upgrade: DERP`, as some proxies in front of Coder answer.
	websocketOnly bool
	conns         upgrades
	isMoved       atomic.Bool // clients find it at another port

	mu      sync.Mutex
	server  *derpserver.Server
	handler http.Handler
	retired relayStats // of servers that were replaced
}

// relayStats counts DERP packets as the relay received and sent them.
type relayStats struct {
	BytesReceived   int64 `json:"bytes_received"`
	BytesSent       int64 `json:"bytes_sent"`
	PacketsReceived int64 `json:"packets_received"`
	PacketsSent     int64 `json:"packets_sent"`
}

func newRelay(logf logger.Logf, websocketOnly bool) *relay {
	r := &relay{logf: logf, websocketOnly: websocketOnly}
	r.start()
	return r
}

func (r *relay) start() {
	r.server = derpserver.New(key.NewNode(), r.logf)
	r.handler = derpserver.AddWebSocketSupport(r.server, derpserver.Handler(r.server))
}

// restart puts a server with a new key in the old one's place and cuts every connection.
func (r *relay) restart() int {
	r.mu.Lock()
	old := r.server
	now := countersOf(old)
	r.retired.BytesReceived += now.BytesReceived
	r.retired.BytesSent += now.BytesSent
	r.retired.PacketsReceived += now.PacketsReceived
	r.retired.PacketsSent += now.PacketsSent
	r.start()
	r.mu.Unlock()
	cut := r.conns.cut()
	old.Close()
	return cut
}

// isConnected reports whether the holder of a node key is logged in.
func (r *relay) isConnected(node key.NodePublic) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server.IsClientConnectedForTest(node)
}

func (r *relay) stats() relayStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := countersOf(r.server)
	return relayStats{
		BytesReceived:   now.BytesReceived + r.retired.BytesReceived,
		BytesSent:       now.BytesSent + r.retired.BytesSent,
		PacketsReceived: now.PacketsReceived + r.retired.PacketsReceived,
		PacketsSent:     now.PacketsSent + r.retired.PacketsSent,
	}
}

// countersOf reads the server's expvars, the only way to its counters.
func countersOf(s *derpserver.Server) (c relayStats) {
	// The JSON names of relayStats are those of the expvars.
	if err := json.Unmarshal([]byte(s.ExpVar(false).String()), &c); err != nil {
		panic(err) // upstream writes that JSON
	}
	return c
}

// ServeHTTP answers /derp for clients, as long as the relay is here.
func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.isMoved.Load() {
		http.NotFound(w, req)
		return
	}
	if r.websocketOnly && !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "upgrade refused", http.StatusBadRequest)
		return
	}
	r.serve(w, req)
}

// serve answers the agent of this very process, which may always use `Upgrade: DERP`: upstream's client has no
// websocket transport in ordinary builds.
func (r *relay) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	handler := r.handler
	r.mu.Unlock()
	handler.ServeHTTP(r.conns.writer(w), req)
}

// serveLatencyCheck answers the probe that ranks relays.
func (r *relay) serveLatencyCheck(w http.ResponseWriter, req *http.Request) {
	derpserver.ProbeHandler(w, req)
}
