// The coordinator over the wire: websocket, yamux, one dRPC call per yamux stream.

package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/yamux"
	"storj.io/drpc"
	"storj.io/drpc/drpcserver"
	"tailscale.com/types/logger"
)

const (
	tailnetAPIMajor = 2

	websocketPingInterval = 15 * time.Second
	resumeTokenLife       = 24 * time.Hour
)

// coordination serves /coordinate. Its coordinator can be replaced while it runs.
type coordination struct {
	logf     logger.Logf
	release  release
	maps     mapFeed
	tokens   resumeTokens
	conns    upgrades
	mapConns upgrades

	mu        sync.Mutex
	current   *coordinator
	dials     int
	jsonDials int // of those
}

func (s *coordination) coordinator() *coordinator {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// dialCount counts the sockets of clients so far, and those among them that spoke JSON.
func (s *coordination) dialCount() (all, json int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials, s.jsonDials
}

// restart forgets all peers and tunnels and cuts the sockets. Resume tokens stay valid: their keys are in the
// database of a real deployment.
func (s *coordination) restart() int {
	s.mu.Lock()
	old := s.current
	s.current = newCoordinator(s.release)
	s.mu.Unlock()
	cut := s.cut()
	old.close()
	return cut
}

// cut ends the sockets of clients, those for the relay map among them; it returns the number of the others.
func (s *coordination) cut() int {
	s.mapConns.cut()
	return s.conns.cut()
}

// checkVersion returns why a client's API version cannot be served at that release, or "".
func checkVersion(version string, at release) string {
	majorText, minorText, ok := strings.Cut(version, ".")
	if !ok {
		return "invalid version string: " + version
	}
	major, err := strconv.Atoi(majorText)
	if err != nil {
		return "invalid major version: " + majorText
	}
	minor, err := strconv.Atoi(minorText)
	if err != nil {
		return "invalid minor version: " + minorText
	}
	server := fmt.Sprintf("server is at version %d.%d, behind requested", tailnetAPIMajor, at.apiMinor())
	switch {
	case major > tailnetAPIMajor:
		return server + " major version " + version
	case major < tailnetAPIMajor:
		return "version " + version + " is no longer supported"
	case minor > at.apiMinor():
		return server + " minor version " + version
	}
	return ""
}

// serve upgrades a request that has passed the checks for token and agent.
func (s *coordination) serve(w http.ResponseWriter, r *http.Request, agentID uuid) {
	version := r.URL.Query().Get("version")
	if version == "" {
		version = "1.0"
	}
	// Releases before API 2 do not read what is asked for; the next few still have the old way beside it.
	isJSON := !s.release.has(dRPCCoordination) || version == "1.0" && !s.release.has(noJSON)
	if why := checkVersion(version, s.release); why != "" && !isJSON {
		writeError(w, http.StatusBadRequest, apiError{
			Message:     "Unknown or unsupported API version",
			Validations: []validation{{Field: "version", Detail: why}},
		})
		return
	}
	peerID := newUUID()
	if token := r.URL.Query().Get("resume_token"); token != "" && s.release.has(resumption) {
		id, err := s.tokens.verify(token)
		if err != nil {
			writeError(w, http.StatusUnauthorized, apiError{
				Message:     "Invalid resume token",
				Validations: []validation{{Field: "resume_token", Detail: err.Error()}},
			})
			return
		}
		peerID = id
	}
	conn, err := websocket.Accept(s.conns.writer(w), r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		// Accept has answered with a text; like Coder, add the JSON behind it.
		json.NewEncoder(w).Encode(apiError{Message: "Failed to accept websocket.", Detail: err.Error()})
		return
	}
	s.mu.Lock()
	s.dials++
	if isJSON {
		s.jsonDials++
	}
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go pingWebsocket(ctx, conn)
	if isJSON {
		err = s.serveJSON(ctx, conn, agentID)
		s.logf("coordinate by JSON: %v", err)
		conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	conn.SetReadLimit(maxPacketBytes)
	err = s.serveYamux(ctx, websocket.NetConn(ctx, conn, websocket.MessageBinary), peerID, agentID)
	s.logf("coordinate %v: %v", peerID, err)
	conn.Close(websocket.StatusNormalClosure, "")
}

func (s *coordination) serveYamux(ctx context.Context, transport io.ReadWriteCloser, peerID, agentID uuid) error {
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	session, err := yamux.Server(transport, config)
	if err != nil {
		return err
	}
	defer session.Close()
	server := drpcserver.NewWithOptions(
		&tailnetService{coordination: s, peerID: peerID, agentID: agentID},
		drpcserver.Options{Manager: drpcManagerOptions()},
	)
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return err
		}
		go server.ServeOne(ctx, stream)
	}
}

