// One SSH session channel (RFC 4254 §6): shell, exec or the sftp subsystem, with or without a PTY.
//
// As Coder's agent does it: no EOF and never exit-signal, only exit-status and close; 255 for a command killed by a
// signal, 229 for one that could not be started. Without a PTY a command outlives its session; it only loses its
// pipes. With one it gets SIGHUP, because the terminal goes away.

package main

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/pkg/sftp"
	ssh "github.com/tailscale/gliderssh"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

const (
	exitKilled         = 255
	exitSessionFailed  = 229
	exitSubsystemError = 1

	// ptyDrain is how long output may still arrive after the process on a PTY has ended, while background
	// children keep the terminal open.
	ptyDrain = 250 * time.Millisecond
)

// Payloads of channel requests, RFC 4254 §6.2 to §6.9.
type (
	ptyRequest struct {
		Term                       string
		Columns, Rows, Width, High uint32
		Modes                      string
	}
	windowChange struct{ Columns, Rows, Width, High uint32 }
	envRequest   struct{ Name, Value string }
	textRequest  struct{ Text string } // exec's command, subsystem's name, signal's name
	exitStatus   struct{ Status uint32 }
)

type session struct {
	service *sshService
	conn    *gossh.ServerConn
	gossh.Channel
	env     []string
	started bool
	ended   chan struct{} // closed when the client's side of the channel is gone

	pty *ptyRequest

	mu      sync.Mutex
	master  *os.File    // the PTY in use
	process *os.Process // the command in use
	pending []os.Signal // signals that came before the command ran
	agent   net.Listener
}

func (s *sshService) handleSession(_ *ssh.Server, conn *gossh.ServerConn, incoming gossh.NewChannel, _ ssh.Context) {
	channel, requests, err := incoming.Accept()
	if err != nil {
		return
	}
	sess := &session{service: s, conn: conn, Channel: channel, ended: make(chan struct{})}
	for r := range requests {
		ok := sess.handle(r)
		if r.WantReply {
			r.Reply(ok, nil)
		}
		if ok && sess.started && (r.Type == "shell" || r.Type == "exec" || r.Type == "subsystem") {
			go sess.run(r)
		}
	}
	close(sess.ended)
	if sess.agent != nil {
		sess.agent.Close()
		os.RemoveAll(filepath.Dir(sess.agent.Addr().String()))
	}
}

// handle decides on a request; a command is started after the reply to it.
func (s *session) handle(r *gossh.Request) bool {
	switch r.Type {
	case "shell", "exec", "subsystem":
		var subsystem textRequest
		if s.started {
			return false
		}
		if r.Type == "subsystem" && (gossh.Unmarshal(r.Payload, &subsystem) != nil || subsystem.Text != "sftp") {
			return false
		}
		s.started = true
		return true
	case "env":
		var e envRequest
		if s.started || gossh.Unmarshal(r.Payload, &e) != nil {
			return false
		}
		s.env = append(s.env, e.Name+"="+e.Value)
		return true
	case "pty-req":
		var p ptyRequest
		if s.started || s.pty != nil || gossh.Unmarshal(r.Payload, &p) != nil {
			return false
		}
		s.pty = &p
		return true
	case "window-change":
		var w windowChange
		if s.pty == nil || gossh.Unmarshal(r.Payload, &w) != nil {
			return false
		}
		s.resize(w)
		return true
	case "signal":
		var name textRequest
		if gossh.Unmarshal(r.Payload, &name) != nil {
			return false
		}
		s.signal(name.Text)
		return true
	case "auth-agent-req@openssh.com":
		return s.forwardAgent() == nil
	case "keepalive@openssh.com":
		return true
	}
	return false
}

func (s *session) resize(w windowChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pty.Columns, s.pty.Rows = w.Columns, w.Rows
	if s.master != nil {
		s.applySize(s.master)
	}
}

// applySize gives the terminal the client's size. Not pty.Setsize: it makes the file blocking, see openPTY.
func (s *session) applySize(master *os.File) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	size := &unix.Winsize{Row: uint16(s.pty.Rows), Col: uint16(s.pty.Columns)}
	var failure error
	err = raw.Control(func(fd uintptr) { failure = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
	return errors.Join(err, failure)
}

// openPTY opens a PTY whose master can be closed while it is being read. The one of creack/pty cannot: it is in
// blocking mode, a pending read keeps it open, and the processes on it would never get their SIGHUP.
func openPTY() (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		if err = unix.SetNonblock(fd, true); err == nil {
			return os.NewFile(uintptr(fd), blocking.Name()), slave, nil
		}
		unix.Close(fd)
	}
	slave.Close()
	return nil, nil, err
}

