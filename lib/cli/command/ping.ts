/** `ping`: round trips to a workspace's agent, and the way that they take (coder/coder `cli/ping.go`). */
import { untilAborted } from "../../base/abort.ts";
import { formatGoDuration } from "../../base/duration.ts";
import type { Host } from "../../base/host.ts";
import type { PingResult } from "../../base/tunnel.ts";
import { type LatencySummary, summarize } from "../diagnose/latency_summary.ts";
import { type Way, withTunnel } from "../diagnose/tunnel_to.ts";
import { directLines, wayLines } from "../diagnose/way_report.ts";
import { countFlag, durationFlag, switchFlag } from "../grammar/flag.ts";
import { findDocsUrl } from "../ready/warnings.ts";
import { derpMapFromJson } from "../../tailnet/derp_map_json.ts";
import { OUTPUT, writeJson } from "../table/output.ts";
import { type Column, renderTable } from "../table/table.ts";
import { localRfc3339 } from "../terminal/local_time.ts";
import { writeText } from "../terminal/print.ts";
import { type Surroundings, withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

const PING = {
  count: countFlag({
    name: "num",
    shorthand: "n",
    initial: 0,
    help: "How many pings to send; until interrupted by default.",
  }),
  output: OUTPUT,
  showsTime: switchFlag({ name: "time", help: "Show when each answer came, in local time." }),
  timeoutMs: durationFlag({
    name: "timeout",
    shorthand: "t",
    initial: "5s",
    help: "How long to wait for an answer.",
  }),
  showsUtc: switchFlag({
    name: "utc",
    help: "Show when each answer came, in UTC (implies --time).",
  }),
  waitMs: durationFlag({ name: "wait", initial: "1s", help: "How long to wait between pings." }),
};

export const command = defineCommand({
  name: "ping",
  usage: "[flags] <workspace>",
  summary: "Ping a workspace and show the way to it.",
  description: "Sends pings to a workspace's agent, and says whether they go directly or over a " +
    "relay. A workspace that is stopped is not started.",
  examples: [
    { line: "hawser ping dev", does: "Until Ctrl-C" },
    { line: "hawser ping -n 3 dev", does: "Three of them" },
    { line: "hawser ping -n 10 --output json dev", does: "For programs" },
  ],
  flags: PING,
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async (around) => {
      const { host, name, global: { disableDirectConnections }, args: [input = ""] } = asking;
      const docsUrl = findDocsUrl(around.steps);
      docsUrl.catch(() => {}); // told when it is needed
      return await withTunnel(around, {
        command: name,
        input,
        disablesDirect: disableDirectConnections,
        what: "Collecting diagnostics",
      }, async (way) => {
        const helpUrl = `${await docsUrl}/admin/networking/troubleshooting`;
        const pinger = new Pinger(around, { way, host, input, flags });
        return await pinger.run({ disabledHere: disableDirectConnections, helpUrl });
      });
    }),
});

interface PingerOptions {
  readonly way: Way;
  readonly host: Host;
  /** The workspace as typed: what scripts look for. */
  readonly input: string;
  readonly flags: {
    readonly count: number;
    readonly output: "table" | "json";
    readonly showsTime: boolean;
    readonly showsUtc: boolean;
    readonly timeoutMs: number;
    readonly waitMs: number;
  };
}

class Pinger {
  readonly #around: Surroundings;
  readonly #options: PingerOptions;
  readonly #latencies: (number | undefined)[] = [];
  #last: PingResult | undefined;
  #wasDirect = false;

  constructor(around: Surroundings, options: PingerOptions) {
    this.#around = around;
    this.#options = options;
  }

  async run(
    { disabledHere, helpUrl }: { readonly disabledHere: boolean; readonly helpUrl: string },
  ): Promise<number> {
    const { steps: { progress, signal } } = this.#around;
    const { way, host, flags } = this.#options;
    // The first one is not counted: it wakes the way up.
    const first = await way.tunnel.ping(flags.timeoutMs);
    signal.throwIfAborted();
    this.#wasDirect = first?.isDirect ?? false;
    const lines = [
      ...wayLines(await way.tunnel.diagnostics()),
      "",
      ...directLines({
        isDirect: this.#wasDirect,
        disabledHere,
        disabledByDeployment: way.info.disableDirectConnections,
        map: derpMapFromJson(way.info.derpMap),
        helpUrl,
      }),
    ];
    if (lines.at(-1) !== "") lines.push("");
    for (const line of lines) progress.line(line);
    await this.#pingAll(host.clock.now());
    this.#tellWay(helpUrl);
    await this.#tellSummary();
    return 0;
  }

