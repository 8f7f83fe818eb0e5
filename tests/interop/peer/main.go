// Command peer is a counterpart for hawser's interoperability tests, made of upstream's own code: Tailscale's
// magicsock, DERP and STUN, wireguard-go, gVisor, hashicorp's yamux and storj's dRPC.
//
//	peer serve   a whole deployment on one address: REST, coordinator, relay, STUN, workspace agent
//	peer dial    a client of it, the yardstick of benchmarks
//	peer link    a wire with delay, loss and a limit between two network namespaces (Linux)
//	peer lan     a local network behind a NAT, of network namespaces (Linux)
//
// README.md beside this file lists flags, commands and ports.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"tailscale.com/types/logger"
)

// processStart is as near to the start of the process as Go code gets.
var processStart = time.Now()

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serveCommand(os.Args[2:])
	case "dial":
		err = dialCommand(os.Args[2:])
	case "link":
		err = linkCommand(os.Args[2:])
	case "lan":
		err = lanCommand(os.Args[2:])
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: peer serve [flags]\n       peer dial [flags] stdio | run COMMAND | first-byte | ping | down BYTES | up BYTES\n       peer link\n       peer lan")
	os.Exit(2)
}

func newFlagSet(name string) (flags *flag.FlagSet, verbose *bool) {
	flags = flag.NewFlagSet("peer "+name, flag.ExitOnError)
	return flags, flags.Bool("verbose", false, "log what the upstream pieces say on stderr")
}

// newLogger also silences the standard logger, to which some upstream packages write directly.
func newLogger(verbose bool) logger.Logf {
	if verbose {
		log.SetFlags(log.Ltime | log.Lmicroseconds)
		return log.Printf
	}
	log.SetOutput(io.Discard)
	return logger.Discard
}
