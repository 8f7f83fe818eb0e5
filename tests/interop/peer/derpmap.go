// The DERP map in its three forms: JSON for REST, protobuf for the coordinator, tailcfg for magicsock.
//
// On the wire it has the shape of a real deployment: region 999 with one relay node and no STUN, and region 1000
// that is STUN only. magicsock gets one region that has both: with a relay whose STUN port is -1 its netcheck
// waits three seconds and the next one drops the relay connection.
//
//	DERPMap      1 home_params{} 2 regions{1 key 2 Region}
//	Region       1 region_id 2 embedded_relay 3 region_code 4 region_name 5 avoid 6* nodes
//	Region.Node  1 name 2 region_id 3 host_name 4 cert_name 5 ipv4 6 ipv6 7 stun_port 8 stun_only 9 derp_port
//	             10 insecure_for_tests 11 force_http 12 stun_test_ip 13 can_port_80

package main

import (
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"tailscale.com/tailcfg"
)

const (
	relayRegion = 999
	stunRegion  = 1000
)

// derpNode and derpRegion carry Coder's JSON names, which are Go field names.
type derpNode struct {
	Name      string
	RegionID  int
	HostName  string
	IPv4      string `json:",omitempty"`
	IPv6      string `json:",omitempty"`
	STUNPort  int    `json:",omitempty"`
	STUNOnly  bool   `json:",omitempty"`
	DERPPort  int    `json:",omitempty"`
	ForceHTTP bool   `json:",omitempty"`
}

type derpRegion struct {
	EmbeddedRelay bool
	RegionID      int
	RegionCode    string
	RegionName    string
	Nodes         []derpNode
}

type derpMap struct {
	Regions map[string]derpRegion
}

// mapFeed is the map as clients are told it, now and when it changes.
type mapFeed struct {
	mu      sync.Mutex
	current derpMap
	changed chan struct{}
}

// get returns the map, and what is closed when there is another.
func (f *mapFeed) get() (derpMap, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.current, f.changed
}

func (f *mapFeed) set(m derpMap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = m
	if f.changed != nil {
		close(f.changed)
	}
	f.changed = make(chan struct{})
}

// movedTo gives the relay another port, which no client takes for the deployment's own.
func (m derpMap) movedTo(derpPort int) derpMap {
	moved := derpMap{Regions: map[string]derpRegion{}}
	for id, region := range m.Regions {
		region.EmbeddedRelay = false
		region.Nodes = slices.Clone(region.Nodes)
		for i := range region.Nodes {
			if !region.Nodes[i].STUNOnly {
				region.Nodes[i].DERPPort = derpPort
			}
		}
		moved.Regions[id] = region
	}
	return moved
}

// newDERPMap describes a relay over plain HTTP on host:derpPort. stunPort 0 leaves the STUN region out.
func newDERPMap(host string, derpPort, stunPort int) derpMap {
	m := derpMap{Regions: map[string]derpRegion{
		strconv.Itoa(relayRegion): {
			EmbeddedRelay: true,
			RegionID:      relayRegion,
			RegionCode:    "coder",
			RegionName:    "Coder Embedded Relay",
			Nodes: []derpNode{{
				Name: "999b", RegionID: relayRegion, HostName: host, STUNPort: -1, DERPPort: derpPort, ForceHTTP: true,
			}},
		},
	}}
	if stunPort != 0 {
		m.Regions[strconv.Itoa(stunRegion)] = derpRegion{
			RegionID:   stunRegion,
			RegionCode: "coder_stun_1000",
			RegionName: "Coder STUN 1000",
			Nodes: []derpNode{{
				Name: "1000stun0", RegionID: stunRegion, HostName: host, STUNPort: stunPort, STUNOnly: true,
			}},
		}
	}
	return m
}

// asOf gives the map the form of that release: the oldest have their STUN server in the region of the relay.
func (m derpMap) asOf(at release) derpMap {
	relay, stun := m.Regions[strconv.Itoa(relayRegion)], m.Regions[strconv.Itoa(stunRegion)]
	if at.has(newAgentRoutes) || len(stun.Nodes) == 0 {
		return m
	}
	for _, node := range stun.Nodes {
		node.RegionID = relayRegion
		relay.Nodes = append(relay.Nodes, node)
	}
	return derpMap{Regions: map[string]derpRegion{strconv.Itoa(relayRegion): relay}}
}

func (m derpMap) encode() []byte {
	b := appendMessage(nil, 1, nil) // home_params: Go clients dereference it
	for _, region := range m.Regions {
		r := appendVarint(nil, 1, uint64(region.RegionID))
		r = appendBool(r, 2, region.EmbeddedRelay)
		r = appendString(r, 3, region.RegionCode)
		r = appendString(r, 4, region.RegionName)
		for _, node := range region.Nodes {
			n := appendString(nil, 1, node.Name)
			n = appendVarint(n, 2, uint64(node.RegionID))
			n = appendString(n, 3, node.HostName)
			n = appendString(n, 5, node.IPv4)
			n = appendString(n, 6, node.IPv6)
			n = appendVarint(n, 7, uint64(int64(node.STUNPort)))
			n = appendBool(n, 8, node.STUNOnly)
			n = appendVarint(n, 9, uint64(node.DERPPort))
			n = appendBool(n, 11, node.ForceHTTP)
			r = appendMessage(r, 6, n)
		}
		entry := appendVarint(nil, 1, uint64(region.RegionID))
		b = appendMessage(b, 2, appendMessage(entry, 2, r))
	}
	return b
}

// forMagicsock merges relay and STUN into region 999, the only one magicsock may choose as home. stun is the server
// to use when the map names none on the relay's own host.
func (m derpMap) forMagicsock(stun netip.AddrPort) *tailcfg.DERPMap {
	merged := tailcfg.DERPNode{Name: "999b", RegionID: relayRegion, IPv6: "none"}
	for _, node := range m.nodes() {
		if !node.STUNOnly {
			merged.HostName, merged.IPv4, merged.DERPPort = node.HostName, node.HostName, node.DERPPort
		}
	}
	for _, node := range m.nodes() {
		if node.STUNPort > 0 && node.HostName == merged.HostName {
			merged.STUNPort = node.STUNPort
		}
	}
	if merged.STUNPort == 0 {
		merged.STUNPort, merged.STUNTestIP = int(stun.Port()), stun.Addr().String()
	}
	return &tailcfg.DERPMap{OmitDefaultRegions: true, Regions: map[int]*tailcfg.DERPRegion{
		relayRegion: {RegionID: relayRegion, RegionCode: "coder", RegionName: "relay", Nodes: []*tailcfg.DERPNode{&merged}},
	}}
}

func (m derpMap) nodes() (all []derpNode) {
	for _, region := range m.Regions {
		all = append(all, region.Nodes...)
	}
	return all
}
