import { deepStrictEqual, ok, strictEqual } from "node:assert";
import fc from "fast-check";
import { PeerTimers, type TimerName } from "../../lib/wireguard/timers.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function timers(seed = 1): PeerTimers {
  return new PeerTimers(new SeededRandom(seed));
}

/** Jumps from deadline to deadline up to `until`, and notes what was due when; repeats after what it did. */
function run(
  timers: PeerTimers,
  until: number,
  act: (name: TimerName, now: number) => void = () => {},
): [TimerName, number][] {
  const log: [TimerName, number][] = [];
  for (let at = timers.next(); at !== undefined && at <= until; at = timers.next()) {
    for (let name = timers.pop(at); name !== undefined; name = timers.pop(at)) {
      log.push([name, at]);
      act(name, at);
    }
  }
  return log;
}

Deno.test("PeerTimers: nothing is due while nothing happened", () => {
  strictEqual(timers().next(), undefined);
});

Deno.test("PeerTimers: an empty packet is due 10 s after data, counted from the oldest (§6.5)", () => {
  const t = timers();
  t.dataReceived(0);
  t.dataReceived(6_000);
  deepStrictEqual(run(t, 9_999), []);
  deepStrictEqual(
    run(t, 60_000, (_, now) => {
      t.authenticatedSent(now);
      t.passiveKeepaliveSent(now);
    }),
    [["passive-keepalive", 10_000], ["passive-keepalive", 20_000]],
  ); // one more for the data of 6 s
});

Deno.test("PeerTimers: anything sent settles the debt, and later data makes a new one (§6.5)", () => {
  const t = timers();
  t.dataReceived(0);
  t.authenticatedSent(4_000);
  deepStrictEqual(run(t, 60_000), []);
  t.dataReceived(60_000);
  t.authenticatedSent(60_001);
  t.dataReceived(66_000);
  deepStrictEqual(run(t, 90_000).map(([, at]) => at), [76_000]);
});

Deno.test("PeerTimers: a handshake is due 15 s after unanswered data (§6.5)", () => {
  const t = timers();
  t.dataSent(0);
  t.authenticatedReceived(1_000);
  t.dataSent(2_000);
  t.dataSent(9_000);
  const [due, ...more] = run(t, 60_000);
  strictEqual(due?.[0], "new-handshake");
  ok(due[1] >= 17_000 && due[1] < 17_334, `due at ${due[1]}`);
  deepStrictEqual(more, []);
});

Deno.test("PeerTimers: persistent keepalives follow the last packet either way", () => {
  const t = timers();
  t.persistentKeepaliveChanged(25_000, 0);
  t.authenticatedReceived(10_000);
  t.authenticatedSent(20_000);
  const log = run(t, 100_000, (_, now) => t.authenticatedSent(now));
  deepStrictEqual(log.map(([, at]) => at), [45_000, 70_000, 95_000]);
  t.persistentKeepaliveChanged(undefined, 100_000);
  strictEqual(t.next(), undefined);
});

Deno.test("PeerTimers: retries are quick at first if urgent, and 5 s with jitter else (§6.4)", () => {
  for (const isUrgent of [true, false]) {
    const t = timers();
    t.handshakeBegun();
    t.initiationSent(0, { isUrgent });
    const times = run(t, 200_000, (_, now) => {
      if (t.takeRetry()) t.initiationSent(now, { isUrgent });
      else t.handshakeAbandoned(now);
    }).filter(([name]) => name === "retransmit").map(([, at]) => at);
    strictEqual(times.length, 22); // 21 retries, and the one that gives up
    const gaps = times.map((at, i) => at - (times[i - 1] ?? 0));
    gaps.forEach((gapMs, i) => {
      const floor = isUrgent ? [500, 1_000, 2_000][i] ?? 5_000 : 5_000;
      const jitter = floor < 5_000 ? 50 : 334;
      ok(gapMs >= floor && gapMs < floor + jitter, `gap ${i} of ${gapMs} ms`);
    });
    ok(!t.isRetransmitArmed);
  }
});

Deno.test("PeerTimers: keys are to be erased 540 s after they were derived, or after giving up (§6.3)", () => {
  const t = timers();
  t.sessionDerived(0);
  t.sessionDerived(100_000);
  deepStrictEqual(run(t, 1_000_000), [["zero-keys", 640_000]]);
  t.handshakeAbandoned(1_000_000);
  deepStrictEqual(run(t, 2_000_000), [["zero-keys", 1_540_000]]);
});

/** The obvious version of the two timers of §6.5: a deadline is set and cleared with every fact. */
class PlainTimers {
  keepaliveAt: number | undefined;
  handshakeAt: number | undefined;

  dataSent(now: number): void {
    this.handshakeAt ??= now + 15_000;
  }
  dataReceived(now: number): void {
    this.keepaliveAt ??= now + 10_000;
  }
  authenticatedSent(): void {
    this.keepaliveAt = undefined;
  }
  authenticatedReceived(): void {
    this.handshakeAt = undefined;
  }
}

Deno.test("PeerTimers with lazy deadlines equal timers that are set with every fact", () => {
  const fact = fc.constantFrom("dataSent", "dataReceived", "keepaliveSent", "keepaliveReceived");
  const step = fc.tuple(fc.nat(12_000), fact);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lazy = timers();
      const plain = new PlainTimers();
      let now = 0;
      for (const [gapMs, what] of steps) {
        now += gapMs;
        for (const [name, at] of run(lazy, now)) {
          const due = name === "passive-keepalive" ? plain.keepaliveAt : plain.handshakeAt;
          ok(due !== undefined && at >= due && at <= due + 334, `${name} at ${at}, not ${due}`);
          if (name === "passive-keepalive") plain.keepaliveAt = undefined;
          else plain.handshakeAt = undefined;
        }
        ok(!(plain.keepaliveAt !== undefined && plain.keepaliveAt < now), "keepalive missed");
        ok(!(plain.handshakeAt !== undefined && plain.handshakeAt + 334 < now), "handshake missed");
        report(lazy, plain, what, now);
      }
    }),
    { numRuns: 300 },
  );
});

function report(lazy: PeerTimers, plain: PlainTimers, what: string, now: number): void {
  if (what.endsWith("Sent")) {
    if (what === "dataSent") {
      lazy.dataSent(now);
      plain.dataSent(now);
    }
    lazy.authenticatedSent(now);
    plain.authenticatedSent();
  } else {
    lazy.authenticatedReceived(now);
    plain.authenticatedReceived();
    if (what === "dataReceived") {
      lazy.dataReceived(now);
      plain.dataReceived(now);
    }
  }
}
