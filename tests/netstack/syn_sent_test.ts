/** SYN-SENT (RFC 9293 §3.10.7.3), and what a SYN carries. */
import assert from "node:assert/strict";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

Deno.test("connect() sends a SYN with MSS, window scale and SACK permitted, its window unscaled (RFC 7323 §2.2)", () => {
  const t = new TcpScript().connect();
  t.recv(0, {
    flags: "S",
    seq: 0,
    mss: 1220,
    windowScale: 7,
    sackPermitted: true,
    window: 65535,
    payloadBytes: 0,
  });
  assert.equal(t.socket.state, "syn-sent");
});

Deno.test("SYN is sent again after 1, 2 and 4 s (RFC 6298 §2.1, §5.5), and every 4 s from then on", () => {
  const t = new TcpScript().connect();
  for (const at of [0, 1_000, 3_000, 7_000, 11_000, 15_000]) t.recv(at, { flags: "S", seq: 0 });
});

Deno.test("SYN is sent again sooner the first time, if asked", () => {
  const t = new TcpScript().connect({ firstSynRetryMs: 250 });
  for (const at of [0, 250, 1_250, 3_250]) t.recv(at, { flags: "S", seq: 0 });
});

Deno.test("SYN-SENT gives up as lost", () => {
  const t = new TcpScript().connect({ connectGiveUpMs: 7_000 });
  t.advance(60_000);
  assert.equal(t.skip(), 3);
  assert.deepEqual(t.events(), ["closed"]);
  assert.equal(t.socket.end?.kind, "lost");
});

Deno.test("SYN-SENT takes a SYN-ACK and acknowledges it at once", () => {
  const t = new TcpScript().establish();
  assert.equal(t.socket.state, "established");
  t.recvNothing(5_000);
});

Deno.test("SYN-SENT sends queued bytes with the ACK of the handshake", () => {
  const t = new TcpScript().connect();
  assert.equal(t.socket.write(bytesFrom(0, 5), 0), 5);
  t.recv(0, { flags: "S" });
  t.send(40, { flags: "SA", seq: 0, ack: 1, mss: 1220 });
  t.recv(40, { flags: "PA", seq: 1, ack: 1, payload: bytesFrom(0, 5) });
});

Deno.test("SYN-SENT scales windows only when the peer does too (RFC 7323 §2.2)", async (t) => {
  await t.step("both", () => {
    const script = new TcpScript().establish({ windowScale: 7 });
    script.send(1, { seq: 1, ack: 1, payload: bytesFrom(0, 1) });
    script.recv(1, { window: (4 * 1024 * 1024 >> 7) - 1 });
  });
  await t.step("only we", () => {
    const script = new TcpScript().connect();
    script.recv(0, { windowScale: 7 });
    script.send(0, { flags: "SA", seq: 0, ack: 1 });
    script.recv(0, { flags: "A", window: 65535 });
  });
});

Deno.test("SYN-SENT takes RST+ACK for refused (RFC 9293 §3.10.7.3 second)", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.send(5, { flags: "RA", seq: 0, ack: 1 });
  t.recvNothing(10_000);
  assert.deepEqual(t.events(), ["closed"]);
  assert.deepEqual(t.socket.end, { kind: "reset", message: "Connection refused" });
});

Deno.test("SYN-SENT ignores a RST without an acceptable ACK", async (t) => {
  for (const segment of [{ flags: "R", seq: 0 }, { flags: "RA", seq: 0, ack: 2 }]) {
    await t.step(JSON.stringify(segment), () => {
      const script = new TcpScript().connect();
      script.recv(0, { flags: "S" });
      script.send(5, segment);
      script.recvNothing(900);
      assert.equal(script.socket.state, "syn-sent");
    });
  }
});

Deno.test("SYN-SENT answers a wrong ACK with RST at that number (RFC 9293 §3.10.7.3 first)", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.send(5, { flags: "SA", seq: 0, ack: 9 });
  t.recv(5, { flags: "R", seq: 9 });
  assert.equal(t.socket.state, "syn-sent");
});

Deno.test("SYN-SENT opens simultaneously (RFC 9293 §3.5, figure 7)", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S", seq: 0 });
  t.send(5, { flags: "S", seq: 0, mss: 1220, sackPermitted: true, windowScale: 0 });
  t.recv(5, { flags: "SA", seq: 0, ack: 1 });
  assert.equal(t.socket.state, "syn-received");
  t.send(9, { seq: 1, ack: 1 });
  assert.equal(t.socket.state, "established");
  assert.deepEqual(t.events(), ["connected"]);
});

Deno.test("abort() in SYN-SENT sends nothing", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.socket.abort(1);
  t.recvNothing(60_000);
  assert.equal(t.socket.end?.kind, "aborted");
});

Deno.test("shutdownWrite() in SYN-SENT sends the FIN behind what was written", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.socket.write(bytesFrom(0, 3), 0);
  t.socket.shutdownWrite(0);
  t.send(5, { flags: "SA", seq: 0, ack: 1 });
  t.recv(5, { flags: "FA", seq: 1, payloadBytes: 3 });
  assert.equal(t.socket.state, "fin-wait-1");
});
