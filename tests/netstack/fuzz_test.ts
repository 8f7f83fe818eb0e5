/** Garbage never throws and never gets into a stream. A failure names its seed. */
import assert from "node:assert/strict";
import { seqAdd } from "../../lib/base/seq.ts";
import type { Netstack } from "../../lib/netstack/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { App, LEFT, StackPair } from "./stack_pair.ts";
import { type Sent, TcpScript } from "./tcp_script.ts";

function drain(stack: Netstack, now: number): void {
  const buffer = new Uint8Array(1280);
  while (stack.pollTransmit(buffer, 0, now) > 0);
  while (stack.pollEvent() !== undefined);
}

Deno.test("Netstack.handlePacket() takes random bytes, with and without a plausible header", () => {
  const t = new TcpScript().establish();
  t.stack.listen("any");
  const random = new SeededRandom(1);
  for (let i = 0; i < 30_000; i++) {
    const bytes = new Uint8Array(random.below(120));
    random.fill(bytes);
    if (bytes.length >= 48 && random.chance(0.8)) {
      bytes[0] = 0x60;
      bytes[4] = 0;
      bytes[5] = bytes.length - 40;
      bytes[6] = [6, 17, 58, 99][random.below(4)] ?? 0;
      bytes.set(LEFT, 24);
    }
    t.stack.handlePacket(bytes, i);
    if (i % 50 === 0) drain(t.stack, i);
  }
});

/** A segment near what would be right. */
function nearlyRight(random: SeededRandom, t: TcpScript): Sent {
  const { tcb } = t;
  const near = (value: number): number => {
    const spread = [0, 0, 0, 1, 3, 1220, 70_000, 0x4000_0000][random.below(8)] ?? 0;
    return value + (random.chance(0.5) ? 1 : -1) * random.below(spread + 1);
  };
  const seq = near(seqAdd(tcb.receive.rcvNxt, -(tcb.irs)));
  const ack = near(
    seqAdd(tcb.snd.una, -tcb.snd.iss) + random.below(Math.max(1, tcb.snd.flightSize + 1)),
  );
  const flags =
    ["A", "A", "A", "PA", "FA", "S", "SA", "R", "RA", "F", "", "SF"][random.below(12)] ?? "A";
  const sack = Array.from({ length: random.below(4) }, () => {
    const left = near(ack);
    return [left, left + random.below(5_000) - 100] as const;
  });
  return {
    flags,
    seq,
    ack,
    sack,
    window: random.chance(0.2) ? 0 : random.below(65_536),
    payload: new Uint8Array(random.chance(0.5) ? 0 : random.below(1220)),
  };
}

Deno.test("A connection takes any segment in any state without throwing, and its sums stay right", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SeededRandom(seed);
    const options = { receiveBufferBytes: 4096 << random.below(6), timeWaitMs: 500 };
    const isSackPermitted = random.chance(0.7);
    const t = new TcpScript(options).establish({ sackPermitted: isSackPermitted });
    try {
      for (let step = 0; step < 250 && t.socket.state !== "closed"; step++) {
        const at = t.now + random.below(300);
        switch (random.below(8)) {
          case 0:
            t.act(at, (socket) => {
              if (!t.tcb.snd.finQueued) socket.write(new Uint8Array(random.below(9_000)), at);
            });
            break;
          case 1:
            t.act(at, (socket) => socket.read(new Uint8Array(random.below(5_000)), at));
            break;
          case 2:
            if (random.chance(0.05)) t.act(at, (socket) => socket.shutdownWrite(at));
            break;
          default: {
            const segment = nearlyRight(random, t);
            // Resets end most runs at once: let few of them through.
            if (!segment.flags?.includes("R") || random.chance(0.05)) t.deliver(at, segment);
          }
        }
        if (random.chance(0.5)) t.poll(at);
        t.skip();
        t.events();
        const { tcb } = t;
        assert.ok(
          tcb.receive.readableBytes <= options.receiveBufferBytes,
          "receive buffer overrun",
        );
        assert.ok(tcb.receive.windowBytes >= 0, "window below zero");
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
});

Deno.test("Flipped bits and truncated packets never corrupt a stream", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new SeededRandom(seed);
    const pair = new StackPair({ seed, link: { delayMs: 5 } });
    pair.connect(
      new App({ totalBytes: 200_000, key: 1, peerKey: 7 }),
      new App({ totalBytes: 200_000, key: 7, peerKey: 1 }),
    );
    pair.watch = (from, packet) => {
      if (!random.chance(0.05)) return;
      const to = from === "left" ? pair.right : pair.left;
      const copy = packet.slice(0, random.chance(0.3) ? random.below(packet.length) : undefined);
      const at = random.below(copy.length);
      if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      to.handlePacket(copy, pair.now);
    };
    pair.runApps(600_000);
  }
});
