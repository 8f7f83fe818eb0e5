/** Sockets of the runtime's by their descriptors, where the C library may be asked. */
import assert from "node:assert/strict";
import { openSocketCalls, type SocketCalls, SystemSocket } from "../../lib/io/socket_calls.ts";
import { callsOfSystem, isLinux, listen, REFUSES_ALL } from "./udp_support.ts";

Deno.test({
  name: "SystemSocket.find() finds the socket of a port, and none that no UDP socket of ours has",
  ignore: !isLinux,
  fn: () => {
    const calls = callsOfSystem();
    const { conn, address } = listen();
    const stream = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    assert(SystemSocket.find(calls, address.port, "ipv4")?.isThere());
    assert.equal(SystemSocket.find(calls, address.port, "ipv6"), undefined);
    if (stream.addr.port !== address.port) {
      assert.equal(SystemSocket.find(calls, stream.addr.port, "ipv4"), undefined);
    }
    conn.close();
    stream.close();
    assert.equal(SystemSocket.find(calls, address.port, "ipv4"), undefined);
    calls.close();
  },
});

Deno.test("SystemSocket.find() tells two families with one port apart", () => {
  const families = new Map([[3, 10], [5, 2]]); // AF_INET6, AF_INET
  const calls: SocketCalls = {
    ...REFUSES_ALL,
    getsockname: (fd, address) => {
      const family = families.get(fd);
      if (family === undefined) return -9; // EBADF
      address.set([family, 0, 0x13, 0x88]);
      return 0;
    },
    getsockopt: (_fd, _level, _name, value) => {
      value.set([2]); // SOCK_DGRAM
      return 0;
    },
  };
  assert.equal(SystemSocket.find(calls, 5_000, "ipv4")?.fd, 5);
  assert.equal(SystemSocket.find(calls, 5_000, "ipv6")?.fd, 3);
  assert.equal(SystemSocket.find(calls, 5_001, "ipv6"), undefined);
});

Deno.test({
  name: "SystemSocket.isThere() knows another socket, or none, under the same number",
  ignore: !isLinux,
  fn: () => {
    const real = callsOfSystem();
    let isReused = false;
    const { conn, address } = listen();
    const other = listen();
    const otherFd = SystemSocket.find(real, other.address.port, "ipv4")?.fd;
    assert(otherFd !== undefined);
    const calls: SocketCalls = {
      ...real,
      getsockopt: (fd, ...rest) => real.getsockopt(isReused ? otherFd : fd, ...rest),
    };
    const socket = SystemSocket.find(calls, address.port, "ipv4");
    assert(socket);
    assert(socket.isThere());
    isReused = true;
    assert(!socket.isThere(), "another has its number");
    isReused = false;
    assert(socket.isThere());
    conn.close();
    assert(!socket.isThere(), "closed");
    other.conn.close();
    real.close();
  },
});

Deno.test("SystemSocket.isThere() is never sure where sockets have no cookie", () => {
  const calls: SocketCalls = {
    ...REFUSES_ALL,
    getsockname: (_fd, address) => {
      address.set([2, 0, 0x13, 0x88]);
      return 0;
    },
    getsockopt: (_fd, _level, name, value) => {
      value.set([2]);
      return name === 3 ? 0 : -92; // SO_TYPE alone; ENOPROTOOPT
    },
  };
  const socket = SystemSocket.find(calls, 5_000, "ipv4");
  assert(socket);
  assert(!socket.isThere());
});

Deno.test({
  name: "openSocketCalls() asks nobody for the permission",
  permissions: { ffi: false },
  fn: () => assert.equal(openSocketCalls(), undefined),
});

Deno.test("openSocketCalls() is nothing where there is no such C library", () => {
  assert.equal(openSocketCalls("no-such-library.so.6"), undefined);
});
