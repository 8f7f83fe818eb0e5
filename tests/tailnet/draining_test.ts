/** What goes over the relay after a move to a straight way, by script. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { Draining } from "../../lib/tailnet/draining.ts";

const DATA = 1_312;
const ACK = 96;

Deno.test("Draining goes on while the relay brings data, and 20 ms after the last of it", () => {
  const draining = new Draining();
  draining.handleRelayed(DATA, 100);
  draining.handleRelayUsed();
  deepStrictEqual([110, 120, 121].map((now) => draining.isGoingOn(now)), [true, true, false]);
  draining.handleRelayed(DATA, 130);
  ok(draining.isGoingOn(150));
});

Deno.test("Draining is over two seconds after the move, whatever still comes, until there is another move", () => {
  const draining = new Draining();
  let wentOnUntil = 0;
  for (let now = 0; now < 10_000; now += 10) {
    draining.handleRelayed(DATA, now);
    if (draining.isGoingOn(now)) wentOnUntil = now;
  }
  deepStrictEqual(wentOnUntil, 1_990);
  draining.handleRelayUsed();
  ok(draining.isGoingOn(10_000));
});

Deno.test("Draining has nothing to do with acknowledgements, by which an upload would stay on the relay", () => {
  const draining = new Draining();
  draining.handleRelayed(ACK, 100);
  ok(!draining.isGoingOn(100));
});
