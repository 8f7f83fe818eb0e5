// The dial mode: a client of the same upstream pieces. What it reaches in time and throughput is what hawser's own
// figures are compared with.
//
// Steps: REST for the agent and the connection info, one websocket to the coordinator, a node, AddTunnel and
// UpdateSelf, a TSMP ping as soon as the agent knows us, then TCP.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/yamux"
	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"tailscale.com/types/logger"
)

const (
	// handshakeGrace is how long to wait for READY_FOR_HANDSHAKE after the agent's node is known.
	handshakeGrace = 5 * time.Second
	// pingRetry is the pause before another ping: WireGuard itself repeats a lost initiation only after 5 s.
	pingRetry       = 250 * time.Millisecond
	disconnectGrace = time.Second
	directWait      = 10 * time.Second
)

var errWebsocketBuild = errors.New("built without the tag ts_debug_websockets: no websocket to the relay")

type dialOptions struct {
	url, token, owner, workspace, agent string
	host                                netip.Addr
	relayOnly, websocket                bool
	timeout                             time.Duration
	logf                                logger.Logf
}

func dialCommand(args []string) error {
	flags, verbose := newFlagSet("dial")
	opts := dialOptions{}
	flags.StringVar(&opts.url, "url", os.Getenv("CODER_URL"), "deployment")
	flags.StringVar(&opts.token, "token", os.Getenv("CODER_SESSION_TOKEN"), "API token")
	flags.StringVar(&opts.owner, "owner", "me", "owner of the workspace")
	flags.StringVar(&opts.workspace, "workspace", workspaceName, "workspace")
	flags.StringVar(&opts.agent, "agent", "", "agent; default the first")
	host := flags.String("host", "127.0.0.1", "local IPv4 address of the UDP socket")
	flags.BoolVar(&opts.relayOnly, "relay-only", false, "no direct UDP")
	flags.BoolVar(&opts.websocket, "websocket", false, "reach the relay by websocket (needs the build tag ts_debug_websockets)")
	flags.DurationVar(&opts.timeout, "timeout", 30*time.Second, "limit for the time to the first pong")
	waitDirect := flags.Bool("wait-direct", false, "start measuring only when the direct path is in use")
	port := flags.Int("port", 0, "agent port instead of the mode's own")
	flags.Parse(args)
	if opts.url == "" || opts.token == "" || flags.NArg() == 0 {
		usage()
	}
	if opts.websocket && !websocketBuild {
		return errWebsocketBuild
	}
	var err error
	if opts.host, err = netip.ParseAddr(*host); err != nil {
		return err
	}
	opts.logf = newLogger(*verbose)

	c, err := dialWorkspace(context.Background(), opts)
	if err != nil {
		return err
	}
	defer c.close()
	if *waitDirect {
		if err := c.waitDirect(directWait); err != nil {
			return err
		}
	}
	return runMode(c, flags.Args(), uint16(*port))
}

// client is a connection to one agent.
type client struct {
	opts     dialOptions
	node     *node
	agentID  uuid
	agentIP  netip.Addr
	pingTime time.Duration // from processStart to the first pong

	socket     *websocket.Conn
	session    *yamux.Session
	coordinate drpc.Stream
	sendMu     sync.Mutex
	ended      chan struct{} // closed when the server ended the Coordinate call
}

type connectionInfo struct {
	DERPMap                  derpMap `json:"derp_map"`
	DERPForceWebsockets      bool    `json:"derp_force_websockets"`
	DisableDirectConnections bool    `json:"disable_direct_connections"`
}

func (o dialOptions) request(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Coder-Session-Token", o.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, res.Status, body)
	}
	return json.Unmarshal(body, into)
}

// findAgent returns the id of the wanted agent in the running build.
func (o dialOptions) findAgent(ctx context.Context) (uuid, error) {
	var workspace struct {
		LatestBuild struct {
			Status    string
			Resources []struct {
				Agents []struct{ ID, Name string }
			}
		} `json:"latest_build"`
	}
	path := "/api/v2/users/" + url.PathEscape(o.owner) + "/workspace/" + url.PathEscape(o.workspace)
	if err := o.request(ctx, path, &workspace); err != nil {
		return uuid{}, err
	}
	for _, r := range workspace.LatestBuild.Resources {
		for _, a := range r.Agents {
			if o.agent == "" || o.agent == a.Name {
				return parseUUID(a.ID)
			}
		}
	}
	return uuid{}, fmt.Errorf("no such agent (build status %q)", workspace.LatestBuild.Status)
}

