/** The schedule of pings until the first answer. */
import assert from "node:assert/strict";
import { MAX_PROBE_PINGS, RelayProbe } from "../../lib/disco/relay_probe.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** Lets time jump from one due ping to the next, until nothing is due any more. */
function sentTimes(probe: RelayProbe): number[] {
  const times: number[] = [];
  for (let at = probe.pollTimeout(); at !== undefined; at = probe.pollTimeout()) {
    if (probe.takeDue(at)) times.push(at);
  }
  return times;
}

Deno.test("RelayProbe pings at once, soon again, then rarer, and gives up", () => {
  const probe = new RelayProbe(new SeededRandom(1));
  assert.equal(probe.pollTimeout(), undefined);
  probe.start(1_000);
  const times = sentTimes(probe);
  assert.equal(times.length, MAX_PROBE_PINGS);
  assert.equal(times[0], 1_000);
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  assert(gaps.every((gap) => gap >= 250 && gap <= 6_000), gaps.join(" "));
  assert((gaps[0] ?? 0) <= 300);
  assert((gaps.at(-1) ?? 0) >= 5_000);
  assert.equal(probe.state, "exhausted");
});

Deno.test("RelayProbe is silent before its time, after an answer and when stopped", () => {
  const probe = new RelayProbe(new SeededRandom(2));
  assert(!probe.takeDue(0));
  probe.start(0);
  assert(probe.takeDue(0));
  assert(!probe.takeDue(200));
  assert(probe.takeDue(300));
  probe.handlePong();
  assert.equal(probe.state, "answered");
  assert(!probe.takeDue(10_000));
  probe.start(20_000);
  assert(probe.takeDue(20_000));
  probe.stop();
  assert.equal(probe.pollTimeout(), undefined);
  assert(!probe.takeDue(99_000));
});
