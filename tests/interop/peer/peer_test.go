// What can be checked without a network: the messages, the coordinator's rules, versions and resume tokens.

package main

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"tailscale.com/types/key"
)

func testNode(n int64) *tailnetNode {
	prefix := hostPrefix(newUUID().addressIn(prefixTailscale))
	return &tailnetNode{
		ID: n, AsOf: time.Unix(1, 2), Key: key.NewNode().Public(), Disco: key.NewDisco().Public(), PreferredDERP: relayRegion,
		DERPLatency: map[string]float64{"999-v4": 0.25}, Addresses: []netip.Prefix{prefix}, AllowedIPs: []netip.Prefix{prefix},
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:41641")},
	}
}

func TestNodeSurvivesEncoding(t *testing.T) {
	want := testNode(1 << 62)
	got, err := decodeNode(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	want.AsOf = time.Time{} // not decoded
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
		if got := checkVersion(version); got != want {
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
	c := newCoordinator()
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
		c := newCoordinator()
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
	c := newCoordinator()
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
