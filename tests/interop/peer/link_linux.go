// The link mode: two network namespaces and a wire between them that delays, drops and limits, for benchmarks. The
// kernel's own netem is not everywhere, and namespaces that have names outlive who made them: here packets go from one
// TUN interface to the other through this process, and all of it ends with it.
//
//	near  10.99.7.1  where clients run      nsenter --net=/proc/PID/fd/N COMMAND…
//	far   10.99.7.2  where the deployment runs
//
// Needs CAP_NET_ADMIN, as root has it.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	linkMTU  = 1500
	linkBits = 24
	// linkFlight is how many packets may be under way: 50 ms at 10 Gbit/s.
	linkFlight = 1 << 16
	// linkInterfaceQueue is the kernel's queue towards us: what we drop is ours to say.
	linkInterfaceQueue = 10_000
	// linkEarly is how much too early a packet may arrive; sleeping is not finer than this.
	linkEarly = 100 * time.Microsecond
)

var (
	nearHost = netip.MustParseAddr("10.99.7.1")
	farHost  = netip.MustParseAddr("10.99.7.2")
)

func linkCommand(args []string) error {
	flags, _ := newFlagSet("link")
	flags.Parse(args)
	near, err := newLinkEnd(netip.PrefixFrom(nearHost, linkBits))
	if err != nil {
		return err
	}
	far, err := newLinkEnd(netip.PrefixFrom(farHost, linkBits))
	if err != nil {
		return err
	}
	outward, homeward := newLinkWay(near, far), newLinkWay(far, near)
	answer := json.NewEncoder(os.Stdout)
	place := func(e *linkEnd) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), e.namespace) }
	answer.Encode(object{
		"near": object{"namespace": place(near), "host": nearHost},
		"far":  object{"namespace": place(far), "host": farHost},
	})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		line := lines.Text()
		if line == "stats" {
			answer.Encode(object{"command": line, "ok": true, "outward": outward.stats(), "homeward": homeward.stats()})
			continue
		}
		shape, err := parseLinkShape(line)
		if err != nil {
			answer.Encode(object{"command": line, "ok": false, "error": err.Error()})
			continue
		}
		outward.begin(shape, 1)
		homeward.begin(shape, 2)
		answer.Encode(object{"command": line, "ok": true})
	}
	return nil
}

// linkShape is what the wire does, each way alike.
type linkShape struct {
	delay       time.Duration
	loss        float64 // share of packets
	udpLoss     float64 // share of the packets of UDP, if greater
	bytesPerSec float64 // 0: no limit
	queueBytes  float64 // what waits in front of the limit at most
	dropsUDP    bool
	seed        uint64 // of the losses, which are others then
}

// parseLinkShape reads words such as "delay=25ms loss=0.005 rate=20mbit queue=75000 udp=off udp-loss=0.05 seed=3"; what is not named is a
// wire without fault.
func parseLinkShape(line string) (s linkShape, err error) {
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "delay":
			s.delay, err = time.ParseDuration(value)
		case "loss":
			s.loss, err = strconv.ParseFloat(value, 64)
		case "rate":
			var mbit float64
			mbit, err = strconv.ParseFloat(strings.TrimSuffix(value, "mbit"), 64)
			s.bytesPerSec = mbit * 1e6 / 8
		case "queue":
			s.queueBytes, err = strconv.ParseFloat(value, 64)
		case "udp":
			s.dropsUDP = value == "off"
		case "udp-loss":
			s.udpLoss, err = strconv.ParseFloat(value, 64)
		case "seed":
			s.seed, err = strconv.ParseUint(value, 10, 32)
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// linkEnd is a namespace with a TUN interface in it.
type linkEnd struct {
	namespace int // a descriptor: it keeps the namespace
	tun       int
	control   int // a socket of the namespace, by which its interfaces are set
}

const linkInterface = "link0"

// set changes something of the end's interface.
func (e *linkEnd) set(request uint, fill func(*unix.Ifreq) error) error {
	return setInterface(e.control, linkInterface, request, fill)
}

// setAddress takes the place of the address that the end has.
func (e *linkEnd) setAddress(own netip.Prefix) error {
	if err := e.set(unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(own.Addr().AsSlice()) }); err != nil {
		return err
	}
	mask := net.CIDRMask(own.Bits(), own.Addr().BitLen())
	return e.set(unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask) })
}

func setInterface(control int, name string, request uint, fill func(*unix.Ifreq) error) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := fill(r); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(control, request, r); err != nil {
		return fmt.Errorf("set up %s (%#x): %w", name, request, err)
	}
	return nil
}

