// The lan mode: a local network behind a NAT, and the world outside of it, as three network namespaces. Packets between
// them go through this process, which is the router; all of it ends with it.
//
//	client   10.77.0.2  where clients run      nsenter --net=/proc/PID/fd/N COMMAND…
//	agent    10.77.0.3  where the agent's UDP is: peer serve --agent-namespace /proc/PID/fd/N --agent-host 10.77.0.3
//	outside  10.99.7.2  where the deployment runs; it sees both as 10.99.7.1, the router
//
// A mapping is the same whatever it leads to, and lets in who was spoken to from within, address and port: as most
// routers do. Needs CAP_NET_ADMIN, as root has it.

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// lanBits takes in all three: everything is on the link.
	lanBits       = 8
	lanFirstPort  = 40_000
	protoTCP      = 6
	protoUDP      = 17
	ipv4Header    = 20
	lanOwnBits    = 24
	tcpSumOffset  = 16
	udpSumOffset  = 6
	srcPortOffset = 0
	dstPortOffset = 2
)

var (
	lanClientHost  = netip.MustParseAddr("10.77.0.2")
	lanClientOther = netip.MustParseAddr("10.77.0.4")
	lanAgentHost   = netip.MustParseAddr("10.77.0.3")
	lanOutsideHost = netip.MustParseAddr("10.99.7.2")
	lanRouterHost  = netip.MustParseAddr("10.99.7.1")
	lanOwn         = netip.PrefixFrom(lanClientHost, lanOwnBits).Masked()
)

const lanUsage = "usage: lan on|off, hairpin on|off, forget, client up|down|readdressed, stats"

func lanCommand(args []string) error {
	flags, _ := newFlagSet("lan")
	flags.Parse(args)
	r := &lanRouter{ends: map[netip.Addr]*linkEnd{}, lan: true}
	r.forget()
	answer := json.NewEncoder(os.Stdout)
	places := object{}
	for name, host := range map[string]netip.Addr{
		"client": lanClientHost, "agent": lanAgentHost, "outside": lanOutsideHost,
	} {
		end, err := newLinkEnd(netip.PrefixFrom(host, lanBits))
		if err != nil {
			return err
		}
		r.ends[host] = end
		places[name] = object{
			"namespace": fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), end.namespace), "host": host,
		}
	}
	client := r.ends[lanClientHost]
	r.ends[lanClientOther] = client
	for _, host := range []netip.Addr{lanClientHost, lanAgentHost, lanOutsideHost} {
		go r.receive(r.ends[host].tun)
	}
	places["router"] = lanRouterHost
	answer.Encode(places)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		line := lines.Text()
		result, err := r.obey(line, client)
		if result == nil {
			result = object{}
		}
		result["command"], result["ok"] = line, err == nil
		if err != nil {
			result["error"] = err.Error()
		}
		answer.Encode(result)
	}
	return nil
}

func (r *lanRouter) obey(line string, client *linkEnd) (object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch fields := strings.Fields(line); strings.Join(fields, " ") {
	case "lan on", "lan off":
		r.lan = fields[1] == "on"
	case "hairpin on", "hairpin off":
		r.hairpin = fields[1] == "on"
	case "forget":
		r.forget()
	case "client up":
		return nil, client.set(unix.SIOCSIFFLAGS, func(q *unix.Ifreq) error { q.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil })
	case "client down":
		return nil, client.set(unix.SIOCSIFFLAGS, func(q *unix.Ifreq) error { q.SetUint16(0); return nil })
	case "client readdressed":
		return nil, client.setAddress(netip.PrefixFrom(lanClientOther, lanBits))
	case "stats":
		return object{"hairpinned": r.hairpinned, "within": r.within}, nil
	default:
		return nil, fmt.Errorf("%s", lanUsage)
	}
	return nil, nil
}

// lanRouter carries packets between its ends.
type lanRouter struct {
	ends map[netip.Addr]*linkEnd // by address; not changed once packets come

	mu       sync.Mutex
	lan      bool // whether those inside reach each other
	hairpin  bool // whether they do at the router's outside
	nextPort uint16
	outward  map[lanFlow]*lanMapping
	inward   map[lanPort]*lanMapping
	// Packets between those inside that took either way.
	hairpinned, within int
}

// lanFlow is who speaks inside.
type lanFlow struct {
	protocol byte
	from     netip.AddrPort
}

// lanPort is a port of the router's outside.
type lanPort struct {
	protocol byte
	port     uint16
}

type lanMapping struct {
	lanFlow
	port    uint16
	spokeTo map[netip.AddrPort]bool
}

