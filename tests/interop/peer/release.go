// Releases: what a server or an agent of an age has, and how it does it.

package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// release is a version without its words: 2.36.0 is {2, 36, 0}.
type release [3]int

var (
	newestRelease = release{2, 36, 0}

	agentUUIDAddress  = release{0, 26, 2} // before: one address for all agents, and an id per process
	newAgentRoutes    = release{2, 0, 0}  // /derp-map, /connection without an agent, /logs
	severalScripts    = release{2, 2, 0}
	dRPCCoordination  = release{2, 8, 0} // before: JSON, whatever version the client asks for
	strictAddresses   = release{2, 9, 0}
	usageReports      = release{2, 10, 0}
	readyForHandshake = release{2, 11, 0}
	telemetry         = release{2, 14, 0}
	resumption        = release{2, 15, 0}
	noJSON            = release{2, 16, 0} // neither JSON nor the legacy address of agents
	coderPrefix       = release{2, 17, 0}
	stableHostKey     = release{2, 20, 0}
	commonSSHPort     = release{2, 21, 0}
	watchByWebsocket  = release{2, 22, 0} // and the hostname suffix
	bearerTokens      = release{2, 25, 0}
)

// apiMinors are the minor versions of API 2 by the release that had them first, newest first.
var apiMinors = []struct {
	since release
	minor int
}{{newestRelease, 10}, {release{2, 18, 0}, 3}, {release{2, 13, 0}, 2}, {release{2, 11, 0}, 1}, {dRPCCoordination, 0}}

func parseRelease(text string) (r release, err error) {
	parts := strings.Split(strings.TrimPrefix(text, "v"), ".")
	if len(parts) != len(r) {
		return r, fmt.Errorf("no release: %q", text)
	}
	for i, part := range parts {
		if r[i], err = strconv.Atoi(part); err != nil {
			return r, fmt.Errorf("no release: %q", text)
		}
	}
	return r, nil
}

func (r release) String() string { return fmt.Sprintf("v%d.%d.%d", r[0], r[1], r[2]) }

func (r release) has(since release) bool {
	for i := range r {
		if c := cmp.Compare(r[i], since[i]); c != 0 {
			return c > 0
		}
	}
	return true
}

func (r release) apiMinor() int {
	for _, row := range apiMinors {
		if r.has(row.since) {
			return row.minor
		}
	}
	return 0
}

// pairFits says why an agent could never come up on a server, or nil: before v2.8 agents knew the routes of JSON
// coordination only, from there on those of dRPC only, and v0.24 has none of the later ones.
func pairFits(server, agent release) error {
	if server.has(dRPCCoordination) != agent.has(dRPCCoordination) || agent.has(newAgentRoutes) && !server.has(newAgentRoutes) {
		return fmt.Errorf("an agent of %v does not come up on a server of %v", agent, server)
	}
	return nil
}
