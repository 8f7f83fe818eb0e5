// The serve mode: wires relay, STUN, coordinator, REST and agent together, says where they are, and obeys commands.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The default token has the shape of a Coder API key: 10 characters, a dash, 22 characters.
const defaultToken = "hawserpeer-0123456789abcdefghijkl"

const startTimeout = 10 * time.Second

type server struct {
	ctx          context.Context
	deployment   *deployment
	coordination *coordination
	relay        *relay
	ssh          *sshService
	agentOptions agentOptions
	movedPort    int // where the relay is besides, and after move-relay alone

	mu    sync.Mutex
	agent *agent
}

func serveCommand(args []string) error {
	flags, verbose := newFlagSet("serve")
	host := flags.String("host", "127.0.0.1", "IPv4 address that everything listens on")
	port := flags.Int("port", 0, "port of REST and relay; 0 lets the kernel choose")
	token := flags.String("token", defaultToken, "the API token to accept")
	dir := flags.String("dir", "", "working directory of SSH sessions; default the home directory")
	relayOnly := flags.Bool("relay-only", false, "no direct UDP, and disable_direct_connections for clients")
	websocketOnly := flags.Bool("websocket-only", false, "answer `Upgrade: DERP` with 400")
	forceWebsockets := flags.Bool("force-websockets", false, "set derp_force_websockets for clients")
	releaseText := flags.String("release", newestRelease.String(), "what the server is, v0.24.0 or later")
	agentReleaseText := flags.String("agent-release", "", "what its agent is; default the same")
	gated := flags.Bool("udp-gate", false, "the command `udp` decides whether the agent's UDP passes; slower than without")
	agentNamespace := flags.String("agent-namespace", "", "path of the network namespace of the agent's UDP socket (Linux)")
	agentHost := flags.String("agent-host", "", "IPv4 address of that socket; default --host")
	flags.Parse(args)
	logf := newLogger(*verbose)
	setDebugKnobs(*relayOnly, true, false)

	serverRelease, err := parseRelease(*releaseText)
	if err != nil {
		return err
	}
	agentRelease := serverRelease
	if *agentReleaseText != "" {
		if agentRelease, err = parseRelease(*agentReleaseText); err != nil {
			return err
		}
	}
	if err := pairFits(serverRelease, agentRelease); err != nil {
		return err
	}
	hostAddr, err := netip.ParseAddr(*host)
	if err != nil {
		return err
	}
	agentHostAddr := hostAddr
	if *agentHost != "" {
		if agentHostAddr, err = netip.ParseAddr(*agentHost); err != nil {
			return err
		}
	}
	if *dir == "" {
		if *dir, err = os.UserHomeDir(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	listener, err := net.Listen("tcp", netip.AddrPortFrom(hostAddr, uint16(*port)).String())
	if err != nil {
		return err
	}
	restPort := listener.Addr().(*net.TCPAddr).Port
	stun, err := startSTUN(ctx, hostAddr)
	if err != nil {
		return err
	}
	stunPort := int(stun.Port())

	s := &server{ctx: ctx, deployment: newDeployment(*token, serverRelease, agentRelease), relay: newRelay(logf, *websocketOnly), ssh: newSSHService(*dir, logf)}
	s.deployment.url = "http://" + listener.Addr().String()
	publicStunPort := stunPort
	if *relayOnly {
		publicStunPort = 0
	}
	s.coordination = &coordination{
		logf: logf, release: serverRelease, current: newCoordinator(serverRelease),
	}
	s.coordination.maps.set(newDERPMap(*host, restPort, publicStunPort).asOf(serverRelease))

	rest := &restServer{
		deployment: s.deployment, coordination: s.coordination, relay: s.relay,
		forceWebsockets: *forceWebsockets, blockDirect: *relayOnly,
		startWorkspace: s.startWorkspace, stopWorkspace: s.stopWorkspace,
	}
	go http.Serve(listener, rest.handler())

	// The agent's own way to the relay: the same server, but never refusing an upgrade.
	agentListener, err := net.Listen("tcp", netip.AddrPortFrom(hostAddr, 0).String())
	if err != nil {
		return err
	}
	inner := http.NewServeMux()
	inner.HandleFunc("/derp", s.relay.serve)
	inner.HandleFunc("/derp/", s.relay.serveLatencyCheck)
	go http.Serve(agentListener, inner)
	s.movedPort = agentListener.Addr().(*net.TCPAddr).Port

	s.agentOptions = agentOptions{
		release: agentRelease, host: agentHostAddr, namespace: *agentNamespace, derpMap: newDERPMap(*host, s.movedPort, stunPort), stun: stun,
		blockDirect: *relayOnly, ssh: s.ssh, coordination: s.coordination, logf: logf,
	}
	if *gated {
		s.agentOptions.gate = &udpGate{}
	}
	first := s.deployment.beginBuild("start", "initiator")
	if err := s.runAgent(first); err != nil {
		return err
	}
	if err := s.waitForAgent(); err != nil {
		return err
	}
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	err = output.Encode(object{
		"url": s.deployment.url, "token": *token, "workspace": workspaceName, "workspace_id": s.deployment.workspaceID,
		"owner": ownerName, "agent": agentName, "agent_id": first.agentID, "agent_ip": s.agent.node.opts.addresses[0].Addr(),
		"derp_port": restPort, "stun_port": stunPort, "version": s.deployment.buildVersion, "pid": os.Getpid(),
	})
	if err != nil {
		return err
	}
	return s.obey(output)
}

// runAgent ends the job of a start build and starts the agent that it brings.
func (s *server) runAgent(b *build) error {
	opts := s.agentOptions
	opts.id = newUUID()
	s.deployment.finishBuild(b, opts.id)
	return s.replaceAgent(opts)
}

func (s *server) replaceAgent(opts agentOptions) error {
	a, err := startAgent(opts)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.agent = a
	s.mu.Unlock()
	s.deployment.setAgentUp(true)
	return nil
}

// takeAgent removes the running agent from its place; nil when there is none.
func (s *server) takeAgent() *agent {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.agent
	s.agent = nil
	return a
}

// endAgent shuts the running agent down, if there is one.
func (s *server) endAgent() {
	if a := s.takeAgent(); a != nil {
		a.shutdown()
	}
}

// waitForAgent returns when the agent is on the relay and its host key exists, so that the first client meets no
// start-up delays that a real workspace would not show.
func (s *server) waitForAgent() error {
	<-s.ssh.ready
	s.mu.Lock()
	key := s.agent.node.private.Public()
	s.mu.Unlock()
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if s.relay.isConnected(key) {
			return nil
		}
	}
	return errors.New("the agent did not reach the relay")
}

// startWorkspace starts a build; its job ends by itself. nil when a build is running already. A running agent is
// replaced, as an update of the workspace does it.
func (s *server) startWorkspace(reason string) *build {
	b := s.deployment.beginBuild("start", reason)
	if b == nil {
		return nil
	}
	go func() {
		s.endAgent()
		time.Sleep(jobTime)
		if err := s.runAgent(b); err != nil {
			fmt.Fprintln(os.Stderr, "peer: start agent:", err)
		}
	}()
	return b
}

func (s *server) stopWorkspace(reason string) *build {
	b := s.deployment.beginBuild("stop", reason)
	if b == nil {
		return nil
	}
	go func() {
		time.Sleep(jobTime)
		s.endAgent()
		s.deployment.finishBuild(b, uuid{})
	}()
	return b
}

// waitForBuild returns when the job has ended.
func (s *server) waitForBuild(b *build) object {
	changes, cancel := s.deployment.subscribe()
	defer cancel()
	for {
		s.deployment.mu.Lock()
		done := b.jobStatus == "succeeded"
		result := object{"build": b.number, "status": b.status(), "agent_id": b.agentID}
		s.deployment.mu.Unlock()
		if done {
			return result
		}
		<-changes
	}
}

// obey reads commands from stdin, one a line, and answers each with one JSON line. The end of stdin ends it, and so
// does a signal; either way no command of a session is left running.
func (s *server) obey(output *json.Encoder) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		s.endAgent()
		os.Exit(0)
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		answer, err := s.command(fields[0], fields[1:])
		if answer == nil {
			answer = object{}
		}
		answer["command"], answer["ok"] = fields[0], err == nil
		if err != nil {
			answer["error"] = err.Error()
		}
		if err := output.Encode(answer); err != nil {
			return err
		}
		if fields[0] == "quit" {
			break
		}
	}
	s.endAgent()
	return lines.Err()
}