func newLinkEnd(own netip.Prefix) (*linkEnd, error) {
	type made struct {
		end *linkEnd
		err error
	}
	done := make(chan made)
	go func() {
		// Never unlocked: a thread in another namespace must end with this goroutine.
		runtime.LockOSThread()
		end, err := makeLinkEnd(own)
		done <- made{end, err}
	}()
	m := <-done
	return m.end, m.err
}

// makeLinkEnd takes the calling thread into a new namespace.
func makeLinkEnd(own netip.Prefix) (*linkEnd, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("new network namespace: %w", err)
	}
	namespace, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// Whatever this machine prefers. A namespace may not choose what its machine does not allow everybody, as most do with CUBIC.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0); err != nil {
		return nil, err
	}
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(linkInterface)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(tun, unix.TUNSETIFF, request); err != nil {
		return nil, fmt.Errorf("TUNSETIFF: %w", err)
	}
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	end := &linkEnd{namespace, tun, control}
	if err := end.setAddress(own); err != nil {
		return nil, err
	}
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	for _, step := range []struct {
		interfaceName string
		request       uint
		fill          func(*unix.Ifreq) error
	}{
		{linkInterface, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(linkMTU); return nil }},
		{linkInterface, unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(linkInterfaceQueue); return nil }},
		{linkInterface, unix.SIOCSIFFLAGS, up},
		{"lo", unix.SIOCSIFFLAGS, up},
	} {
		if err := setInterface(control, step.interfaceName, step.request, step.fill); err != nil {
			return nil, err
		}
	}
	return end, nil
}

// linkWay is one direction of the wire.
type linkWay struct {
	course   atomic.Pointer[linkCourse]
	flight   chan linkPacket
	free     chan []byte
	sent     atomic.Int64
	lost     atomic.Int64
	overflow atomic.Int64
}

// linkCourse is a shape in use. Its losses are the same each time a shape begins, so that who is measured after another
// meets what the other met.
type linkCourse struct {
	linkShape
	random uint64
}

type linkPacket struct {
	due  time.Time
	data []byte
}

func newLinkWay(from, to *linkEnd) *linkWay {
	w := &linkWay{flight: make(chan linkPacket, linkFlight), free: make(chan []byte, linkFlight)}
	w.begin(linkShape{}, 0)
	go w.receive(from.tun)
	go w.deliver(to.tun)
	return w
}

func (w *linkWay) begin(shape linkShape, seed uint64) {
	w.course.Store(&linkCourse{shape, seed + shape.seed<<32})
}

func (w *linkWay) stats() object {
	return object{"sent": w.sent.Load(), "lost": w.lost.Load(), "overflow": w.overflow.Load()}
}

// receive alone uses the random numbers and the instant at which the limit is free again.
func (w *linkWay) receive(tun int) {
	freeAt := time.Now()
	for {
		var data []byte
		select {
		case data = <-w.free:
		default:
			data = make([]byte, linkMTU)
		}
		n, err := unix.Read(tun, data[:linkMTU])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return // the process ends
		}
		data = data[:n]
		course, now := w.course.Load(), time.Now()
		if course.loses(data) {
			w.lost.Add(1)
			continue
		}
		if freeAt.Before(now) {
			freeAt = now
		}
		if course.bytesPerSec > 0 {
			if freeAt.Sub(now).Seconds()*course.bytesPerSec+float64(n) > course.queueBytes {
				w.overflow.Add(1)
				continue
			}
			freeAt = freeAt.Add(time.Duration(float64(n) / course.bytesPerSec * 1e9))
		}
		select {
		case w.flight <- linkPacket{freeAt.Add(course.delay), data}:
		default:
			w.overflow.Add(1)
		}
	}
}

func (c *linkCourse) loses(packet []byte) bool {
	const protocolOffset, udp = 9, 17
	loss := c.loss
	if len(packet) > protocolOffset && packet[0]>>4 == 4 && packet[protocolOffset] == udp {
		if c.dropsUDP {
			return true
		}
		loss = max(loss, c.udpLoss)
	}
	if loss == 0 {
		return false
	}
	// SplitMix64: any will do.
	c.random += 0x9e3779b97f4a7c15
	z := c.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11)/(1<<53) < loss
}

func (w *linkWay) deliver(tun int) {
	for packet := range w.flight {
		if wait := time.Until(packet.due); wait > linkEarly {
			time.Sleep(wait)
		}
		if _, err := unix.Write(tun, packet.data); err == nil {
			w.sent.Add(1)
		}
		select {
		case w.free <- packet.data:
		default:
		}
	}
}
