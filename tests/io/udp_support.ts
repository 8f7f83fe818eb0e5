/** UDP sockets of loopback and the C library, for tests of what stands on them. */
import assert from "node:assert/strict";
import { openSocketCalls, type SocketCalls } from "../../lib/io/socket_calls.ts";

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