// pingWebsocket sends a ping every 15 s and gives the client as long to answer.
func pingWebsocket(ctx context.Context, conn *websocket.Conn) {
	ticker := time.NewTicker(websocketPingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		pingCtx, cancel := context.WithTimeout(ctx, websocketPingInterval)
		err := conn.Ping(pingCtx)
		cancel()
		if err != nil {
			conn.Close(websocket.StatusGoingAway, "liveness probe failed")
			return
		}
	}
}

// tailnetService is the RPC service as one websocket sees it.
type tailnetService struct {
	coordination *coordination
	peerID       uuid
	agentID      uuid
}

func (t *tailnetService) HandleRPC(stream drpc.Stream, rpc string) error {
	has := t.coordination.release.has
	switch {
	case rpc == rpcCoordinate:
		return t.coordinate(stream)
	case rpc == rpcStreamDERPMaps:
		if _, err := recvRaw(stream); err != nil {
			return err
		}
		for {
			m, changed := t.coordination.maps.get()
			if err := sendRaw(stream, m.encode()); err != nil {
				return err
			}
			select {
			case <-stream.Context().Done():
				return nil
			case <-changed:
			}
		}
	case rpc == rpcRefreshResumeToken && has(resumption):
		if _, err := recvRaw(stream); err != nil {
			return err
		}
		token, expires := t.coordination.tokens.issue(t.peerID)
		return sendRaw(stream, encodeResumeToken(token, resumeTokenLife/2, expires))
	case rpc == rpcPostTelemetry && has(telemetry):
		if _, err := recvRaw(stream); err != nil {
			return err
		}
		return sendRaw(stream, nil)
	}
	return drpc.ProtocolError.New("unknown rpc: %q", rpc)
}

func (t *tailnetService) coordinate(stream drpc.Stream) error {
	c := t.coordination.coordinator()
	peer, err := c.connect(t.peerID, t.agentID)
	if err != nil {
		return err
	}
	go func() {
		for {
			msg, err := recvRaw(stream)
			if err != nil {
				c.lose(peer)
				return
			}
			request, err := decodeCoordinateRequest(msg)
			if err == nil {
				err = c.handle(peer, request)
			}
			if err != nil {
				c.lose(peer)
				return
			}
		}
	}()
	for response := range peer.out {
		if err := sendRaw(stream, response.encode()); err != nil {
			c.lose(peer)
			return err
		}
	}
	// drpcserver would send CloseSend; Coder ends the call with Close.
	return stream.Close()
}

// resumeTokens issues and checks the tokens that let a client keep its peer id.
type resumeTokens struct {
	mu  sync.Mutex
	key []byte
}

type resumeClaims struct {
	PeerID  string `json:"sub"`
	Expires int64  `json:"exp"`
}

// forget makes every token issued so far invalid.
func (t *resumeTokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.key = nil
}

func (t *resumeTokens) sign(payload string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key == nil {
		t.key = make([]byte, 32)
		rand.Read(t.key)
	}
	mac := hmac.New(sha512.New, t.key)
	mac.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (t *resumeTokens) issue(id uuid) (token string, expires time.Time) {
	expires = time.Now().Add(resumeTokenLife)
	claims, err := json.Marshal(resumeClaims{PeerID: id.String(), Expires: expires.Unix()})
	if err != nil {
		panic(err) // two plain fields
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS512"}`))
	payload := header + "." + base64.RawURLEncoding.EncodeToString(claims)
	return payload + "." + t.sign(payload), expires
}

func (t *resumeTokens) verify(token string) (id uuid, err error) {
	payload, signature := token, ""
	if i := strings.LastIndexByte(token, '.'); i >= 0 {
		payload, signature = token[:i], token[i+1:]
	}
	if !hmac.Equal([]byte(signature), []byte(t.sign(payload))) {
		return id, errors.New("invalid signature")
	}
	_, body, _ := strings.Cut(payload, ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return id, err
	}
	var claims resumeClaims
	if err := json.Unmarshal(raw, &claims); err != nil {
		return id, err
	}
	if time.Now().Unix() > claims.Expires {
		return id, errors.New("token is expired")
	}
	return parseUUID(claims.PeerID)
}
