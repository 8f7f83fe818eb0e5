import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AgentPresence } from "../../lib/tailnet/agent_presence.ts";

const MINUTES = 60_000;

Deno.test("AgentPresence: one that left has a second to say its last, whatever is said meanwhile", () => {
  const presence = new AgentPresence();
  presence.handleRemoved(1_000);
  presence.handleLost(1_500); // the coordinator went as well: that gives it no more time
  strictEqual(presence.pollTimeout(), 2_000);
  presence.handleTimeout(1_999);
  strictEqual(presence.pollEvent(), undefined);
  presence.handleTimeout(2_000);
  deepStrictEqual(presence.pollEvent(), { kind: "left" });
  strictEqual(presence.pollEvent(), undefined);
  strictEqual(presence.pollTimeout(), undefined);
});

Deno.test("AgentPresence: one that nobody vouches for is kept for fifteen minutes from its last handshake", () => {
  const presence = new AgentPresence();
  presence.handleLost(0);
  presence.handleTimeout(15 * MINUTES - 1);
  strictEqual(presence.pollEvent(), undefined);
  presence.handleTimeout(15 * MINUTES);
  deepStrictEqual(presence.pollEvent(), { kind: "unvouched" });
  ok(presence.mayKeep(10 * MINUTES, 15 * MINUTES));
  strictEqual(presence.pollTimeout(), 25 * MINUTES);
  presence.handleTimeout(25 * MINUTES);
  deepStrictEqual(presence.pollEvent(), { kind: "unvouched" });
  ok(!presence.mayKeep(10 * MINUTES, 25 * MINUTES));
  strictEqual(presence.pollTimeout(), undefined);
});

Deno.test("AgentPresence: whoever is spoken of again is neither lost nor leaving", () => {
  for (const end of ["handleLost", "handleRemoved"] as const) {
    const presence = new AgentPresence();
    presence[end](0);
    presence.vouch();
    strictEqual(presence.pollTimeout(), undefined);
    presence.handleTimeout(60 * MINUTES);
    strictEqual(presence.pollEvent(), undefined);
  }
});

Deno.test("AgentPresence: where there is no coordinator to ask it is waited for without end, and fifteen minutes once there is", () => {
  const presence = new AgentPresence();
  presence.handleCutOff();
  strictEqual(presence.pollTimeout(), undefined);
  presence.handleTimeout(600 * MINUTES);
  strictEqual(presence.pollEvent(), undefined);
  presence.handleConnected(600 * MINUTES);
  strictEqual(presence.pollTimeout(), 615 * MINUTES);
  presence.handleCutOff(); // what was begun to be counted goes on
  presence.handleTimeout(615 * MINUTES);
  deepStrictEqual(presence.pollEvent(), { kind: "unvouched" });
});