func dialWorkspace(ctx context.Context, opts dialOptions) (_ *client, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.timeout, errors.New("the agent did not answer in time"))
	defer cancel()
	base, err := url.Parse(opts.url)
	if err != nil {
		return nil, err
	}
	// Both requests at once: the connection info does not depend on the agent.
	var info connectionInfo
	infoErr := make(chan error, 1)
	go func() { infoErr <- opts.request(ctx, "/api/v2/workspaceagents/connection", &info) }()
	c := &client{opts: opts, ended: make(chan struct{})}
	if c.agentID, err = opts.findAgent(ctx); err != nil {
		return nil, err
	}
	c.agentIP = c.agentID.addressIn(prefixTailscale)
	if err := <-infoErr; err != nil {
		return nil, err
	}
	relayMap, err := info.DERPMap.rewriteEmbedded(base)
	if err != nil {
		return nil, err
	}
	if info.DERPForceWebsockets && !websocketBuild {
		return nil, errWebsocketBuild
	}
	blockDirect := opts.relayOnly || info.DisableDirectConnections
	setDebugKnobs(blockDirect, base.Scheme == "http", opts.websocket || info.DERPForceWebsockets)

	stun, err := startSTUN(context.Background(), opts.host) // for the life of the process
	if err != nil {
		return nil, err
	}
	dirty := make(chan struct{}, 1)
	c.node, err = newNode(nodeOptions{
		host:        opts.host,
		addresses:   []netip.Prefix{hostPrefix(newUUID().addressIn(prefixTailscale))},
		derpMap:     relayMap,
		stun:        stun,
		blockDirect: blockDirect,
		logf:        opts.logf,
		changed: func() {
			select {
			case dirty <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if err := c.openCoordinator(ctx, base); err != nil {
		c.node.close()
		return nil, err
	}
	if err := c.send(coordinateRequest{AddTunnel: c.agentID[:]}); err != nil {
		return nil, err
	}
	if err := c.send(coordinateRequest{UpdateSelf: c.node.announcement().encode()}); err != nil {
		return nil, err
	}
	go func() {
		for {
			select {
			case <-dirty:
				c.send(coordinateRequest{UpdateSelf: c.node.announcement().encode()})
			case <-c.ended:
				return
			}
		}
	}()
	ready := make(chan struct{})
	go c.receive(ready)
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := c.awaitReachable(ctx); err != nil {
		return nil, err
	}
	c.pingTime = time.Since(processStart)
	return c, nil
}

// rewriteEmbedded puts the host the user gave in the place of the deployment's own idea of its address.
func (m derpMap) rewriteEmbedded(base *url.URL) (derpMap, error) {
	portText := base.Port()
	if portText == "" {
		portText = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return m, fmt.Errorf("port of %v: %w", base, err)
	}
	for _, region := range m.Regions {
		for i := range region.Nodes {
			if node := &region.Nodes[i]; region.EmbeddedRelay && !node.STUNOnly {
				node.HostName, node.DERPPort, node.ForceHTTP = base.Hostname(), port, base.Scheme == "http"
			}
		}
	}
	return m, nil
}

func (c *client) openCoordinator(ctx context.Context, base *url.URL) error {
	target := base.JoinPath("/api/v2/workspaceagents", c.agentID.String(), "coordinate")
	target.RawQuery = "version=2.0"
	socket, _, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{
		HTTPHeader:      http.Header{"Coder-Session-Token": {c.opts.token}},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return err
	}
	socket.SetReadLimit(maxPacketBytes)
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	// Not ctx: the connection outlives the dialling.
	session, err := yamux.Client(websocket.NetConn(context.Background(), socket, websocket.MessageBinary), config)
	if err != nil {
		return err
	}
	transport, err := session.Open()
	if err != nil {
		return err
	}
	rpc := drpcconn.NewWithOptions(transport, drpcconn.Options{Manager: drpcManagerOptions()})
	stream, err := rpc.NewStream(context.Background(), rpcCoordinate, rawEncoding{})
	if err != nil {
		return err
	}
	c.socket, c.session, c.coordinate = socket, session, stream
	return nil
}

func (c *client) send(r coordinateRequest) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	return sendRaw(c.coordinate, r.encode())
}

// receive applies peer updates for the life of the call and closes ready when a handshake may start.
func (c *client) receive(ready chan struct{}) {
	defer close(c.ended)
	var once sync.Once
	open := func() { once.Do(func() { close(ready) }) }
	var grace *time.Timer
	known, agreed := false, false
	for {
		msg, err := recvRaw(c.coordinate)
		if err != nil {
			c.opts.logf("coordinate: %v", err)
			return
		}
		response, err := decodeCoordinateResponse(msg)
		if err != nil {
			c.opts.logf("coordinate: %v", err)
			return
		}
		if response.Error != "" {
			c.opts.logf("coordinate: server says %q", response.Error)
		}
		for _, u := range response.Updates {
			if u.ID != c.agentID {
				continue
			}
			switch u.Kind {
			case kindNode:
				agent, err := decodeNode(u.Node)
				if err == nil {
					err = c.node.setPeer(u.ID, agent)
				}
				if err != nil {
					c.opts.logf("agent's node ignored: %v", err)
					continue
				}
				if known = true; grace == nil {
					grace = time.AfterFunc(handshakeGrace, open)
				}
			case kindReadyForHandshake:
				agreed = true
			case kindDisconnected:
				c.node.removePeer(u.ID)
			}
		}
		if known && agreed {
			open()
		}
	}
}

// awaitReachable pings until the first pong.
func (c *client) awaitReachable(ctx context.Context) error {
	ponged := make(chan struct{}, 1)
	for {
		go func() {
			if c.node.ping(ctx, c.agentIP) == nil {
				select {
				case ponged <- struct{}{}:
				default:
				}
			}
		}()
		select {
		case <-ponged:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pingRetry):
		}
	}
}

func (c *client) dialTCP(port uint16) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.timeout)
	defer cancel()
	return c.node.tun.dialTCP(ctx, netip.AddrPortFrom(c.agentIP, port))
}

// path says how packets to the agent travel at this moment.
func (c *client) path() string {
	for _, p := range c.node.peerList() {
		if p["address"] != "" {
			return "direct"
		}
	}
	return "relay"
}

func (c *client) waitDirect(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c.path() == "direct" {
			return nil
		}
	}
	return errors.New("no direct path")
}

// close says goodbye to the coordinator, so that the agent forgets us at once.
func (c *client) close() {
	if err := c.send(coordinateRequest{Disconnect: true}); err == nil {
		select {
		case <-c.ended:
		case <-time.After(disconnectGrace):
		}
	}
	c.session.Close()
	c.socket.Close(websocket.StatusNormalClosure, "")
	c.node.close()
}