// signal delivers the signals RFC 4254 §6.10 names.
func (s *session) signal(name string) {
	sig, ok := map[string]os.Signal{
		"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
		"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
		"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	}[name]
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.pending = append(s.pending, sig)
	} else {
		s.process.Signal(sig)
	}
}

// forwardAgent opens a socket in the workspace whose connections become channels to the client's agent.
func (s *session) forwardAgent() error {
	if s.agent != nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "peer-agent-")
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "agent.sock"))
	if err != nil {
		os.RemoveAll(dir)
		return err
	}
	s.agent = listener
	go func() {
		for {
			local, err := listener.Accept()
			if err != nil {
				return
			}
			channel, requests, err := s.conn.OpenChannel("auth-agent@openssh.com", nil)
			if err != nil {
				local.Close()
				continue
			}
			go gossh.DiscardRequests(requests)
			go func() {
				defer local.Close()
				defer channel.Close()
				go func() {
					io.Copy(channel, local)
					channel.CloseWrite()
				}()
				io.Copy(local, channel)
			}()
		}
	}()
	return nil
}

func (s *session) run(r *gossh.Request) {
	var status int
	switch {
	case r.Type == "subsystem":
		status = s.runSFTP()
	default:
		var command textRequest
		if r.Type == "exec" {
			gossh.Unmarshal(r.Payload, &command)
		}
		cmd := s.command(r.Type == "shell", command.Text)
		var err error
		if s.pty != nil {
			err = s.runOnPTY(cmd)
		} else {
			err = s.runOnPipes(cmd)
		}
		status = exitCode(cmd, err)
		if status == exitSessionFailed {
			s.service.logf("session: %v", err)
		}
	}
	s.SendRequest("exit-status", false, gossh.Marshal(exitStatus{uint32(status)}))
	s.Close()
}

func exitCode(cmd *exec.Cmd, err error) int {
	if cmd.ProcessState == nil {
		return exitSessionFailed
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return exitKilled
}

func (s *session) command(login bool, text string) *exec.Cmd {
	shell := userShell()
	args := []string{"-c", text}
	if login {
		args = []string{"-l"}
	}
	cmd := exec.Command(shell, args...)
	cmd.Dir = s.service.dir
	cmd.Env = append(cmd.Env, s.service.environ...)
	cmd.Env = append(cmd.Env, "CODER=true", "SHELL="+shell, "SSH_CLIENT=0.0.0.0 0 0", "SSH_CONNECTION=0.0.0.0 0 0.0.0.0 0")
	if u, err := user.Current(); err == nil {
		cmd.Env = append(cmd.Env, "USER="+u.Username, "LOGNAME="+u.Username)
	}
	if s.agent != nil {
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+s.agent.Addr().String())
	}
	cmd.Env = append(cmd.Env, s.env...)
	return cmd
}

func userShell() string {
	if shell := os.Getenv("SHELL"); shell != "" {
		return shell
	}
	return "/bin/sh"
}

// attach makes the running command reachable for signals and delivers those that came too early.
func (s *session) attach(process *os.Process, master *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.master = process, master
	for _, sig := range s.pending {
		process.Signal(sig)
	}
	s.pending = nil
}

func (s *session) runOnPipes(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = s, s.Stderr()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.attach(cmd.Process, nil)
	// By hand: with cmd.Stdin set, Wait would wait for the client's EOF.
	go func() {
		io.Copy(stdin, s)
		stdin.Close()
	}()
	return s.service.wait(cmd)
}

func (s *session) runOnPTY(cmd *exec.Cmd) error {
	master, slave, err := openPTY()
	if err != nil {
		return err
	}
	defer master.Close()
	cmd.Env = append(cmd.Env, "TERM="+s.pty.Term, "SSH_TTY="+slave.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = errors.Join(applyTerminalModes(slave, s.pty.Modes), s.applySize(master))
	if err == nil {
		err = cmd.Start()
	}
	slave.Close()
	if err != nil {
		return err
	}
	s.attach(cmd.Process, master)
	drained := make(chan struct{})
	go func() {
		io.Copy(s, master) // ends with EIO when the last holder of the terminal is gone
		close(drained)
	}()
	go io.Copy(master, s)
	exited := make(chan struct{})
	go func() {
		select {
		case <-s.ended:
			master.Close() // SIGHUP for the session on the terminal
		case <-exited:
		}
	}()
	err = s.service.wait(cmd)
	close(exited)
	select {
	case <-drained:
	case <-time.After(ptyDrain):
	}
	s.attach(cmd.Process, nil)
	return err
}

func (s *session) runSFTP() int {
	server, err := sftp.NewServer(s.Channel, sftp.WithServerWorkingDirectory(s.service.dir))
	if err != nil {
		return exitSubsystemError
	}
	// Not server.Close(): that would close the channel before the exit status is out.
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return exitSubsystemError
	}
	return 0
}