func (s *server) command(name string, args []string) (object, error) {
	switch name {
	case "restart-relay":
		return object{"cut": s.relay.restart()}, nil
	case "move-relay":
		s.relay.isMoved.Store(true)
		m, _ := s.coordination.maps.get()
		s.coordination.maps.set(m.movedTo(s.movedPort))
		return object{"port": s.movedPort}, nil
	case "cut-relay":
		return object{"cut": s.relay.conns.cut()}, nil
	case "restart-coordinator":
		return object{"cut": s.coordination.restart()}, nil
	case "cut-coordinator":
		return object{"cut": s.coordination.cut()}, nil
	case "forget-resume-tokens":
		s.coordination.tokens.forget()
		return nil, nil
	case "restart-agent":
		a := s.takeAgent()
		if a == nil {
			return nil, errors.New("no agent is running")
		}
		if len(args) > 0 && args[0] == "graceful" {
			a.shutdown()
		} else {
			a.kill()
		}
		s.deployment.setAgentUp(false)
		if !a.opts.release.has(stableHostKey) {
			s.ssh.drawHostKey()
		}
		return nil, s.replaceAgent(a.opts)
	case "stop-agent":
		a := s.takeAgent()
		if a == nil {
			return nil, errors.New("no agent is running")
		}
		a.kill()
		s.deployment.setAgentUp(false)
		return nil, nil
	case "stop-workspace", "new-build":
		begin := s.stopWorkspace
		if name == "new-build" {
			begin = s.startWorkspace
		}
		b := begin("initiator")
		if b == nil {
			return nil, errors.New("a build is already active")
		}
		return s.waitForBuild(b), nil
	case "lifecycle":
		if len(args) != 1 {
			return nil, errors.New("usage: lifecycle STATE")
		}
		s.deployment.setLifecycle(args[0])
		return nil, nil
	case "udp":
		if s.agentOptions.gate == nil || len(args) != 1 {
			return nil, errors.New(udpUsage + ", with --udp-gate")
		}
		return nil, s.agentOptions.gate.set(args[0])
	case "agent-log":
		s.deployment.logAgent(strings.Join(args, " "))
		return nil, nil
	case "stats":
		return s.stats(), nil
	case "quit":
		return nil, nil
	}
	return nil, errors.New("unknown command")
}

