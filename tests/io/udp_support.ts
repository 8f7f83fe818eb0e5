/** UDP sockets of loopback and the C library, for tests of what stands on them. */
import assert from "node:assert/strict";
import { openSocketCalls, type SocketCalls } from "../../lib/io/socket_calls.ts";
import { UdpSockets, type UdpSocketsOptions } from "../../lib/io/udp_sockets.ts";
import { DatagramPort } from "../../lib/tailnet/datagram_port.ts";
import { parseEndpoint } from "../../lib/tailnet/endpoint_text.ts";
import type { Endpoint } from "../../lib/wire/endpoint.ts";

export const isLinux = Deno.build.os === "linux";

export function listen(): { conn: Deno.DatagramConn; address: Deno.NetAddr } {
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const address = conn.addr;
  assert(address.transport === "udp");
  return { conn, address };
}

/** The real ones, which are to be closed. */
export function callsOfSystem(): SocketCalls {
  const calls = openSocketCalls();
  assert(calls, "the test needs --allow-ffi");
  return calls;
}

/** ENOSYS for everything, as under a filter of system calls. */
export const REFUSES_ALL: SocketCalls = {
  getsockname: () => -38,
  getsockopt: () => -38,
  setsockopt: () => -38,
  sendmsg: () => -38,
  recvmmsg: () => -38,
  close: () => {},
};

export interface Side extends AsyncDisposable {
  readonly sockets: UdpSockets;
  readonly port: DatagramPort;
  readonly endpoint: Endpoint;
  readonly received: { readonly bytes: Uint8Array; readonly from: Endpoint }[];
  /** Of everything that was ever received. */
  readonly senders: Set<Endpoint>;
  pauses: number;
  readonly unsendable: Endpoint[];
  /** The calls of the C library that were refused. */
  readonly refused: string[];
  /** Resolves when a socket was lost. */
  readonly lost: Promise<void>;
  /** Resolves when so many datagrams are there. */
  count(n: number): Promise<void>;
}

export function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  assert(endpoint);
  return endpoint;
}

/** Sockets on loopback, whatever arrives there kept. */
export function openSockets(options: Partial<UdpSocketsOptions> = {}): Side {
  const port = new DatagramPort();
  const received: { bytes: Uint8Array; from: Endpoint }[] = [];
  const senders = new Set<Endpoint>();
  const unsendable: Endpoint[] = [];
  const refused: string[] = [];
  const lost = Promise.withResolvers<void>();
  let wanted = { count: Infinity, resolve: () => {} };
  const sockets = new UdpSockets({
    port,
    bind: { ipv4: "127.0.0.1" },
    onArrival: () => {},
    onDatagram: (bytes, from) => {
      received.push({ bytes: bytes.slice(), from });
      senders.add(from);
      if (received.length >= wanted.count) wanted.resolve();
    },
    onPause: () => void side.pauses++,
    onSent: () => {},
    onUnsendable: (endpoint) => void unsendable.push(endpoint),
    onLost: () => lost.resolve(),
    onRefused: ({ call, errno }) => void refused.push(`${call} ${errno}`),
    onFault: (error) => {
      throw error;
    },
    ...options,
  });
  const side: Side = {
    sockets,
    port,
    endpoint: endpointOf(`127.0.0.1:${sockets.ports.ipv4 ?? 1}`),
    received,
    senders,
    pauses: 0,
    unsendable,
    refused,
    lost: lost.promise,
    count: (count) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      wanted = { count, resolve };
      if (received.length >= count) resolve();
      return promise;
    },
    [Symbol.asyncDispose]: () => sockets.close(),
  };
  return side;
}
