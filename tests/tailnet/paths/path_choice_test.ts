/** Which way the bulk takes, by script: what was counted goes in every half second, what is to be done comes out. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { LOOK_EVERY_MS, PathChoice } from "../../../lib/tailnet/paths/path_choice.ts";

const PACKET_BYTES = 1_200;

interface Stretch {
  /** Bytes in a millisecond that come forward. */
  readonly rate: number;
  readonly loss?: number;
  readonly hasRelay?: boolean;
  /** The peer says nothing. */
  readonly isSilent?: boolean;
  readonly isWaiting?: boolean;
  readonly answers?: number;
}

class Script {
  readonly choice = new PathChoice();
  now = 1_000;
  isHeld = false;
  /** What was said, and when. */
  readonly said: string[] = [];
  #bytes = 0;
  #packets = 0;
  #lost = 0;
  #heardAt = 0;

  /** Looks every half second while `ms` pass; stops at a verdict. */
  run(ms: number, stretch: Stretch | ((isHeld: boolean) => Stretch)): this {
    for (const end = this.now + ms; this.now < end;) {
      this.now += LOOK_EVERY_MS;
      const { rate, loss = 0, hasRelay = true, isSilent = false, isWaiting = false, answers = 0 } =
        typeof stretch === "function" ? stretch(this.isHeld) : stretch;
      this.#bytes += rate * LOOK_EVERY_MS;
      const packets = rate * LOOK_EVERY_MS / PACKET_BYTES;
      this.#packets += packets;
      this.#lost += Math.round(packets * loss);
      if (!isSilent) this.#heardAt = this.now;
      const verdict = this.choice.handleFacts({
        bytes: this.#bytes,
        packets: this.#packets,
        lost: this.#lost,
        isWaiting,
        isDirect: !this.isHeld,
        hasRelay,
        heardAt: this.#heardAt,
        sentAt: this.now,
        answers,
      }, this.now);
      if (verdict === undefined) continue;
      this.isHeld = verdict === "hold";
      this.said.push(`${verdict} ${this.now - 1_000}`);
    }
    return this;
  }

  get words(): string {
    return this.said.map((text) => text.split(" ")[0]).join(" ");
  }
}

const LOSSY = { rate: 300, loss: 0.03 };
const FAST = { rate: 3_000 };

Deno.test("PathChoice leaves a path that goes on losing, and stays on a relay that carries more", () => {
  const script = new Script().run(60_000, (isHeld) => isHeld ? FAST : LOSSY);
  strictEqual(script.words, "hold");
});

Deno.test("PathChoice is moved by no bulk that loses little, no burst, no little data, and nothing without a relay", () => {
  const rows: readonly [string, (script: Script) => void][] = [
    ["no loss", (script) => script.run(60_000, { rate: 3_000 })],
    ["little loss", (script) => script.run(60_000, { rate: 3_000, loss: 0.004 })],
    ["keystrokes", (script) => script.run(600_000, { rate: 4, loss: 0.2 })],
    ["no relay", (script) => script.run(60_000, { ...LOSSY, hasRelay: false })],
    ["bursts", (script) => {
      for (let i = 0; i < 10; i++) {
        script.run(500, { rate: 300, loss: 0.5 }).run(8_000, { rate: 3_000 });
      }
    }],
  ];
  for (const [name, run] of rows) {
    const script = new Script();
    run(script);
    deepStrictEqual(script.said, [], name);
  }
});

const STUCK = { rate: 0, isWaiting: true };

Deno.test("PathChoice leaves a path on which a bulk stands still, and one way for the other as long as neither moves it", () => {
  const script = new Script().run(5_000, FAST).run(60_000, STUCK);
  const at = script.said.map((text) => Number(text.split(" ")[1]));
  deepStrictEqual(script.said.slice(0, 3), ["hold 7000", "release 19000", "hold 29000"]);
  ok(at.length >= 5, script.said.join());
  script.run(15_000, (isHeld) => isHeld ? FAST : STUCK);
  ok(script.isHeld, "where it moves it stays");
});

Deno.test("PathChoice is not moved by what stands still because nothing is waited for, or was no bulk, or goes on soon", () => {
  const rows: readonly [string, (script: Script) => void][] = [
    ["nothing is waited for", (script) => script.run(5_000, FAST).run(60_000, { rate: 0 })],
    ["no bulk", (script) => script.run(60_000, { rate: 1 }).run(60_000, STUCK)],
    ["a bulk before", (script) => {
      script.run(5_000, FAST).run(500, { rate: 0 }).run(60_000, { rate: 1 }).run(60_000, STUCK);
    }],
    ["soon", (script) => {
      for (let i = 0; i < 10; i++) script.run(5_000, FAST).run(1_500, STUCK);
    }],
    ["no relay", (script) => {
      script.run(5_000, FAST).run(60_000, { ...STUCK, hasRelay: false });
    }],
  ];
  for (const [name, run] of rows) {
    const script = new Script();
    run(script);
    deepStrictEqual(script.said, [], name);
  }
});