// forget is what a router does that was switched off and on. What comes later is given other ports.
func (r *lanRouter) forget() {
	if r.nextPort == 0 {
		r.nextPort = lanFirstPort
	}
	r.outward = map[lanFlow]*lanMapping{}
	r.inward = map[lanPort]*lanMapping{}
}

func (r *lanRouter) receive(tun int) {
	packet := make([]byte, linkMTU)
	for {
		n, err := unix.Read(tun, packet)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return // the process ends
		}
		if to := r.route(packet[:n]); to != nil {
			unix.Write(to.tun, packet[:n]) // an interface that is down takes nothing
		}
	}
}

// route makes of a packet what leaves the router; nil: nothing does.
func (r *lanRouter) route(packet []byte) *linkEnd {
	if len(packet) < ipv4Header || packet[0] != 0x45 {
		return nil
	}
	protocol, segment := packet[9], packet[ipv4Header:]
	if (protocol != protoTCP && protocol != protoUDP) || len(segment) < tcpSumOffset+2 && protocol == protoTCP || len(segment) < udpSumOffset+2 {
		return nil
	}
	from := addrPortAt(packet[12:16], segment[srcPortOffset:])
	to := addrPortAt(packet[16:20], segment[dstPortOffset:])

	r.mu.Lock()
	defer r.mu.Unlock()
	if lanOwn.Contains(from.Addr()) && lanOwn.Contains(to.Addr()) {
		if !r.lan {
			return nil
		}
		r.within++
		return r.ends[to.Addr()]
	}
	isHairpin := false
	if lanOwn.Contains(from.Addr()) {
		isHairpin = to.Addr() == lanRouterHost
		if isHairpin && !r.hairpin {
			return nil
		}
		mapping := r.mappingOf(lanFlow{protocol, from})
		mapping.spokeTo[to] = true
		from = netip.AddrPortFrom(lanRouterHost, mapping.port)
		rewrite(packet, 12, srcPortOffset, from)
		if !isHairpin {
			return r.ends[to.Addr()]
		}
	}
	mapping := r.inward[lanPort{protocol, to.Port()}]
	if to.Addr() != lanRouterHost || mapping == nil || !mapping.spokeTo[from] {
		return nil
	}
	if isHairpin {
		r.hairpinned++
	}
	rewrite(packet, 16, dstPortOffset, mapping.from)
	return r.ends[mapping.from.Addr()]
}

func (r *lanRouter) mappingOf(flow lanFlow) *lanMapping {
	mapping := r.outward[flow]
	if mapping == nil {
		mapping = &lanMapping{lanFlow: flow, port: r.nextPort, spokeTo: map[netip.AddrPort]bool{}}
		r.nextPort++
		r.outward[flow] = mapping
		r.inward[lanPort{flow.protocol, mapping.port}] = mapping
	}
	return mapping
}

func addrPortAt(address, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(address)), binary.BigEndian.Uint16(port))
}

// rewrite puts another address and port into a packet, and corrects both checksums by the difference (RFC 1624).
func rewrite(packet []byte, addressOffset, portOffset int, with netip.AddrPort) {
	segment := packet[ipv4Header:]
	sumOffset := tcpSumOffset
	if packet[9] == protoUDP {
		sumOffset = udpSumOffset
	}
	var old, now [6]byte
	copy(old[:4], packet[addressOffset:])
	copy(old[4:], segment[portOffset:portOffset+2])
	address := with.Addr().As4()
	copy(now[:4], address[:])
	binary.BigEndian.PutUint16(now[4:], with.Port())
	correct(packet[10:12], old[:4], now[:4])
	if sum := segment[sumOffset : sumOffset+2]; packet[9] != protoUDP || sum[0]|sum[1] != 0 {
		correct(sum, old[:], now[:])
	}
	copy(packet[addressOffset:], now[:4])
	copy(segment[portOffset:], now[4:])
}

func correct(sum, old, now []byte) {
	total := uint32(^binary.BigEndian.Uint16(sum))
	for i := 0; i < len(old); i += 2 {
		total += uint32(^binary.BigEndian.Uint16(old[i:])) + uint32(binary.BigEndian.Uint16(now[i:]))
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	binary.BigEndian.PutUint16(sum, ^uint16(total))
}

// inNamespace runs f in a thread of another network namespace, which ends with it.
func inNamespace(path string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- func() error {
			namespace, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("network namespace %s: %w", path, err)
			}
			defer unix.Close(namespace)
			if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("network namespace %s: %w", path, err)
			}
			return f()
		}()
	}()
	return <-done
}