  /** Until as many were sent as were asked for, or the signal ends it. */
  async #pingAll(startedAt: number): Promise<void> {
    const { steps: { signal } } = this.#around;
    const { host, flags, way } = this.#options;
    for (let sent = 0; flags.count === 0 || sent < flags.count; sent++) {
      let result: PingResult | undefined;
      try {
        if (sent > 0) await host.clock.sleep(flags.waitMs, signal);
        result = await untilAborted(way.tunnel.ping(flags.timeoutMs), signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      this.#latencies.push(result?.latencyMs);
      if (result !== undefined) this.#last = result;
      if (flags.output === "table") await this.#tell(result, host.clock.now() - startedAt);
    }
  }

  async #tell(result: PingResult | undefined, elapsedMs: number): Promise<void> {
    const { host, input } = this.#options;
    if (result === undefined) {
      await writeText(host.stdout, `ping to ${JSON.stringify(input)} timed out \n`);
      return;
    }
    if (result.isDirect && !this.#wasDirect) {
      this.#wasDirect = true;
      const since = formatGoDuration(Math.round(elapsedMs));
      await writeText(host.stdout, `p2p connection established in ${since}\n`);
    }
    const via = result.isDirect
      ? `p2p via ${result.endpoint}`
      : `proxied via DERP(${result.relay})`;
    const took = formatGoDuration(Math.round(result.latencyMs));
    await writeText(host.stdout, `${this.#time()}pong from ${input} ${via} in ${took}\n`);
  }

  #time(): string {
    const { host: { clock }, flags } = this.#options;
    const wallMs = clock.wallMs();
    if (flags.showsUtc) return `[${new Date(wallMs).toISOString().slice(0, -5)}Z] `;
    return flags.showsTime ? `[${localRfc3339(clock, wallMs)}] ` : "";
  }

  #tellWay(helpUrl: string): void {
    const { steps: { progress } } = this.#around;
    if (this.#last === undefined) return;
    if (this.#last.isDirect) {
      const isPrivate = isPrivateEndpoint(this.#last.endpoint ?? "");
      const where = isPrivate ? ", over a private network" : "";
      return progress.line(`✔ You are connected directly (p2p)${where}`);
    }
    progress.line("❗ You are connected via a DERP relay, not directly (p2p)");
    progress.line(`   ${helpUrl}#common-problems-with-direct-connections`);
  }

  async #tellSummary(): Promise<void> {
    const { host, input, flags } = this.#options;
    const summary = summarize(this.#latencies);
    if (flags.output === "json") {
      await writeJson(host, {
        workspace: input,
        total: summary.total,
        successful: summary.successful,
        min_ms: summary.minMs ?? null,
        avg_ms: summary.avgMs ?? null,
        max_ms: summary.maxMs ?? null,
        variance_s2: summary.variance ?? null,
        latencies_ms: this.#latencies.map((ms) => ms ?? null),
        p2p: this.#last?.isDirect ?? false,
        endpoint: this.#last?.endpoint ?? null,
        relay: this.#last?.relay ?? null,
      });
      return;
    }
    const table = renderTable([{ input, summary }], { columns: COLUMNS, width: undefined });
    const rule = "-".repeat((table.split("\n", 1)[0] ?? "").length);
    await writeText(host.stdout, `${rule}\n${table}`);
  }
}

interface SummaryRow {
  readonly input: string;
  readonly summary: LatencySummary;
}

const durationCell = (ms: number | undefined) => ms === undefined ? "" : formatGoDuration(ms);
const MS_PER_SECOND = 1_000;

const COLUMNS: readonly Column<SummaryRow>[] = [
  { name: "workspace", cell: ({ input }) => input },
  { name: "total", cell: ({ summary }) => String(summary.total) },
  { name: "successful", cell: ({ summary }) => String(summary.successful) },
  { name: "min", cell: ({ summary }) => durationCell(summary.minMs) },
  { name: "avg", cell: ({ summary }) => durationCell(summary.avgMs) },
  { name: "max", cell: ({ summary }) => durationCell(summary.maxMs) },
  {
    name: "variance",
    // Square seconds, shown as seconds: as upstream shows them.
    cell: ({ summary }) =>
      durationCell(summary.variance === undefined ? undefined : summary.variance * MS_PER_SECOND),
  },
];

/** RFC 1918 and RFC 4193, as Go's `IsPrivate`. */
function isPrivateEndpoint(endpoint: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[f[cd])/.test(endpoint);
}
