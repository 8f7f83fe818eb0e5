// Messages of the coordinator service coder.tailnet.v2, encoded by hand with protowire.
//
//	CoordinateRequest   1 update_self{1 node} 2 disconnect{} 3 add_tunnel{1 id} 4 remove_tunnel{1 id} 5* ready_for_handshake{1 id}
//	CoordinateResponse  1* peer_updates 2 error
//	PeerUpdate          1 id 2 node 3 kind 4 reason
//	Node                1 id 2 as_of 3 key 4 disco 5 preferred_derp 6 derp_latency 7 derp_forced_websocket
//	                    8* addresses 9* allowed_ips 10* endpoints
//	RefreshResumeTokenResponse  1 token 2 refresh_in 3 expires_at
//
// The DERP map has its own file, derpmap.go. Unknown fields are skipped everywhere.

package main

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"go4.org/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"tailscale.com/types/key"
)

type peerUpdateKind uint64

const (
	kindNode              peerUpdateKind = 1
	kindDisconnected      peerUpdateKind = 2
	kindLost              peerUpdateKind = 3
	kindReadyForHandshake peerUpdateKind = 4
)

// nodeKeyPrefix precedes the 32 raw bytes of a node key in its binary form.
const nodeKeyPrefix = "np"

// tailnetNode is what one side tells the other about itself. The JSON is that of the coordinators before API 2.
type tailnetNode struct {
	ID              int64              `json:"id"`
	AsOf            time.Time          `json:"as_of"`
	Key             key.NodePublic     `json:"key"`
	Disco           key.DiscoPublic    `json:"disco"`
	PreferredDERP   int                `json:"preferred_derp"`
	DERPLatency     map[string]float64 `json:"derp_latency"`
	ForceWebsockets map[int]string     `json:"derp_forced_websockets"` // not in the binary form
	Addresses       []netip.Prefix     `json:"addresses"`
	AllowedIPs      []netip.Prefix     `json:"allowed_ips"`
	Endpoints       []netip.AddrPort   `json:"endpoints"`
}

type peerUpdate struct {
	ID     uuid
	Node   []byte // an encoded tailnetNode, or nil
	Kind   peerUpdateKind
	Reason string
}

type coordinateRequest struct {
	UpdateSelf        []byte // an encoded tailnetNode, or nil
	Disconnect        bool
	AddTunnel         []byte
	RemoveTunnel      []byte
	ReadyForHandshake [][]byte
}

type coordinateResponse struct {
	Updates []peerUpdate
	Error   string
}

