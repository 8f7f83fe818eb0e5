/** What a survey of the network means. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { StunAnswer } from "../../../lib/base/host_network.ts";
import {
  mappingOf,
  nearestFirst,
  networkJson,
  networkLines,
} from "../../../lib/cli/diagnose/network_report.ts";

const answer = (server: string, seenAs: string, latencyMs = 1): StunAnswer => ({
  server,
  seenAs,
  latencyMs,
  family: seenAs.startsWith("[") ? "ipv6" : "ipv4",
});
const A = answer("a:3478", "203.0.113.7:1000", 20.04);
const B = answer("b:3478", "203.0.113.7:1000", 5);
const C = answer("c:3478", "203.0.113.7:1001");
const SIX = answer("a:3478", "[2001:db8::1]:1000");

Deno.test("mappingOf() compares what servers of one family see", () => {
  const rows: readonly (readonly [readonly StunAnswer[], string])[] = [
    [[], "unknown"],
    [[A], "unknown"],
    [[A, SIX], "unknown"],
    [[A, B], "same"],
    [[A, B, C], "varies"],
    [[A, SIX, B], "same"],
  ];
  for (const [answers, mapping] of rows) strictEqual(mappingOf(answers), mapping);
});

Deno.test("networkLines() says what was seen, or why nobody was asked", () => {
  const relays = [
    { id: 9, code: "y", name: "Y", latencyMs: 1.5, takesUpgrade: true, takesWebsocket: true },
  ];
  const of = (udp: Parameters<typeof networkLines>[0]["survey"]["udp"]) =>
    networkLines({ survey: { relays, udp }, proxy: undefined, notAsked: undefined });
  deepStrictEqual(of({ serverCount: 3, answers: [A, B], problems: [] }), [
    "UDP: 2 of 3 STUN servers answer",
    "IPv4: seen as 203.0.113.7:1000 (5.0 ms)",
    "IPv6: no STUN server answers",
    "NAT: every server sees the same port: direct connections can work",
    "Proxy: none for this deployment",
  ]);
  deepStrictEqual(of({ serverCount: 1, answers: [], problems: ["no socket"] }).slice(0, 2), [
    "UDP: none of 1 STUN servers answer",
    "UDP: no socket",
  ]);
  deepStrictEqual(
    of({ serverCount: 0, answers: [], problems: [] })[0],
    "UDP: not known, the deployment names no STUN server",
  );
  const proxy = { scheme: "socks5", host: "proxy.example", port: 1080 } as const;
  deepStrictEqual(
    networkLines({ survey: { relays, udp: undefined }, proxy, notAsked: "behind a proxy" }),
    [
      "UDP: not asked, behind a proxy",
      "Proxy: socks5://proxy.example:1080, for the API, coordinator and relays",
    ],
  );
});

Deno.test("networkJson() has the official command's names, and nanoseconds", () => {
  const relays = [
    {
      id: 2,
      code: "x",
      name: "X",
      latencyMs: undefined,
      takesUpgrade: false,
      takesWebsocket: false,
    },
    { id: 9, code: "y", name: "Y", latencyMs: 1.5, takesUpgrade: false, takesWebsocket: true },
  ];
  const udp = { serverCount: 3, answers: [A, B, C, SIX], problems: [] };
  const json = JSON.parse(JSON.stringify(
    networkJson({ survey: { relays, udp }, proxy: undefined, notAsked: undefined }),
  ));
  deepStrictEqual(json.derp.netcheck, {
    UDP: true,
    IPv4: true,
    IPv6: true,
    MappingVariesByDestIP: true,
    PreferredDERP: 9,
    RegionLatency: { 9: 1_500_000 },
    GlobalV4: "203.0.113.7:1001",
    GlobalV6: "[2001:db8::1]:1000",
  });
  const { healthy, regions } = json.derp;
  deepStrictEqual([healthy, regions["2"].healthy, regions["9"].uses_websocket], [
    true,
    false,
    true,
  ]);
  deepStrictEqual(nearestFirst(relays).map(({ id }) => id), [9, 2]);
});
