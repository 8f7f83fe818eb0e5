// The agent's SSH server: who may connect (anybody: the tunnel has authenticated them) and all forwardings.
// What happens inside a session channel is in session.go.
//
// Forwarding handlers are those of tailscale/gliderssh; Unix sockets get Coder's rules: the parent directory of a
// remote socket is created, and a file in its place removed.

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	ssh "github.com/tailscale/gliderssh"
	gossh "golang.org/x/crypto/ssh"
	"tailscale.com/types/logger"
)

const hostKeyBits = 2048

type sshService struct {
	logf    logger.Logf
	dir     string   // working directory of sessions
	environ []string // what every command inherits
	server  *ssh.Server
	ready   chan struct{} // closed when the host key exists

	mu        sync.Mutex
	conns     map[net.Conn]struct{}
	processes map[int]struct{} // leaders of the process groups of running commands
}

func newSSHService(dir string, logf logger.Logf) *sshService {
	s := &sshService{logf: logf, dir: dir, environ: os.Environ(), ready: make(chan struct{})}
	s.conns, s.processes = map[net.Conn]struct{}{}, map[int]struct{}{}
	tcp, unix := &ssh.ForwardedTCPHandler{}, &ssh.ForwardedUnixHandler{}
	s.server = &ssh.Server{
		Version:                       "Go",
		LocalPortForwardingCallback:   func(ssh.Context, string, uint32) bool { return true },
		ReversePortForwardingCallback: func(ssh.Context, string, uint32) bool { return true },
		LocalUnixForwardingCallback: func(_ ssh.Context, path string) (net.Conn, error) {
			return net.Dial("unix", path)
		},
		ReverseUnixForwardingCallback: func(_ ssh.Context, path string) (net.Listener, error) {
			return listenUnix(path)
		},
		ChannelHandlers: map[string]ssh.ChannelHandler{
			"session":                        s.handleSession,
			"direct-tcpip":                   ssh.DirectTCPIPHandler,
			"direct-streamlocal@openssh.com": ssh.DirectStreamLocalHandler,
		},
		// Anything else, keepalive@openssh.com among them, gets REQUEST_FAILURE, as from Coder's agent.
		RequestHandlers: map[string]ssh.RequestHandler{
			"tcpip-forward":                          tcp.HandleSSHRequest,
			"cancel-tcpip-forward":                   tcp.HandleSSHRequest,
			"streamlocal-forward@openssh.com":        unix.HandleSSHRequest,
			"cancel-streamlocal-forward@openssh.com": unix.HandleSSHRequest,
		},
		SubsystemHandlers: map[string]ssh.SubsystemHandler{},
	}
	go func() {
		defer close(s.ready)
		s.drawHostKey()
	}()
	return s
}

// drawHostKey takes a new key in the place of a former one. Nobody may be connected.
func (s *sshService) drawHostKey() {
	key, err := rsa.GenerateKey(rand.Reader, hostKeyBits)
	if err != nil {
		panic(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	s.server.AddHostKey(signer)
}

func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	return net.Listen("unix", path)
}

func (s *sshService) serve(conn net.Conn) {
	<-s.ready
	s.mu.Lock()
	s.conns[conn] = struct{}{}
	s.mu.Unlock()
	s.server.HandleConn(conn)
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
}

// closeConnections ends every SSH connection, and with it its sessions and listeners.
func (s *sshService) closeConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// killProcesses ends every command, as the end of a workspace does.
func (s *sshService) killProcesses() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pid := range s.processes {
		syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// wait is cmd.Wait, with the command on the list of killProcesses meanwhile. It must lead a process group.
func (s *sshService) wait(cmd *exec.Cmd) error {
	s.mu.Lock()
	s.processes[cmd.Process.Pid] = struct{}{}
	s.mu.Unlock()
	err := cmd.Wait()
	s.mu.Lock()
	delete(s.processes, cmd.Process.Pid)
	s.mu.Unlock()
	return err
}
