/** UDP sockets on loopback: batches both ways, many datagrams in one pause, what cannot be sent, and what is not permitted. */
import assert from "node:assert/strict";
import { BATCH_PACKETS, DatagramPort } from "../../lib/tailnet/datagram_port.ts";
import { formatEndpoint } from "../../lib/tailnet/endpoint_text.ts";
import { endpointOf, openSockets as open } from "./udp_support.ts";

Deno.test("UdpSockets carries batches, in order, and says who sent", async () => {
  await using a = open();
  await using b = open();
  for (let i = 0; i < 3 * BATCH_PACKETS; i++) {
    const sent = a.port.send(new Uint8Array(1_312).fill(i), b.endpoint);
    assert.equal(sent, i < BATCH_PACKETS);
  }
  assert.equal(a.port.dropped, 2 * BATCH_PACKETS);
  a.sockets.kick();
  await b.count(BATCH_PACKETS);
  assert.deepEqual(b.received.map(({ bytes }) => bytes[0]), [...Array(BATCH_PACKETS).keys()]);
  assert.equal(formatEndpoint(b.received[0]?.from ?? b.endpoint), formatEndpoint(a.endpoint));
  assert(b.received.every(({ from }) => from === b.received[0]?.from), "one object for a sender");
});

Deno.test("UdpSockets handles what has arrived together before it pauses", async () => {
  await using a = open();
  await using b = open();
  for (let i = 0; i < 10; i++) a.port.send(new Uint8Array([i]), b.endpoint);
  a.sockets.kick();
  await b.count(10);
  // Another one, after which all pauses of the first ten are over.
  a.port.send(new Uint8Array([10]), b.endpoint);
  a.sockets.kick();
  await b.count(11);
  assert(b.pauses >= 1 && b.pauses <= 5, `${b.pauses} pauses`);
});

Deno.test("UdpSockets: what datagrams led to leaves before many more are handled, and each is told to have arrived", async () => {
  const events: string[] = [];
  let received = 0;
  const count = 200;
  const { promise: isThere, resolve } = Promise.withResolvers<void>();
  await using b = open({
    onArrival: () => void events.push("arrival"),
    onDatagram: () => {
      events.push("datagram");
      // The last pause comes with the next datagram at the latest.
      if (++received === count + 1) resolve();
    },
    onPause: () => void events.push("pause"),
  });
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const port = b.sockets.ports.ipv4;
  assert(port !== undefined);
  for (let i = 0; i <= count; i++) {
    await conn.send(new Uint8Array(64), { transport: "udp", hostname: "127.0.0.1", port });
  }
  conn.close();
  await isThere;
  const stretches = events.join(" ").split("pause").map((text) => text.split("datagram"));
  for (const [before = "", ...datagrams] of stretches) {
    assert(datagrams.length < 3 * 64, `${datagrams.length} without a pause`);
    if (datagrams.length > 0) assert.match(before, /arrival/);
  }
  assert(stretches.length > count / (3 * 64), `${stretches.length}`);
});

Deno.test("UdpSockets has room again after a batch was sent", async () => {
  await using b = open();
  let sent = 0;
  const port = new DatagramPort();
  await using a = open({
    port,
    onSent: () => {
      for (; sent < 200; sent++) {
        if (port.slot(8) === undefined) return;
        port.send(new Uint8Array(8), b.endpoint);
      }
    },
  });
  assert(port.send(new Uint8Array(8), b.endpoint));
  a.sockets.kick();
  await b.count(201);
  assert.equal(port.dropped, 0);
});

Deno.test("UdpSockets tells where the machine cannot send to, and goes on", async () => {
  await using a = open();
  await using b = open();
  const nowhere = { address: b.endpoint.address, port: 0 };
  a.port.send(new Uint8Array(8), nowhere);
  a.port.send(new Uint8Array(8), endpointOf("[::1]:9"));
  a.port.send(new Uint8Array(8), b.endpoint);
  a.sockets.kick();
  await b.count(1);
  assert.deepEqual(a.unsendable, [nowhere]);
  assert.equal(a.sockets.counters.unsendable, 2);
});

Deno.test("UdpSockets.close() ends both loops whatever they wait for", async () => {
  const a = open();
  a.port.send(new Uint8Array(8), a.endpoint);
  a.sockets.kick();
  await a.sockets.close();
  await a.sockets.close();
  assert(!a.port.isOpen);
  assert(!a.port.send(new Uint8Array(8), a.endpoint));
});

Deno.test("UdpSockets opens a socket anew that the system took away, and nothing that is well", async () => {
  const { listenDatagram } = Deno;
  const conns: Deno.DatagramConn[] = [];
  Deno.listenDatagram = (options) => {
    const conn = listenDatagram(options as Deno.UdpListenOptions & { transport: "udp" });
    conns.push(conn);
    return conn;
  };
  try {
    await using a = open();
    assert(!a.sockets.reopen());
    conns[0]?.close(); // as the system does: every call fails from now on
    await a.lost;
    assert(!a.port.isOpen);
    assert.deepEqual(a.sockets.ports, {});
    assert(a.sockets.reopen());
    assert(!a.sockets.reopen());
    assert.equal(conns.length, 2);
    assert(a.port.isOpen);
    const there = endpointOf(`127.0.0.1:${a.sockets.ports.ipv4}`);
    a.port.send(new Uint8Array(8), there);
    a.sockets.kick();
    await a.count(1);
  } finally {
    Deno.listenDatagram = listenDatagram;
  }
});

Deno.test("UdpSockets says what it cannot listen on", async () => {
  await using a = open({ bind: { ipv4: "192.0.2.77", ipv6: "2001:db8::77" } });
  assert.deepEqual(a.sockets.ports, {});
  assert.equal(a.sockets.problems.length, 2);
  assert(!a.port.isOpen);
});

Deno.test({
  name: "UdpSockets asks for no permission",
  permissions: { net: ["127.0.0.1"], sys: false },
  fn: async () => {
    await using a = open({ bind: { ipv4: "0.0.0.0", ipv6: "::" } });
    assert.deepEqual(a.sockets.ports, {});
    assert.match(a.sockets.problems.join(), /0\.0\.0\.0 is not permitted/);
    await using b = open();
    assert(b.port.isOpen);
    b.port.send(new Uint8Array(8), endpointOf("192.0.2.1:9"));
    b.port.send(new Uint8Array(8), b.endpoint);
    b.sockets.kick();
    await b.count(1);
    assert.equal(b.sockets.counters.unsendable, 1);
  },
});
