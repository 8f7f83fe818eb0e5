package main

import (
	_ "github.com/coder/websocket"
	_ "github.com/creack/pty"
	_ "github.com/hashicorp/yamux"
	_ "github.com/pkg/sftp"
	_ "github.com/tailscale/gliderssh"
	_ "github.com/tailscale/wireguard-go/tun"
	_ "github.com/tailscale/wireguard-go/device"
	_ "golang.org/x/crypto/ssh"
	_ "google.golang.org/protobuf/encoding/protowire"
	_ "gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	_ "gvisor.dev/gvisor/pkg/tcpip/link/channel"
	_ "gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	_ "gvisor.dev/gvisor/pkg/tcpip/stack"
	_ "gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	_ "gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	_ "gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	_ "storj.io/drpc/drpcserver"
	_ "storj.io/drpc/drpcconn"
	_ "tailscale.com/derp/derpserver"
	_ "tailscale.com/net/stunserver"
	_ "tailscale.com/net/tstun"
	_ "tailscale.com/wgengine/magicsock"
	_ "tailscale.com/wgengine/wgcfg"
)
func main() {}
