/** Which relays hear the user's own headers, when they are connected to: the probe is `io/relay_probe_test.ts`. */
import { ok, strictEqual } from "node:assert/strict";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { mapOf, nodeOf, World } from "./sim/world.ts";

const REGION = 7;

const ROWS: readonly { deployment: string; forceHttp: boolean; isTold: boolean }[] = [
  { deployment: "https://coder.test:3001/", forceHttp: false, isTold: true },
  { deployment: "https://coder.test:3001/", forceHttp: true, isTold: false },
  { deployment: "http://coder.test:3001/", forceHttp: true, isTold: true },
  { deployment: "http://coder.test:3001/", forceHttp: false, isTold: true },
];

Deno.test("a relay that is connected to in the clear hears the user's headers only where the deployment is spoken to so", async (t) => {
  for (const { deployment, forceHttp, isTold } of ROWS) {
    const how = forceHttp ? "in the clear" : "by TLS";
    await t.step(`${deployment}, relay ${how}`, () => {
      const regions = [...mapOf([999, REGION]).regions.values()].map((region) =>
        region.id === REGION ? { ...region, nodes: [nodeOf(REGION, { forceHttp })] } : region
      );
      const derpMap = derpMapOf(regions);
      const world = new World({
        regions: [REGION],
        agentRegion: REGION,
        client: { deploymentUrl: new URL(deployment), derpMap },
      });
      world.coordinator.setMap(derpMap, world.now);
      world.reach();
      // The agent is there as well: it has no headers.
      const requests = world.relays.get(REGION)?.requests ?? [];
      ok(requests.length > 1);
      strictEqual(requests.some(({ headers }) => headers.get("x-mine") === "yes"), isTold);
      ok(requests.every(({ headers }) => headers.get("coder-session-token") === undefined));
    });
  }
});
