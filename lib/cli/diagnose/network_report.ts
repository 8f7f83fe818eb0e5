/** What a survey of the network means: for people in lines, for programs in the official command's names. */
import type {
  HostProxy,
  NetworkSurvey,
  StunAnswer,
  SurveyedRelay,
} from "../../base/host_network.ts";

export interface NetworkReport {
  readonly survey: NetworkSurvey;
  readonly proxy: HostProxy | undefined;
  /** Why STUN servers were not asked; `undefined` when they were. */
  readonly notAsked: string | undefined;
}

type Family = StunAnswer["family"];

const TITLES: Readonly<Record<Family, string>> = { ipv4: "IPv4", ipv6: "IPv6" };

/** How a network translates the addresses of datagrams, by what servers see of one socket. */
export type Mapping =
  /** Every server sees the same address and port (RFC 4787 §4.1, endpoint-independent). */
  | "same"
  /** Each sees another: no two peers meet by what a server told. */
  | "varies"
  /** There are not two to compare. */
  | "unknown";

export function mappingOf(answers: readonly StunAnswer[]): Mapping {
  const byFamily = (["ipv4", "ipv6"] as const).map((family) =>
    answers.filter((one) => one.family === family)
  );
  if (byFamily.some((ones) => new Set(ones.map(({ seenAs }) => seenAs)).size > 1)) return "varies";
  return byFamily.some(({ length }) => length > 1) ? "same" : "unknown";
}

const MAPPING_WORDS: Readonly<Record<Mapping, string>> = {
  same: "every server sees the same port: direct connections can work",
  varies: "every server sees another port: direct connections work only to peers without such",
  unknown: "not known: it takes two servers that answer",
};

/** Whether a tunnel can go through it. */
export function isOpen(
  { takesUpgrade, takesWebsocket }: Pick<SurveyedRelay, "takesUpgrade" | "takesWebsocket">,
): boolean {
  return takesUpgrade || takesWebsocket;
}

/** What there is where none is. */
export const SHELL_WITHOUT_RELAY =
  "'hawser ssh <workspace>' at a terminal has a shell through it all the same, where websockets pass; commands, files, forwards and editors need a relay";

/** One line each, above the table of relays. */
export function networkLines(
  { survey: { relays, udp }, proxy, notAsked }: NetworkReport,
): string[] {
  return [
    ...udp === undefined
      ? [`UDP: not asked, ${notAsked ?? "switched off"}`]
      : udp.serverCount === 0
      ? ["UDP: not known, the deployment names no STUN server"]
      : udpLines(udp.answers, udp),
    proxy === undefined
      ? "Proxy: none for this deployment"
      : `Proxy: ${proxy.scheme}://${proxy.host}:${proxy.port}, for the API, coordinator and relays`,
    ...relays.some(isOpen) ? [] : [`Web terminal: ${SHELL_WITHOUT_RELAY}`],
  ];
}

/** One line for each relay, the nearest first. */
export function relayLines({ survey: { relays } }: NetworkReport): string[] {
  const word = (passes: boolean) => passes ? "passes" : "does not pass";
  return nearestFirst(relays).map(({ name, latencyMs, takesUpgrade, takesWebsocket }) => {
    const latency = latencyMs === undefined ? "no answer" : `${latencyMs.toFixed(1)} ms`;
    return `Relay ${name}: ${latency}, upgrade ${word(takesUpgrade)}, websocket ${
      word(takesWebsocket)
    }`;
  });
}

function udpLines(
  answers: readonly StunAnswer[],
  udp: { readonly serverCount: number; readonly problems: readonly string[] },
): string[] {
  const servers = new Set(answers.map(({ server }) => server));
  const families = (["ipv4", "ipv6"] as const).map((family) => {
    const nearest = nearestOf(answers, family);
    return nearest === undefined
      ? `${TITLES[family]}: no STUN server answers`
      : `${TITLES[family]}: seen as ${nearest.seenAs} (${nearest.latencyMs.toFixed(1)} ms)`;
  });
  return [
    `UDP: ${servers.size === 0 ? "none" : servers.size} of ${udp.serverCount} STUN servers answer`,
    ...udp.problems.map((problem) => `UDP: ${problem}`),
    ...families,
    ...answers.length === 0 ? [] : [`NAT: ${MAPPING_WORDS[mappingOf(answers)]}`],
  ];
}

function nearestOf(answers: readonly StunAnswer[], family: Family): StunAnswer | undefined {
  return answers.filter((one) => one.family === family)
    .toSorted((a, b) => a.latencyMs - b.latencyMs)[0];
}

const NS_PER_MS = 1_000_000;

/** As `coder netcheck` names these facts; latencies are nanoseconds there (healthsdk `ClientNetcheckReport`). */
export function networkJson({ survey: { relays, udp }, proxy }: NetworkReport): unknown {
  const answers = udp?.answers ?? [];
  const mapping = mappingOf(answers);
  const [preferred] = nearestFirst(relays);
  const answering = relays.filter(({ latencyMs }) => latencyMs !== undefined);
  const latencies = answering.map((
    { id, latencyMs = 0 },
  ) => [id, Math.round(latencyMs * NS_PER_MS)]);
  const isHealthy = relays.some(isOpen);
  return {
    derp: {
      severity: isHealthy ? "ok" : "error",
      healthy: isHealthy,
      regions: Object.fromEntries(
        relays.map(({ id, code, name, latencyMs, takesUpgrade, takesWebsocket }) => [id, {
          healthy: isOpen({ takesUpgrade, takesWebsocket }),
          region: { RegionID: id, RegionCode: code, RegionName: name },
          round_trip_ping_ms: latencyMs === undefined ? null : toMicros(latencyMs),
          takes_upgrade: takesUpgrade,
          takes_websocket: takesWebsocket,
          uses_websocket: !takesUpgrade && takesWebsocket,
        }]),
      ),
      netcheck: {
        UDP: answers.length > 0,
        IPv4: answers.some(({ family }) => family === "ipv4"),
        IPv6: answers.some(({ family }) => family === "ipv6"),
        MappingVariesByDestIP: mapping === "unknown" ? null : mapping === "varies",
        PreferredDERP: preferred?.latencyMs === undefined ? 0 : preferred.id,
        RegionLatency: Object.fromEntries(latencies),
        GlobalV4: nearestOf(answers, "ipv4")?.seenAs ?? "",
        GlobalV6: nearestOf(answers, "ipv6")?.seenAs ?? "",
      },
    },
    stun: {
      asked: udp !== undefined,
      servers: udp?.serverCount ?? 0,
      problems: udp?.problems ?? [],
      answers: answers.map(({ server, family, seenAs, latencyMs }) => ({
        server,
        family,
        seen_as: seenAs,
        latency_ms: toMicros(latencyMs),
      })),
    },
    proxy: proxy ?? null,
  };
}

/** Milliseconds with three digits behind the point. */
function toMicros(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** Those that do not answer are last. */
export function nearestFirst<Relay extends { readonly latencyMs: number | undefined }>(
  relays: readonly Relay[],
): Relay[] {
  return relays.toSorted((a, b) => (a.latencyMs ?? Infinity) - (b.latencyMs ?? Infinity) || 0);
}
