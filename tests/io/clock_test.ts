/** The clock that goes on counting while the machine sleeps. */
import { strictEqual } from "node:assert/strict";
import { SleepDetector, SystemClock } from "../../lib/io/clock.ts";

Deno.test("SleepDetector adds what only the wall clock saw", () => {
  const detector = new SleepDetector();
  strictEqual(detector.observe(1_000, 50_000), 0);
  strictEqual(detector.observe(2_000, 51_000), 0);
  // Ten minutes asleep: the monotonic clock moved by one second.
  strictEqual(detector.observe(3_000, 651_000), 599_000);
  strictEqual(detector.observe(4_000, 652_000), 599_000);
});

Deno.test("SleepDetector ignores a wall clock that is set back or adjusted a little", () => {
  const detector = new SleepDetector();
  detector.observe(0, 1_000_000);
  strictEqual(detector.observe(1_000, 500_000), 0);
  strictEqual(detector.observe(2_000, 504_000), 0);
});

Deno.test("SystemClock sleeps for longer than the platform's timers last", async () => {
  const clock = new SystemClock();
  const stop = new AbortController();
  for (const ms of [2 ** 31, 2 ** 40, Infinity]) {
    const sleeping = clock.sleep(ms, stop.signal).then(() => "woke", () => "stopped");
    strictEqual(await Promise.race([sleeping, clock.sleep(20).then(() => "sleeps")]), "sleeps");
  }
  stop.abort();
  strictEqual(await clock.sleep(Infinity, stop.signal).catch(() => "stopped"), "stopped");
});