// eachField calls visit for every field of msg. For varint and fixed fields number holds the value, for
// length-delimited ones raw does.
func eachField(msg []byte, visit func(field protowire.Number, number uint64, raw []byte) error) error {
	for len(msg) > 0 {
		field, kind, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		var number uint64
		var raw []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(msg)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(msg)
		case protowire.BytesType:
			raw, n = protowire.ConsumeBytes(msg)
			if raw == nil {
				raw = []byte{} // present but empty, which is not the same as absent
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, msg)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		if err := visit(field, number, raw); err != nil {
			return err
		}
	}
	return nil
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendBool(b []byte, field protowire.Number, v bool) []byte {
	return appendVarint(b, field, protowire.EncodeBool(v))
}

func appendString(b []byte, field protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// appendMessage writes the field even when v is empty: an empty submessage says something.
func appendMessage(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// encodeSeconds is the shape shared by Timestamp and Duration: 1 seconds, 2 nanos.
func encodeSeconds(seconds int64, nanos int) []byte {
	return appendVarint(appendVarint(nil, 1, uint64(seconds)), 2, uint64(nanos))
}

func encodeTimestamp(t time.Time) []byte { return encodeSeconds(t.Unix(), t.Nanosecond()) }

func decodeTimestamp(msg []byte) (time.Time, error) {
	var seconds, nanos int64
	err := eachField(msg, func(field protowire.Number, number uint64, _ []byte) error {
		switch field {
		case 1:
			seconds = int64(number)
		case 2:
			nanos = int64(number)
		}
		return nil
	})
	return time.Unix(seconds, nanos).UTC(), err
}

func (n *tailnetNode) encode() []byte {
	b := appendVarint(nil, 1, uint64(n.ID))
	b = appendMessage(b, 2, encodeTimestamp(n.AsOf))
	raw := n.Key.Raw32()
	b = appendMessage(b, 3, append([]byte(nodeKeyPrefix), raw[:]...))
	b = appendString(b, 4, n.Disco.String())
	b = appendVarint(b, 5, uint64(n.PreferredDERP))
	for region, seconds := range n.DERPLatency {
		entry := appendString(nil, 1, region)
		entry = protowire.AppendTag(entry, 2, protowire.Fixed64Type)
		entry = protowire.AppendFixed64(entry, math.Float64bits(seconds))
		b = appendMessage(b, 6, entry)
	}
	for _, p := range n.Addresses {
		b = appendString(b, 8, p.String())
	}
	for _, p := range n.AllowedIPs {
		b = appendString(b, 9, p.String())
	}
	for _, e := range n.Endpoints {
		b = appendString(b, 10, e.String())
	}
	return b
}

func decodeNode(msg []byte) (*tailnetNode, error) {
	n := &tailnetNode{DERPLatency: map[string]float64{}, ForceWebsockets: map[int]string{}}
	err := eachField(msg, func(field protowire.Number, number uint64, raw []byte) (err error) {
		switch field {
		case 1:
			n.ID = int64(number)
		case 2:
			n.AsOf, err = decodeTimestamp(raw)
		case 3:
			if len(raw) != len(nodeKeyPrefix)+32 || string(raw[:2]) != nodeKeyPrefix {
				return fmt.Errorf("node key: want %q and 32 bytes, got %d bytes", nodeKeyPrefix, len(raw))
			}
			n.Key = key.NodePublicFromRaw32(mem.B(raw[2:]))
		case 4:
			return n.Disco.UnmarshalText(raw)
		case 5:
			n.PreferredDERP = int(int32(number))
		case 6:
			var region string
			var seconds float64
			err = eachField(raw, func(f protowire.Number, num uint64, r []byte) error {
				if f == 1 {
					region = string(r)
				} else if f == 2 {
					seconds = math.Float64frombits(num)
				}
				return nil
			})
			n.DERPLatency[region] = seconds
		case 8, 9:
			var p netip.Prefix
			if p, err = netip.ParsePrefix(string(raw)); err != nil {
				return err
			}
			if field == 8 {
				n.Addresses = append(n.Addresses, p)
			} else {
				n.AllowedIPs = append(n.AllowedIPs, p)
			}
		case 10:
			var e netip.AddrPort
			if e, err = netip.ParseAddrPort(string(raw)); err != nil {
				return err
			}
			n.Endpoints = append(n.Endpoints, e)
		}
		return err
	})
	return n, err
}

func (r *coordinateRequest) encode() (b []byte) {
	if r.UpdateSelf != nil {
		b = appendMessage(b, 1, appendMessage(nil, 1, r.UpdateSelf))
	}
	if r.Disconnect {
		b = appendMessage(b, 2, nil)
	}
	if r.AddTunnel != nil {
		b = appendMessage(b, 3, appendMessage(nil, 1, r.AddTunnel))
	}
	if r.RemoveTunnel != nil {
		b = appendMessage(b, 4, appendMessage(nil, 1, r.RemoveTunnel))
	}
	for _, id := range r.ReadyForHandshake {
		b = appendMessage(b, 5, appendMessage(nil, 1, id))
	}
	return b
}

func decodeCoordinateRequest(msg []byte) (r coordinateRequest, err error) {
	err = eachField(msg, func(field protowire.Number, _ uint64, raw []byte) error {
		inner := []byte{}
		if field == 1 || field >= 3 && field <= 5 {
			err := eachField(raw, func(f protowire.Number, _ uint64, v []byte) error {
				if f == 1 {
					inner = v
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		switch field {
		case 1:
			r.UpdateSelf = inner
		case 2:
			r.Disconnect = true
		case 3:
			r.AddTunnel = inner
		case 4:
			r.RemoveTunnel = inner
		case 5:
			r.ReadyForHandshake = append(r.ReadyForHandshake, inner)
		}
		return nil
	})
	return r, err
}

func (r *coordinateResponse) encode() (b []byte) {
	for _, u := range r.Updates {
		m := appendMessage(nil, 1, u.ID[:])
		if u.Node != nil {
			m = appendMessage(m, 2, u.Node)
		}
		m = appendVarint(m, 3, uint64(u.Kind))
		m = appendString(m, 4, u.Reason)
		b = appendMessage(b, 1, m)
	}
	return appendString(b, 2, r.Error)
}

func decodeCoordinateResponse(msg []byte) (r coordinateResponse, err error) {
	err = eachField(msg, func(field protowire.Number, _ uint64, raw []byte) error {
		switch field {
		case 1:
			var u peerUpdate
			err := eachField(raw, func(f protowire.Number, number uint64, v []byte) (err error) {
				switch f {
				case 1:
					u.ID, err = uuidFromBytes(v)
				case 2:
					u.Node = v
				case 3:
					u.Kind = peerUpdateKind(number)
				case 4:
					u.Reason = string(v)
				}
				return err
			})
			if err != nil {
				return err
			}
			r.Updates = append(r.Updates, u)
		case 2:
			r.Error = string(raw)
		}
		return nil
	})
	return r, err
}

func encodeResumeToken(token string, refreshIn time.Duration, expiresAt time.Time) []byte {
	b := appendString(nil, 1, token)
	b = appendMessage(b, 2, encodeSeconds(int64(refreshIn/time.Second), 0))
	return appendMessage(b, 3, encodeTimestamp(expiresAt))
}