func (s *server) stats() object {
	relay := s.relay.stats()
	dials, jsonDials := s.coordination.dialCount()
	answer := object{
		"relay": relay, "relay_connections": s.relay.conns.count(),
		"coordinate_sockets": s.coordination.conns.count(), "coordinate_dials": dials,
		"coordinate_json_dials": jsonDials,
		"coordinator_peers":     s.coordination.coordinator().count(),
	}
	s.deployment.mu.Lock()
	requests := make(map[string]int, len(s.deployment.requests))
	for k, v := range s.deployment.requests {
		requests[k] = v
	}
	answer["usage"] = s.deployment.usage
	s.deployment.mu.Unlock()
	answer["requests"] = requests

	s.mu.Lock()
	a := s.agent
	s.mu.Unlock()
	peers, direct := []object{}, false
	if a != nil {
		tcp := a.node.tun.stack.Stats().TCP
		answer["tcp"] = object{
			"retransmits": tcp.Retransmits.Value(), "established": tcp.CurrentEstablished.Value(),
			"send_errors": tcp.SegmentSendErrors.Value(),
		}
		for _, p := range a.node.peerList() {
			p["direct"] = p["address"] != ""
			direct = direct || p["address"] != ""
			peers = append(peers, p)
		}
	}
	answer["peers"], answer["direct"] = peers, direct
	return answer
}
