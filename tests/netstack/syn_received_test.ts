/** LISTEN and SYN-RECEIVED (RFC 9293 §3.10.7.2, §3.10.7.4), the forwarder's held SYN, and closed ports. */
import assert from "node:assert/strict";
import { MAX_BACKLOG } from "../../lib/netstack/limits.ts";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

function listening(port: number | "any" = 22): TcpScript {
  const t = new TcpScript().dialledBy(22);
  t.stack.listen(port);
  return t;
}

Deno.test("listen() answers a SYN and tells of the connection when it is established", () => {
  const t = listening();
  t.send(0, { flags: "S", seq: 0, mss: 1220, windowScale: 7, sackPermitted: true });
  t.recv(0, {
    flags: "SA",
    seq: 0,
    ack: 1,
    mss: 1220,
    windowScale: 7,
    sackPermitted: true,
    window: 65535,
  });
  assert.deepEqual(t.events(), []);
  t.send(1, { seq: 1, ack: 1, payload: bytesFrom(0, 4) });
  t.recv(1, { flags: "A", ack: 5 });
  assert.deepEqual(t.events(), ["accepted", "readable"]);
  assert.deepEqual(t.readAll(), bytesFrom(0, 4));
});

Deno.test("SYN-ACK echoes only the options of the SYN", () => {
  const t = listening();
  t.send(0, { flags: "S", seq: 0 });
  t.recv(0, { flags: "SA", mss: 1220, windowScale: -1, sackPermitted: false });
});

Deno.test("SYN-RECEIVED sends its SYN-ACK again, by its timer and for a repeated SYN", () => {
  const t = listening();
  t.send(0, { flags: "S", seq: 0, mss: 1220 });
  t.recv(0, { flags: "SA" });
  t.recv(1_000, { flags: "SA" });
  t.send(1_200, { flags: "S", seq: 0, mss: 1220 });
  t.recv(1_200, { flags: "SA", seq: 0, ack: 1 });
});

Deno.test("SYN-RECEIVED answers a wrong ACK with RST (RFC 9293 §3.10.7.4 fifth)", () => {
  const t = listening();
  t.send(0, { flags: "S", seq: 0 });
  t.recv(0, { flags: "SA" });
  t.send(1, { seq: 1, ack: 7 });
  t.recv(1, { flags: "R", seq: 7 });
});

Deno.test("SYN-RECEIVED ends with a RST", () => {
  const t = listening();
  t.send(0, { flags: "S", seq: 0 });
  t.recv(0, { flags: "SA" });
  t.send(1, { flags: "R", seq: 1 });
  t.recvNothing(60_000);
  assert.equal(t.stack.socketCount, 0);
});

Deno.test("listen(any) holds a SYN until its owner accepts", () => {
  const t = listening("any");
  t.send(0, { flags: "S", seq: 0, mss: 1220 });
  t.send(1_000, { flags: "S", seq: 0, mss: 1220 });
  t.recvNothing(1_500);
  assert.deepEqual(t.events(), ["accepted"]);
  assert.equal(t.socket.state, "syn-held");
  t.stack.accept(t.socket, 2_000);
  t.now = 2_000;
  t.recv(2_000, { flags: "SA", seq: 0, ack: 1 });
  t.send(2_001, { seq: 1, ack: 1 });
  assert.deepEqual(t.events(), ["connected"]);
});

Deno.test("listen(any) refuses a held SYN with RST", () => {
  const t = listening("any");
  t.send(0, { flags: "S", seq: 0 });
  t.event();
  t.stack.refuse(t.socket, 0);
  t.recv(0, { flags: "RA", ack: 1 });
  assert.equal(t.stack.socketCount, 0);
});

Deno.test("listen(any) forgets a held SYN that nobody decides about", () => {
  const t = listening("any");
  t.send(0, { flags: "S", seq: 0 });
  t.recvNothing(61_000);
  assert.deepEqual(t.events(), ["accepted", "closed"]);
  assert.equal(t.stack.socketCount, 0);
});

Deno.test("A closed port answers with RST (RFC 9293 §3.10.7.1)", async (t) => {
  await t.step("a SYN", () => {
    const script = new TcpScript().dialledBy(99);
    script.send(0, { flags: "S", seq: 0 });
    script.recv(0, { flags: "RA", ack: 1 });
  });
  await t.step("data with an ACK", () => {
    const script = new TcpScript().dialledBy(99);
    script.send(0, { seq: 5, ack: 1234, payload: bytesFrom(0, 9) });
    script.recv(0, { flags: "R", payloadBytes: 0 });
  });
  await t.step("but never a RST", () => {
    const script = new TcpScript().dialledBy(99);
    script.send(0, { flags: "RA", seq: 5, ack: 1 });
    script.recvNothing(1_000);
  });
});

Deno.test("The backlog is bounded", () => {
  const t = listening();
  const packet = t.packet({ flags: "S", seq: 0 });
  const view = new DataView(packet.buffer);
  const checksumAt = 40 + 16;
  for (let i = 0; i < MAX_BACKLOG + 10; i++) {
    const copy = packet.slice();
    const copyView = new DataView(copy.buffer);
    copyView.setUint16(40, 1_000 + i);
    const change = view.getUint16(40) + view.getUint16(checksumAt) - (1_000 + i);
    copyView.setUint16(checksumAt, ((change % 0xffff) + 0xffff) % 0xffff);
    t.stack.handlePacket(copy, 0);
  }
  assert.equal(t.stack.socketCount, MAX_BACKLOG);
  assert.equal(t.stack.counters.dropsFor("backlog-full"), 10);
});
