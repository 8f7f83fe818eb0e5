/** When the relays are asked how far they are: once, and again where none of them answered. */
import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { type Latencies, RelayLatencies } from "../../lib/io/relay_latencies.ts";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { ManualClock } from "../support/manual_clock.ts";

const MAP = derpMapOf([]);

Deno.test("RelayLatencies: what answered is not asked again", async () => {
  const clock = new ManualClock();
  const latencies = new RelayLatencies(clock, () => Promise.resolve(new Map([[1, 7]])));
  ok(latencies.isWanted);
  await latencies.ask(MAP);
  clock.advance(3_600_000);
  ok(!latencies.isWanted);
  deepStrictEqual([...latencies.known], [[1, 7]]);
});

Deno.test("RelayLatencies: where none answered they are asked again after ten seconds, not while they are being asked", async () => {
  const clock = new ManualClock();
  const answers: PromiseWithResolvers<Latencies>[] = [];
  const latencies = new RelayLatencies(clock, () => {
    const answer = Promise.withResolvers<Latencies>();
    answers.push(answer);
    return answer.promise;
  });
  const first = latencies.ask(MAP);
  clock.advance(60_000);
  ok(!latencies.isWanted, "is being asked");
  answers[0]?.resolve(new Map());
  await first;
  clock.advance(9_999);
  ok(!latencies.isWanted, "too early");
  clock.advance(1);
  ok(latencies.isWanted);
  const second = latencies.ask(MAP);
  answers[1]?.reject(new TypeError("a mistake of ours"));
  await rejects(second, TypeError);
  ok(!latencies.isWanted, "too early");
  clock.advance(10_000);
  ok(latencies.isWanted);
});