Deno.test("PathChoice leaves the path at most every five seconds, whatever peer and relay do", () => {
  const stretch = fc.record({
    rate: fc.constantFrom(0, 20, 100, 1_000, 3_000),
    heldRate: fc.constantFrom(0, 20, 100, 1_000, 3_000, 9_000),
    loss: fc.constantFrom(0, 0.005, 0.05, 0.3),
    hasRelay: fc.boolean(),
    isSilent: fc.boolean(),
    isWaiting: fc.boolean(),
    answers: fc.constantFrom(0, 60, 480),
    ms: fc.constantFrom(500, 1_000, 2_000, 5_000, 9_000),
  });
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 60 }), (stretches) => {
      const script = new Script();
      for (const { heldRate, ms, ...rest } of stretches) {
        script.run(ms, (isHeld) => ({ ...rest, rate: isHeld ? heldRate : rest.rate }));
      }
      const holds = script.said.flatMap((text) => {
        const [word, at] = text.split(" ");
        return word === "hold" ? [Number(at)] : [];
      });
      holds.forEach((at, i) =>
        ok(i === 0 || at - (holds[i - 1] ?? 0) >= 5_000, script.said.join())
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("PathChoice takes a time in which nobody looked for no standstill", () => {
  const script = new Script().run(5_000, FAST).run(500, STUCK);
  script.now += 60_000; // the machine slept
  script.run(1_500, STUCK);
  deepStrictEqual(script.said, []);
  script.run(1_500, STUCK);
  strictEqual(script.words, "hold");
});

Deno.test("PathChoice looks again by itself while something flows or is waited for, and not otherwise", () => {
  const script = new Script().run(5_000, FAST);
  strictEqual(script.choice.pollTimeout(), script.now + LOOK_EVERY_MS);
  script.run(500, STUCK);
  strictEqual(script.choice.pollTimeout(), script.now + LOOK_EVERY_MS);
  script.run(500, { rate: 4 });
  strictEqual(script.choice.pollTimeout(), undefined);
});

Deno.test("PathChoice comes back from a relay on which the bulk stands still, four seconds later", () => {
  const script = new Script().run(20_000, (isHeld) => isHeld ? FAST : LOSSY);
  ok(script.isHeld);
  script.run(4_000, STUCK);
  strictEqual(script.words, "hold release");
});

Deno.test("PathChoice takes fewer losses for a reason where they go on for long and keep the bulk slow", () => {
  const slight = { rate: 400, loss: 0.012 };
  // Of 166 packets in a look two are lost, which is 1.2 %; so one in each look is 0.6 %.
  const halved = (isHeld: boolean) => isHeld ? FAST : { ...slight, loss: 0.006 };
  const script = new Script().run(7_000, halved);
  deepStrictEqual(script.said, []);
  strictEqual(script.run(5_000, halved).words, "hold");
  deepStrictEqual(new Script().run(60_000, { rate: 1_500, loss: 0.005 }).said, []);
});

Deno.test("PathChoice gives a relay up at once that carries next to nothing and no more than the second before", () => {
  const script = new Script().run(30_000, (isHeld) => isHeld ? { rate: 60 } : LOSSY);
  const [begun, ended] = script.said.map((text) => Number(text.split(" ")[1]));
  strictEqual((ended ?? 0) - (begun ?? 0), 3_000);
});

Deno.test("PathChoice tries a relay that brings no more less and less often", () => {
  const script = new Script().run(3_600_000, LOSSY);
  const trials = script.said.filter((text) => text.startsWith("hold")).map((text) =>
    Number(text.split(" ")[1])
  );
  ok(trials.length >= 5 && trials.length <= 14, script.said.join());
  const gaps = trials.slice(1).map((at, i) => at - (trials[i] ?? 0));
  ok((gaps[0] ?? 0) >= 30_000, gaps.join());
  for (const [i, gap] of gaps.entries()) ok(i === 0 || gap >= (gaps[i - 1] ?? 0), gaps.join());
  ok(script.said.length - trials.length >= trials.length - 1, "each of them was ended");
});

Deno.test("PathChoice ends a trial in which the relay falls far behind after six seconds, and one that leads nowhere after twelve", () => {
  for (const [rate, lastedMs] of [[100, 6_000], [310, 12_000]] as const) {
    const script = new Script().run(30_000, (isHeld) => isHeld ? { rate } : LOSSY);
    const [begun, ended] = script.said.map((text) => Number(text.split(" ")[1]));
    strictEqual((ended ?? 0) - (begun ?? 0), lastedMs);
  }
});

Deno.test("PathChoice comes back when the path answers sixty pings in a row, and asks for twice as many where it lost again", () => {
  const script = new Script();
  for (const wanted of [60, 120, 240, 480, 480]) {
    script.run(20_000, (isHeld) => isHeld ? FAST : LOSSY);
    ok(script.isHeld);
    script.run(5_000, { ...FAST, answers: wanted - 1 });
    ok(script.isHeld, `${wanted}`);
    script.run(500, { ...FAST, answers: wanted });
    ok(!script.isHeld, `${wanted}`);
  }
  // It lasted: the next time is as the first.
  script.run(400_000, FAST).run(20_000, (isHeld) => isHeld ? FAST : LOSSY);
  script.run(500, { ...FAST, answers: 60 });
  ok(!script.isHeld);
});

Deno.test("PathChoice lets the path go when the relay is lost, silent or slow, and when nothing flows for a minute", () => {
  const rows: readonly [string, Stretch, number][] = [
    ["lost", { rate: 0, hasRelay: false }, 500],
    ["silent", { rate: 0, isSilent: true }, 2_500],
    ["slow", { rate: 20 }, 10_000],
    ["idle", { rate: 1 }, 60_500],
  ];
  for (const [name, stretch, limitMs] of rows) {
    const script = new Script().run(20_000, (isHeld) => isHeld ? FAST : LOSSY);
    ok(script.isHeld);
    script.run(limitMs, stretch);
    ok(!script.isHeld, name);
  }
});

Deno.test("PathChoice is due exactly when its timer says so, whatever the instant", () => {
  const script = new Script().run(10_000, LOSSY);
  ok(script.isHeld);
  for (let i = 0; i < 1_000; i++) {
    script.now += 0.1 + i / 7;
    script.run(500, LOSSY);
    const at = script.choice.pollTimeout();
    if (at !== undefined) ok(script.choice.isDue(at));
  }
});
