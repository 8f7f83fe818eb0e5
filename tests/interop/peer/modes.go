// What dial does once it is connected: a pipe to the agent's SSH server, or a measurement printed as one JSON line.

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	bytesPerMB = 1e6

	// hangupGrace is how long the agent may take to answer our FIN when a signal ends us.
	hangupGrace = time.Second
)

func runMode(c *client, args []string, port uint16) error {
	choose := func(standard uint16) uint16 {
		if port != 0 {
			return port
		}
		return standard
	}
	switch args[0] {
	case "stdio":
		return pipeStdio(c, choose(portSSH))
	case "run":
		if len(args) != 2 {
			return errors.New("a command is missing")
		}
		return runRemote(c, choose(portSSH), args[1])
	case "first-byte":
		return measureFirstByte(c, choose(portSSH))
	case "ping":
		return report(object{"mode": "ping", "ms": milliseconds(c.pingTime), "path": c.path()})
	case "down", "up":
		if len(args) != 2 {
			return errors.New("a number of bytes is missing")
		}
		count, err := parseCount(args[1])
		if err != nil {
			return err
		}
		if args[0] == "down" {
			return measure(c, "down", choose(portSource), count, receiveBulk)
		}
		return measure(c, "up", choose(portSink), count, transmitBulk)
	}
	return fmt.Errorf("unknown mode %q", args[0])
}

// parseCount reads a number of bytes; the suffixes K, M and G are powers of ten.
func parseCount(text string) (uint64, error) {
	factor := uint64(1)
	for suffix, f := range map[string]uint64{"K": 1e3, "M": 1e6, "G": 1e9} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			text, factor = digits, f
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n * factor, err
}

func report(result object) error {
	cpu, rss := resources()
	result["cpu_s"], result["max_rss_mb"] = cpu, rss
	return json.NewEncoder(os.Stdout).Encode(result)
}

// resources returns the CPU seconds of this process so far, user and system, and its largest resident size in MB.
func resources() (cpuSeconds, maxRSS float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Nano()) / 1e9 }
	return seconds(u.Utime) + seconds(u.Stime), float64(u.Maxrss) * 1024 / bytesPerMB // Linux counts in KiB
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// pipeStdio ends when the agent has ended; our own EOF only closes our direction. OpenSSH ends its proxy command
// with SIGHUP: then the agent still gets our FIN, or it would keep the SSH connection for hours.
func pipeStdio(c *client, port uint16) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	conn, err := c.dialTCP(port)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		io.CopyBuffer(onlyWriter{conn}, onlyReader{os.Stdin}, make([]byte, bulkChunkBytes))
		conn.(closeWriter).CloseWrite()
	}()
	received := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(onlyWriter{os.Stdout}, onlyReader{conn}, make([]byte, bulkChunkBytes))
		received <- err
	}()
	select {
	case err := <-received:
		return err
	case <-signals:
	}
	conn.(closeWriter).CloseWrite()
	select {
	case <-received:
	case <-time.After(hangupGrace):
	}
	return nil
}

// runRemote runs a command in the workspace with an SSH client in this process, as `coder ssh WORKSPACE COMMAND` does. The
// tunnel has authenticated the agent: any host key will do.
func runRemote(c *client, port uint16, command string) error {
	conn, err := c.dialTCP(port)
	if err != nil {
		return err
	}
	defer conn.Close()
	config := &ssh.ClientConfig{User: "tester", HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	sshConn, channels, requests, err := ssh.NewClientConn(conn, "workspace", config)
	if err != nil {
		return err
	}
	client := ssh.NewClient(sshConn, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	session.Stdin, session.Stdout, session.Stderr = os.Stdin, os.Stdout, os.Stderr
	return session.Run(command)
}

func measureFirstByte(c *client, port uint16) error {
	conn, err := c.dialTCP(port)
	if err != nil {
		return err
	}
	defer conn.Close()
	banner := make([]byte, 64)
	n, err := conn.Read(banner)
	if err != nil {
		return err
	}
	elapsed := time.Since(processStart)
	return report(object{
		"mode": "first-byte", "ms": milliseconds(elapsed), "pong_ms": milliseconds(c.pingTime), "path": c.path(),
		"banner": strings.TrimSpace(string(banner[:n])),
	})
}

func receiveBulk(conn net.Conn, count uint64) error {
	if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, count)); err != nil {
		return err
	}
	got, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{conn}, make([]byte, bulkChunkBytes))
	if err == nil && uint64(got) != count {
		err = fmt.Errorf("got %d bytes of %d", got, count)
	}
	return err
}

func transmitBulk(conn net.Conn, count uint64) error {
	if err := sendBulk(conn, count); err != nil {
		return err
	}
	if err := conn.(closeWriter).CloseWrite(); err != nil {
		return err
	}
	var answer [8]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if got := binary.BigEndian.Uint64(answer[:]); got != count {
		return fmt.Errorf("the agent got %d bytes of %d", got, count)
	}
	return nil
}

// measure times one transfer; its CPU seconds are those of the transfer alone, cpu_s are the whole process's.
func measure(c *client, mode string, port uint16, count uint64, transfer func(net.Conn, uint64) error) error {
	conn, err := c.dialTCP(port)
	if err != nil {
		return err
	}
	defer conn.Close()
	pathBefore := c.path()
	cpuBefore, _ := resources()
	start := time.Now()
	if err := transfer(conn, count); err != nil {
		return err
	}
	elapsed := time.Since(start)
	cpuAfter, _ := resources()
	return report(object{
		"mode": mode, "bytes": count, "seconds": elapsed.Seconds(),
		"mb_per_s":       float64(count) / bytesPerMB / elapsed.Seconds(),
		"transfer_cpu_s": cpuAfter - cpuBefore, "path_before": pathBefore, "path_after": c.path(),
		"tcp_retransmits": c.node.tun.stack.Stats().TCP.Retransmits.Value(),
	})
}
