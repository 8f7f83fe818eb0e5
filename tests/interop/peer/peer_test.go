// What can be checked without a network: the messages, the coordinator's rules, versions and resume tokens.

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"tailscale.com/types/key"
)

func testNode(n int64) *tailnetNode {
	prefix := hostPrefix(newUUID().addressIn(prefixTailscale))
	return &tailnetNode{
		ID: n, AsOf: time.Unix(1, 2).UTC(), Key: key.NewNode().Public(), Disco: key.NewDisco().Public(), PreferredDERP: relayRegion,
		DERPLatency: map[string]float64{"999-v4": 0.25}, ForceWebsockets: map[int]string{},
		Addresses: []netip.Prefix{prefix}, AllowedIPs: []netip.Prefix{prefix},
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:41641")},
	}
}

func TestNodeSurvivesEncoding(t *testing.T) {
	want := testNode(1 << 62)
	got, err := decodeNode(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The bytes an official client sent, as the body of one dRPC message.
func TestCoordinateRequestAsOfficialClient(t *testing.T) {
	raw, _ := hex.DecodeString("1a120a103a5b2a46b6af43658859479cedf5c885")
	r, err := decodeCoordinateRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	id, err := uuidFromBytes(r.AddTunnel)
	if err != nil || id.String() != "3a5b2a46-b6af-4365-8859-479cedf5c885" {
		t.Errorf("got %v, %v", id, err)
	}
	if !bytes.Equal(r.encode(), raw) {
		t.Errorf("encoded as %x", r.encode())
	}
	if r, err := decodeCoordinateRequest([]byte{0x12, 0x00}); err != nil || !r.Disconnect {
		t.Errorf("disconnect: got %+v, %v", r, err)
	}
}

func TestAddressOfUUID(t *testing.T) {
	id, err := parseUUID("3a5b2a46-b6af-4365-8859-479cedf5c885")
	if err != nil {
		t.Fatal(err)
	}
	if got := id.addressIn(prefixTailscale).String(); got != "fd7a:115c:a1e0:4365:8859:479c:edf5:c885" {
		t.Errorf("got %s", got)
	}
}

func TestCheckVersion(t *testing.T) {
	for version, want := range map[string]string{
		"2.0": "", "2.10": "",
		"1.0":  "version 1.0 is no longer supported",
		"9.9":  "server is at version 2.10, behind requested major version 9.9",
		"2.11": "server is at version 2.10, behind requested minor version 2.11",
		"two":  "invalid version string: two",
		"a.0":  "invalid major version: a",
		"2.b":  "invalid minor version: b",
	} {
		if got := checkVersion(version, newestRelease); got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
}

func TestResumeTokens(t *testing.T) {
	var tokens resumeTokens
	want := newUUID()
	token, _ := tokens.issue(want)
	if got, err := tokens.verify(token); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := tokens.verify(token[:len(token)-1] + "!"); err == nil {
		t.Error("a changed token was accepted")
	}
	tokens.forget()
	if _, err := tokens.verify(token); err == nil {
		t.Error("a forgotten token was accepted")
	}
}

// received drains what is queued for a peer.
func received(p *coordPeer) (updates []peerUpdate, closed bool) {
	for {
		select {
		case r, ok := <-p.out:
			if !ok {
				return updates, true
			}
			updates = append(updates, r.Updates...)
			if r.Error != "" {
				updates = append(updates, peerUpdate{Reason: r.Error})
			}
		default:
			return updates, false
		}
	}
}

func expectKinds(t *testing.T, step string, p *coordPeer, want ...peerUpdateKind) {
	t.Helper()
	updates, _ := received(p)
	var got []peerUpdateKind
	for _, u := range updates {
		got = append(got, u.Kind)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got kinds %v, want %v", step, got, want)
	}
}

func TestCoordinatorIntroducesPeers(t *testing.T) {
	c := newCoordinator(newestRelease)
	agentID, clientID := newUUID(), newUUID()
	client, _ := c.connect(clientID, agentID)
	if err := c.handle(client, coordinateRequest{AddTunnel: agentID[:]}); err != nil {
		t.Fatal(err)
	}
	c.handle(client, coordinateRequest{UpdateSelf: testNode(1).encode()})
	expectKinds(t, "agent unknown", client)

	agent, _ := c.connect(agentID, uuid{})
	expectKinds(t, "agent connects", agent, kindNode)
	node := testNode(2).encode()
	c.handle(agent, coordinateRequest{UpdateSelf: node})
	c.handle(agent, coordinateRequest{UpdateSelf: node})
	expectKinds(t, "agent announces itself twice", client, kindNode)
	c.handle(agent, coordinateRequest{ReadyForHandshake: [][]byte{clientID[:]}})
	expectKinds(t, "agent ready", client, kindReadyForHandshake)

	c.lose(agent)
	expectKinds(t, "agent lost", client, kindLost)
	agent, _ = c.connect(agentID, uuid{})
	expectKinds(t, "agent back", agent, kindNode)
	c.handle(agent, coordinateRequest{UpdateSelf: node})
	expectKinds(t, "agent announced again", client, kindNode)

	if err := c.handle(client, coordinateRequest{Disconnect: true}); err != errDisconnected {
		t.Errorf("disconnect: got %v", err)
	}
	expectKinds(t, "client gone", agent, kindDisconnected)
	if _, closed := received(client); !closed {
		t.Error("the call of a disconnected client goes on")
	}
}

func TestCoordinatorRefuses(t *testing.T) {
	agentID, other := newUUID(), newUUID()
	wide := testNode(1)
	wide.Addresses = []netip.Prefix{netip.PrefixFrom(wide.Addresses[0].Addr(), 64)}
	for name, row := range map[string]struct {
		request coordinateRequest
		want    string
	}{
		"another agent": {
			coordinateRequest{AddTunnel: other[:]},
			"authorization: invalid agent id, expected " + agentID.String() + ", got " + other.String(),
		},
		"a network as address": {
			coordinateRequest{UpdateSelf: wide.encode()}, "authorization: invalid address bits, expected 128, got 64",
		},
		"ready from a client": {
			coordinateRequest{ReadyForHandshake: [][]byte{agentID[:]}}, "authorization: clients may not send ready_for_handshake",
		},
	} {
		c := newCoordinator(newestRelease)
		client, _ := c.connect(newUUID(), agentID)
		if err := c.handle(client, row.request); err == nil {
			t.Errorf("%s: accepted", name)
		}
		updates, closed := received(client)
		if len(updates) != 1 || updates[0].Reason != row.want || !closed {
			t.Errorf("%s: got %+v, closed %v", name, updates, closed)
		}
	}
}

func TestCoordinatorReplacesConnection(t *testing.T) {
	c := newCoordinator(newestRelease)
	id, agentID := newUUID(), newUUID()
	first, _ := c.connect(id, agentID)
	second, _ := c.connect(id, agentID)
	updates, closed := received(first)
	if !closed || len(updates) != 1 || updates[0].Reason != "peer ID overwritten by new connection" {
		t.Errorf("got %+v, closed %v", updates, closed)
	}
	c.lose(first) // its socket ends later; that must not harm the second
	if err := c.handle(second, coordinateRequest{AddTunnel: agentID[:]}); err != nil {
		t.Error(err)
	}
}

func TestReleases(t *testing.T) {
	for _, row := range []struct {
		text  string
		since release
		want  bool
	}{
		{"v0.24.0", newAgentRoutes, false}, {"v2.0.0", newAgentRoutes, true}, {"2.7.9", dRPCCoordination, false},
		{"v2.10.3", dRPCCoordination, true}, {"v3.0.0", bearerTokens, true},
	} {
		r, err := parseRelease(row.text)
		if err != nil || r.has(row.since) != row.want {
			t.Errorf("%s has what came with %v: got %v, %v", row.text, row.since, r.has(row.since), err)
		}
	}
	for _, text := range []string{"", "v2", "v2.x.0", "v2.36.0+peer"} {
		if _, err := parseRelease(text); err == nil {
			t.Errorf("%q is taken for a release", text)
		}
	}
}

func TestPairFits(t *testing.T) {
	for _, row := range []struct {
		server, agent release
		want          bool
	}{
		{release{2, 5, 1}, release{0, 24, 0}, true}, {release{0, 24, 0}, release{2, 5, 1}, false},
		{release{2, 36, 0}, release{2, 8, 0}, true}, {release{2, 8, 0}, newestRelease, true},
		{newestRelease, release{2, 5, 1}, false}, {release{2, 5, 1}, newestRelease, false},
	} {
		if err := pairFits(row.server, row.agent); (err == nil) != row.want {
			t.Errorf("agent %v on server %v: got %v", row.agent, row.server, err)
		}
	}
}

func TestAgentIdentity(t *testing.T) {
	id, err := parseUUID("3a5b2a46-b6af-4365-8859-479cedf5c885")
	if err != nil {
		t.Fatal(err)
	}
	const own, legacy = "fd7a:115c:a1e0:4365:8859:479c:edf5:c885", "fd7a:115c:a1e0:49d6:b259:b7ac:b1b2:48f4"
	for _, row := range []struct {
		at    release
		hasID bool
		want  []string
	}{
		{release{0, 24, 0}, false, []string{legacy}},
		{release{2, 5, 1}, true, []string{own, legacy}},
		{release{2, 16, 0}, true, []string{own}},
		{newestRelease, true, []string{own, "fd60:627a:a42b:4365:8859:479c:edf5:c885"}},
	} {
		nodeID, addresses := agentIdentity(id, row.at)
		var got []string
		for _, a := range addresses {
			got = append(got, a.Addr().String())
		}
		if (nodeID != 0) != row.hasID || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%v: got %d, %v", row.at, nodeID, got)
		}
	}
}

// A node as a client of v2.5.1 sent it, its id beyond what a double holds.
func TestNodeInJSON(t *testing.T) {
	text := `{"id":1444937658865106237,"as_of":"2026-11-23T19:42:16.818372Z",` +
		`"key":"nodekey:` + strings.Repeat("1a", 32) + `","disco":"discokey:` + strings.Repeat("2b", 32) + `",` +
		`"preferred_derp":999,"derp_latency":{"999-v4":0.25},"derp_forced_websockets":{},` +
		`"addresses":["fd7a:115c:a1e0:4fd2:8c00::1/128"],"allowed_ips":["fd7a:115c:a1e0:4fd2:8c00::1/128"],"endpoints":null}`
	var n tailnetNode
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	stored, err := decodeNode(n.encode())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(stored); err != nil || string(again) != text {
		t.Errorf("got %s, %v", again, err)
	}
}

func TestOldCoordinatorsSayLess(t *testing.T) {
	node := testNode(2).encode()
	for _, row := range []struct {
		at      release
		repeats []peerUpdateKind
		ready   []peerUpdateKind
		left    []peerUpdateKind
	}{
		{release{0, 24, 0}, []peerUpdateKind{kindNode, kindNode}, nil, nil},
		{release{2, 5, 1}, []peerUpdateKind{kindNode}, nil, nil},
		{release{2, 8, 0}, []peerUpdateKind{kindNode}, nil, []peerUpdateKind{kindLost}},
		{newestRelease, []peerUpdateKind{kindNode}, []peerUpdateKind{kindReadyForHandshake}, []peerUpdateKind{kindLost}},
	} {
		c := newCoordinator(row.at)
		agentID, clientID := newUUID(), newUUID()
		client, _ := c.connect(clientID, agentID)
		c.handle(client, coordinateRequest{AddTunnel: agentID[:]})
		agent, _ := c.connect(agentID, uuid{})
		c.handle(agent, coordinateRequest{UpdateSelf: node})
		c.handle(agent, coordinateRequest{UpdateSelf: node})
		expectKinds(t, row.at.String()+": twice the same", client, row.repeats...)
		c.handle(agent, coordinateRequest{ReadyForHandshake: [][]byte{clientID[:]}})
		expectKinds(t, row.at.String()+": ready", client, row.ready...)
		c.lose(agent)
		expectKinds(t, row.at.String()+": lost", client, row.left...)
	}
}
