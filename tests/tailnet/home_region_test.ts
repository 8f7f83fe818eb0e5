/** Where to be at home, by latency, score and what was found unreachable. */
import { strictEqual } from "node:assert/strict";
import { derpMapOf, type DerpRegion } from "../../lib/tailnet/derp_map.ts";
import { HomeChoice } from "../../lib/tailnet/home_region.ts";
import { nodeOf } from "./sim/world.ts";

function region(id: number, over: Partial<DerpRegion> = {}): DerpRegion {
  const nodes = [nodeOf(id)];
  return { id, code: "r", name: "r", embeddedRelay: false, avoid: false, nodes, ...over };
}

const MAP = derpMapOf([region(1), region(2), region(3, { embeddedRelay: true }), region(4)]);

Deno.test("HomeChoice prefers the deployment's own relay as long as nothing is measured, else the lowest id", () => {
  const choice = new HomeChoice();
  strictEqual(choice.bestOf(MAP), 3);
  strictEqual(choice.bestOf(derpMapOf([region(2), region(1, { avoid: true })])), 2);
  strictEqual(choice.bestOf(derpMapOf([])), undefined);
});

Deno.test("HomeChoice takes the lowest latency, multiplied by the map's score (netcheck.go)", () => {
  const choice = new HomeChoice();
  choice.setLatencies(new Map([[1, 30], [2, 20], [9, 1]]));
  strictEqual(choice.bestOf(MAP), 2);
  strictEqual(choice.bestOf({ ...MAP, regionScore: new Map([[2, 2]]) }), 1);
  strictEqual(choice.bestOf({ ...MAP, regionScore: new Map([[1, 0.5]]) }), 1);
});

Deno.test("HomeChoice passes over what let nobody in, until that is forgotten", () => {
  const choice = new HomeChoice();
  choice.setLatencies(new Map([[1, 10], [2, 20]]));
  choice.markUnreachable(1);
  strictEqual(choice.bestOf(MAP), 2);
  choice.markUnreachable(2);
  strictEqual(choice.bestOf(MAP), 3); // unmeasured, but there
  choice.markUnreachable(3);
  choice.markUnreachable(4);
  strictEqual(choice.bestOf(MAP), undefined);
  choice.forgetFailures();
  strictEqual(choice.bestOf(MAP), 1);
});
