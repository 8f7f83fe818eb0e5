// Identifiers: the UUIDs of peers and agents, and the addresses derived from them.
//
// An agent's overlay address is its UUID with the first six bytes replaced by a /48 service prefix.

package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

type uuid [16]byte

// The two /48 prefixes an agent owns an address in.
var (
	prefixTailscale = [6]byte{0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0}
	prefixCoder     = [6]byte{0xfd, 0x60, 0x62, 0x7a, 0xa4, 0x2b}
)

// legacyAgentAddress was every agent's.
var legacyAgentAddress = netip.MustParseAddr("fd7a:115c:a1e0:49d6:b259:b7ac:b1b2:48f4")

// newUUID returns a random (version 4) UUID.
func newUUID() (id uuid) {
	rand.Read(id[:]) // never fails since Go 1.24
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func parseUUID(text string) (id uuid, err error) {
	if len(text) != 36 {
		return id, fmt.Errorf("invalid UUID length: %d", len(text))
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		return id, fmt.Errorf("invalid UUID format")
	}
	copy(id[:], raw)
	return id, nil
}

func uuidFromBytes(raw []byte) (id uuid, err error) {
	if len(raw) != 16 {
		return id, fmt.Errorf("invalid UUID (got %d bytes)", len(raw))
	}
	copy(id[:], raw)
	return id, nil
}

func (id uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// MarshalText makes a uuid a plain string in JSON, as map key too.
func (id uuid) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// addressIn returns the overlay address of id under one of the service prefixes.
func (id uuid) addressIn(prefix [6]byte) netip.Addr {
	raw := id
	copy(raw[:6], prefix[:])
	return netip.AddrFrom16(raw)
}

func hostPrefix(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }
