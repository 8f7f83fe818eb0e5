/** A relay with real client cores around it, over wires that cut bytes anyhow: who gets what, who hears of whom. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { generatePrivateKey } from "../../lib/crypto/x25519.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { discoPacket, TestRelay } from "./support.ts";

Deno.test("DerpSwitchboard carries packets between clients, whatever the cut", () => {
  for (let seed = 0; seed < 20; seed++) {
    const relay = new TestRelay(seed);
    const [a, b, c] = [relay.join(), relay.join(), relay.join()];
    deepStrictEqual(a.take(), ["introduced", "ready"]);
    b.take();
    c.take();
    for (let i = 0; i < 30; i++) {
      a.send(b.publicKey, Uint8Array.of(1, i));
      b.send(a.publicKey, Uint8Array.of(2, i));
      a.send(c.publicKey, new Uint8Array(1300).fill(i));
    }
    relay.settle();
    const numbered = (who: number) =>
      Array.from({ length: 30 }, (_, i) => toHex(Uint8Array.of(who, i)));
    deepStrictEqual(b.take(), numbered(1));
    deepStrictEqual(a.take(), numbered(2));
    strictEqual(c.take().length, 30);
    strictEqual(relay.board.counters.forwarded, 90);
  }
});

Deno.test("DerpSwitchboard tells the sender of disco that nobody is there: 3 at once, then 1 a second", () => {
  const relay = new TestRelay(1);
  const a = relay.join();
  const absent = new Uint8Array(32).fill(5);
  a.take();
  a.send(absent, Uint8Array.of(1, 2, 3)); // WireGuard: silence
  for (let i = 0; i < 10; i++) a.send(absent, discoPacket(i));
  relay.settle();
  deepStrictEqual(a.take(), ["not-here", "not-here", "not-here"]);
  relay.advance(999);
  a.send(absent, discoPacket(0));
  relay.settle();
  deepStrictEqual(a.take(), []);
  relay.advance(1);
  a.send(absent, discoPacket(0));
  relay.settle();
  deepStrictEqual(a.take(), ["not-here"]);
});

Deno.test("DerpSwitchboard tells those whom a client wrote to that it left, and nobody else", () => {
  const relay = new TestRelay(2);
  const [a, b, c] = [relay.join(), relay.join(), relay.join()];
  a.send(b.publicKey, Uint8Array.of(1));
  c.send(a.publicKey, Uint8Array.of(2));
  relay.settle();
  for (const client of [a, b, c]) client.take();
  relay.leave(a);
  deepStrictEqual(b.take(), ["disconnected"]);
  deepStrictEqual(c.take(), []);
  b.send(a.publicKey, discoPacket(1));
  relay.settle();
  deepStrictEqual(b.take(), ["not-here"]);
});

Deno.test("DerpSwitchboard delivers to the connection of a key that wrote or came last", () => {
  const relay = new TestRelay(3);
  const privateKey = generatePrivateKey(new SeededRandom(9));
  const first = relay.join(privateKey);
  const peer = relay.join();
  const second = relay.join(privateKey);
  for (const client of [first, peer, second]) client.take();
  const deliver = (n: number) => {
    peer.send(first.publicKey, Uint8Array.of(n));
    relay.settle();
    return { first: first.take(), second: second.take() };
  };
  deepStrictEqual(deliver(1), { first: [], second: ["01"] });
  first.send(peer.publicKey, Uint8Array.of(0));
  deepStrictEqual(deliver(2), { first: ["02"], second: [] });
  relay.leave(first);
  deepStrictEqual(peer.take(), ["00"]); // the key is still here
  deepStrictEqual(deliver(3), { first: [], second: ["03"] });
  relay.leave(second);
  deepStrictEqual(peer.take(), ["disconnected"]);
});

Deno.test("DerpSwitchboard drops the oldest for a client that does not read, disco apart", () => {
  const relay = new TestRelay(4);
  const [a, b] = [relay.join(), relay.join()];
  b.take();
  for (let i = 0; i < 700; i++) {
    a.send(b.publicKey, Uint8Array.of(i >> 8, i & 255));
    if (i % 2 === 0) a.send(b.publicKey, discoPacket(i & 255));
  }
  const connection = relay.board.connectionOf(b.publicKey);
  ok(connection);
  // All of it arrives at the relay before the client reads.
  relay.settle();
  const received = b.take();
  strictEqual(connection.discoPackets.dropped, 0);
  strictEqual(connection.packets.dropped, 188);
  strictEqual(received.length, 350 + 512);
  ok(received.includes(toHex(Uint8Array.of(699 >> 8, 699 & 255))));
});

Deno.test("DerpSwitchboard drops, delays, reorders and doubles packets on order", () => {
  const relay = new TestRelay(5, {
    fate: ({ packet }) => {
      if (packet[0] === 1) return "drop";
      if (packet[0] === 2) return { delaysMs: [50] };
      if (packet[0] === 3) return { delaysMs: [10, 20] };
      return "forward";
    },
  });
  const [a, b] = [relay.join(), relay.join()];
  b.take();
  for (const n of [1, 2, 3, 4]) a.send(b.publicKey, Uint8Array.of(n));
  relay.settle();
  deepStrictEqual(b.take(), ["04"]);
  relay.advance(10);
  deepStrictEqual(b.take(), ["03"]);
  relay.advance(40);
  deepStrictEqual(b.take(), ["03", "02"]);
  strictEqual(relay.board.counters.dropped, 1);
});

Deno.test("DerpSwitchboard announces a restart, and sends any frame", () => {
  const relay = new TestRelay(6);
  const a = relay.join();
  a.take();
  relay.board.announceRestart({ reconnectInMs: 500, tryForMs: 60_000 });
  const connection = relay.board.connectionOf(a.publicKey);
  ok(connection);
  connection.sendHealth("busy");
  connection.sendFrame(0x77, new Uint8Array(3000));
  connection.ping(fromHex("0102030405060708"));
  relay.board.wake(connection);
  relay.settle();
  deepStrictEqual(a.events.splice(0), [
    { kind: "restarting", reconnectInMs: 500, tryForMs: 60_000 },
    { kind: "health", problem: "busy" },
  ]);
});

Deno.test("DerpSwitchboard reports who comes, who goes and whom to cut", () => {
  const relay = new TestRelay(7);
  const a = relay.join();
  deepStrictEqual(relay.board.pollEvent(), { kind: "joined", key: a.publicKey.slice() });
  const silent = relay.board.connect(relay.now);
  relay.advance(10_000);
  deepStrictEqual(relay.board.pollEvent(), { kind: "expired", connection: silent });
  relay.board.disconnect(silent);
  relay.leave(a);
  deepStrictEqual(relay.board.pollEvent(), { kind: "left", key: a.publicKey.slice() });
  strictEqual(relay.board.pollEvent(), undefined);
  strictEqual(relay.board.pollTimeout(), undefined);
});

Deno.test("DerpSwitchboard gives a rate limit that its clients keep", () => {
  const info = { version: 2, tokenBucketBytesPerSecond: 1000, tokenBucketBytesBurst: 100 };
  const relay = new TestRelay(8, { info });
  const a = relay.join();
  deepStrictEqual(a.events.map((event) => event.kind === "ready" ? event.info : event.kind), [
    "introduced",
    info,
  ]);
  ok(a.core.allowSend(63, relay.now));
  ok(!a.core.allowSend(1, relay.now));
});
