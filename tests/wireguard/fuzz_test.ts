/** Nothing that a datagram holds makes a device throw, or changes what it holds. */
import { ok, strictEqual } from "node:assert";
import fc from "fast-check";
import { MacWriter } from "../../lib/wireguard/cookie.ts";
import { mac1Offset } from "../../lib/wireguard/messages.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { ipv6Packet, Pair, sealCopy } from "./support.ts";

const NOW = 10_000;

/** One datagram of each kind, unopened, and a device that would take any of them. */
function materials() {
  const pair = new Pair(new SeededRandom(42), {
    b: { maxPerSecond: 1e9, underLoadAbovePerSecond: 1e9 },
  });
  const { a, b } = pair;
  a.outgoing.isTapped = true;
  ok(pair.connect());
  if (a.peer === undefined || b.peer === undefined) throw new Error("No peers");
  pair.simulation.runFor(NOW - pair.now);
  const data = sealCopy(a.device, a.peer, ipv6Packet({ payloadBytes: 100 }), NOW);
  const keepalive = sealCopy(a.device, a.peer, new Uint8Array(0), NOW);
  a.device.initiate(a.peer, NOW);
  const initiation = a.device.pollTransmit()?.datagram;
  // A response to a handshake of b: a answers it.
  b.device.initiate(b.peer, NOW);
  const initiationOfB = b.device.pollTransmit()?.datagram;
  if (initiationOfB !== undefined) a.device.handleDatagram(initiationOfB, NOW);
  const response = a.device.pollTransmit()?.datagram;
  const cookieReply = new Uint8Array(64);
  cookieReply[0] = 3;
  if (initiationOfB !== undefined) cookieReply.set(initiationOfB.subarray(4, 8), 4);
  const originals = [data, keepalive, initiation, response, cookieReply];
  return { device: b.device, originals: originals.filter((one) => one !== undefined) };
}

Deno.test("WireguardDevice.handleDatagram() never throws, and takes nothing, for random bytes", () => {
  const { device } = materials();
  const random = fc.uint8Array({ maxLength: 200 });
  const headed = fc.tuple(fc.constantFrom(1, 2, 3, 4), fc.constantFrom(148, 92, 64, 32, 48, 1312))
    .chain(([type, length]) =>
      fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => {
        bytes.set([type, 0, 0, 0]);
        return bytes;
      })
    );
  const total = device.counters.dropsTotal;
  let count = 0;
  fc.assert(
    fc.property(fc.oneof(random, headed), (datagram) => {
      count++;
      const inbound = device.handleDatagram(datagram, NOW);
      ok(inbound.kind === "none" && inbound.peer === undefined && inbound.reply === undefined);
    }),
    { numRuns: 2_000 },
  );
  strictEqual(device.counters.dropsTotal, total + count);
});

Deno.test("WireguardDevice.handleDatagram() drops every cut or flipped copy of a real datagram", () => {
  const { device, originals } = materials();
  strictEqual(originals.length, 5);
  const mutation = fc.record({
    which: fc.nat(originals.length - 1),
    kind: fc.constantFrom("cut", "flip", "extend"),
    at: fc.nat(2_000),
    bit: fc.nat(7),
  });
  fc.assert(
    fc.property(mutation, ({ which, kind, at, bit }) => {
      const original = originals[which] ?? new Uint8Array(0);
      let mutant = new Uint8Array(original);
      if (kind === "cut") mutant = mutant.slice(0, at % original.length);
      else if (kind === "extend") mutant = Uint8Array.of(...original, at & 255);
      else {
        const place = at % original.length;
        // mac2 is not looked at unless under load, so that flipping it changes nothing.
        const isHandshake = original[0] === 1 || original[0] === 2;
        if (isHandshake && place >= original.length - 16) return;
        mutant[place] = (mutant[place] ?? 0) ^ (1 << bit);
      }
      const inbound = device.handleDatagram(mutant, NOW);
      ok(inbound.kind === "none" && inbound.peer === undefined, `${kind} of ${which} was taken`);
    }),
    { numRuns: 3_000 },
  );
  // And after all that the originals are still good, but for the cookie reply, which was forged.
  const reasons = originals.map((original) => {
    const inbound = device.handleDatagram(original, NOW);
    return inbound.kind === "data" ? "data" : inbound.reason;
  });
  strictEqual(reasons.join(), "data,keepalive,initiation,response,bad-cookie-reply");
});

Deno.test("WireguardDevice.handleDatagram() drops forged handshakes behind a valid mac1", () => {
  const { device, originals } = materials();
  const macs = new MacWriter(device.publicKey);
  const [, , initiation, response] = originals;
  // From the field after the sender index on, which nothing but mac1 protects.
  const mutation = fc.record({
    original: fc.constantFrom(initiation, response),
    at: fc.nat(1_000),
    bit: fc.nat(7),
  });
  let now = NOW;
  fc.assert(
    fc.property(mutation, ({ original, at, bit }) => {
      if (original === undefined) throw new Error("No original");
      const mutant = new Uint8Array(original);
      const place = 8 + at % (mac1Offset(mutant.length) - 8);
      mutant[place] = (mutant[place] ?? 0) ^ (1 << bit);
      macs.writeMacs(mutant, now++);
      const inbound = device.handleDatagram(mutant, now);
      ok(inbound.kind === "none" && inbound.peer === undefined, `bit ${bit} of ${place} was taken`);
    }),
    { numRuns: 300 },
  );
  const reasons = [initiation, response].map((original) => {
    const inbound = device.handleDatagram(original ?? new Uint8Array(0), now);
    return inbound.kind === "none" ? inbound.reason : inbound.kind;
  });
  strictEqual(reasons.join(), "initiation,response");
});
