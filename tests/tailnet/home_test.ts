import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { DerpMap } from "../../lib/tailnet/derp_map.ts";
import { derpMapFromJson } from "../../lib/tailnet/derp_map_json.ts";
import { Home, type HomeEvent } from "../../lib/tailnet/home.ts";

function mapOf(regions: readonly number[], scores: Record<string, number> = {}): DerpMap {
  return derpMapFromJson({
    HomeParams: { RegionScore: scores },
    Regions: Object.fromEntries(regions.map((id) => [
      String(id),
      {
        RegionID: id,
        RegionCode: `r${id}`,
        RegionName: `Region ${id}`,
        Nodes: [{ Name: `n${id}`, RegionID: id, HostName: `relay${id}.test` }],
      },
    ])),
  });
}

function drain(home: Home): HomeEvent[] {
  const events: HomeEvent[] = [];
  for (let event = home.pollEvent(); event; event = home.pollEvent()) events.push(event);
  return events;
}

function kinds(home: Home): string[] {
  return drain(home).map((event) =>
    event.kind === "chosen" ? `chosen ${event.region}` : event.kind
  );
}

Deno.test("Home: the only region is chosen at once, several are measured first", () => {
  const alone = new Home();
  ok(alone.handleMap(mapOf([7]), 0));
  deepStrictEqual(kinds(alone), ["chosen 7"]);
  strictEqual(alone.pollTimeout(), undefined);

  const home = new Home();
  home.handleMap(mapOf([1, 2]), 0);
  deepStrictEqual(kinds(home), ["probe"]);
  home.handleMap(mapOf([1, 2, 3]), 10); // one probe at a time
  deepStrictEqual(kinds(home), []);
  home.handleLatencies(new Map([[1, 30], [2, 10]]));
  deepStrictEqual(kinds(home), ["chosen 2"]);
  strictEqual(home.pollTimeout(), undefined);
});

Deno.test("Home: the administrator's scores weigh what is measured, from the first choice on", () => {
  const home = new Home();
  home.handleMap(mapOf([1, 2], { "2": 5 }), 0);
  home.handleLatencies(new Map([[1, 30], [2, 10]]));
  deepStrictEqual(kinds(home), ["probe", "chosen 1"]);
});

Deno.test("Home: a probe that says nothing in time is not waited for", () => {
  const home = new Home();
  home.handleMap(mapOf([1, 2]), 0);
  const at = home.pollTimeout();
  home.handleTimeout((at ?? 0) - 1);
  deepStrictEqual(kinds(home), ["probe"]);
  home.handleTimeout(at ?? 0);
  deepStrictEqual(kinds(home), ["chosen 1"]);
});

Deno.test("Home: no relay at all is a failure, a map that loses all of them is not taken", () => {
  const home = new Home();
  ok(home.handleMap(mapOf([]), 0));
  deepStrictEqual(drain(home), [{ kind: "failed", failure: { kind: "noRelay" } }]);
  home.handleMap(mapOf([4]), 1);
  deepStrictEqual(kinds(home), ["chosen 4"]);
  ok(!home.handleMap(mapOf([]), 2));
  deepStrictEqual(kinds(home), []);
  home.handleMap(mapOf([5, 6]), 3); // home left the map: the next is chosen without a wait
  deepStrictEqual(kinds(home), ["chosen 5"]);
});

Deno.test("Home: whose relay does not let us in matters: ours, the agent's, somebody's", () => {
  const failure = { kind: "relayUnreachable", relay: "Region 1", reason: "refused" } as const;
  const made = (): Home => {
    const home = new Home();
    home.handleMap(mapOf([1, 2, 3]), 0);
    home.handleLatencies(new Map([[1, 10], [2, 20]]));
    drain(home);
    return home;
  };
  const ours = made();
  ours.handleUnreachable({ region: 1, reason: "refused" }, undefined);
  deepStrictEqual(drain(ours), [{ kind: "chosen", region: 2 }]);

  const both = made();
  both.handleUnreachable({ region: 1, reason: "refused" }, 1);
  deepStrictEqual(drain(both), [{ kind: "chosen", region: 2 }, { kind: "failed", failure }]);

  const theirs = made();
  theirs.handleUnreachable({ region: 3, reason: "refused" }, 3);
  deepStrictEqual(drain(theirs), [{
    kind: "failed",
    failure: { ...failure, relay: "Region 3" },
  }]);

  const nobodys = made();
  nobodys.handleUnreachable({ region: 3, reason: "refused" }, 2);
  deepStrictEqual(drain(nobodys), []);

  const last = new Home();
  last.handleMap(mapOf([1]), 0);
  drain(last);
  last.handleUnreachable({ region: 1, reason: "refused" }, undefined);
  deepStrictEqual(drain(last), [{ kind: "failed", failure }]);
  last.handleUnreachable({ region: 1, reason: "refused" }, undefined); // it had its chance again
  deepStrictEqual(kinds(last), ["failed"]);
});
