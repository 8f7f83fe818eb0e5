/** What `ping` says of the way, and of many pings together. */
import { deepStrictEqual } from "node:assert/strict";
import { summarize } from "../../../lib/cli/diagnose/latency_summary.ts";
import { directLines, wayLines } from "../../../lib/cli/diagnose/way_report.ts";
import { derpMapOf } from "../../../lib/mod.ts";
import { nodeOf } from "../../tailnet/sim/world.ts";

const HOME = { id: 999, name: "Coder Embedded Relay" };

Deno.test("wayLines() tells relay, coordinator and key exchange, done or not", () => {
  deepStrictEqual(
    wayLines({
      home: HOME,
      relayTransport: "upgrade",
      hasToldNode: true,
      agent: { home: HOME, endpoints: ["10.0.0.1:7", "[fd00::2]:8"] },
      handshakeAgoMs: 2_600,
    }),
    [
      "✔ preferred DERP region: 999 (Coder Embedded Relay)",
      "✔ sent local data to Coder networking coordinator",
      "✔ received remote agent data from Coder networking coordinator",
      "    preferred DERP region: 999 (Coder Embedded Relay)",
      "    endpoints: 10.0.0.1:7, [fd00::2]:8",
      "✔ Wireguard handshake 3s ago",
    ],
  );
  const none = {
    home: undefined,
    relayTransport: undefined,
    hasToldNode: false,
    agent: undefined,
    handshakeAgoMs: undefined,
  };
  deepStrictEqual(wayLines(none), [
    "✘ not connected to DERP",
    "✘ have not sent local data to Coder networking coordinator",
    "✘ have not received remote agent data from Coder networking coordinator",
    "✘ Wireguard is not connected",
  ]);
  deepStrictEqual(
    wayLines({ ...none, handshakeAgoMs: 301_000 }).at(-1),
    "⚠ Wireguard handshake 5m1s ago",
  );
});

Deno.test("directLines() says what is known to stand in the way, the nearest first", () => {
  const region = { id: 1, code: "a", name: "A", embeddedRelay: false, avoid: false };
  const mapWith = (stunPort: number) =>
    derpMapOf([{ ...region, nodes: [nodeOf(1, { stunPort })] }]);
  const facts = {
    isDirect: false,
    disabledHere: false,
    disabledByDeployment: false,
    map: mapWith(3478),
    helpUrl: "https://docs",
  };
  deepStrictEqual(directLines(facts), []);
  deepStrictEqual(directLines({ ...facts, isDirect: true, disabledHere: true }), []);
  const firstOf = (more: Partial<typeof facts>) => directLines({ ...facts, ...more })[0];
  deepStrictEqual(
    [
      firstOf({ disabledHere: true, disabledByDeployment: true }),
      firstOf({ disabledByDeployment: true }),
      firstOf({ map: mapWith(-1) }),
    ],
    [
      "❗ Direct connections are disabled locally, by `--disable-direct-connections` or `CODER_DISABLE_DIRECT_CONNECTIONS`.",
      "❗ Your Coder administrator has blocked direct connections",
      "❗ The DERP map is not configured to use STUN",
    ],
  );
});

Deno.test("summarize() counts answers and their spread", () => {
  const none = { minMs: undefined, avgMs: undefined, maxMs: undefined, variance: undefined };
  deepStrictEqual(summarize([]), { total: 0, successful: 0, ...none });
  deepStrictEqual(summarize([undefined]), { total: 1, successful: 0, ...none });
  deepStrictEqual(summarize([5]), {
    ...{ total: 1, successful: 1, minMs: 5, avgMs: 5, maxMs: 5 },
    variance: undefined,
  });
  deepStrictEqual(summarize([1_000, undefined, 3_000]), {
    ...{ total: 3, successful: 2, minMs: 1_000, avgMs: 2_000, maxMs: 3_000 },
    variance: 2,
  });
});
