/** `speedtest`: how many bits a second pass between here and a workspace (coder/coder `cli/speedtest.go`). */
import { openAgentPort } from "../ready/connect.ts";
import { SPEED_TEST_PORT } from "../../tailnet/agent_ports.ts";
import { waitForAgent } from "../ready/agent_wait.ts";
import { findDocsUrl } from "../ready/warnings.ts";
import { megabitsPerSecond, runSpeedTest, type SpeedInterval } from "../diagnose/speed_test.ts";
import { refuseBoth, type Way, withTunnel } from "../diagnose/tunnel_to.ts";
import { choiceFlag, durationFlag, switchFlag } from "../grammar/flag.ts";
import { chosenOf, columnFlag, OUTPUT, writeJson } from "../table/output.ts";
import { type Column, renderTable } from "../table/table.ts";
import { writeText } from "../terminal/print.ts";
import { type Surroundings, withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

const MS_PER_SECOND = 1_000;
const DIRECT_POLL_MS = 1_000;

const seconds = (ms: number) => ms / MS_PER_SECOND;

const COLUMNS: readonly Column<SpeedInterval>[] = [
  {
    name: "interval",
    cell: ({ startMs, endMs }) => `${seconds(startMs).toFixed(2)}-${seconds(endMs).toFixed(2)} sec`,
  },
  {
    name: "throughput",
    cell: (interval) => `${megabitsPerSecond(interval).toFixed(4)} Mbits/sec`,
  },
];

const SPEEDTEST = {
  column: columnFlag(COLUMNS, ["interval", "throughput"]),
  direct: switchFlag({
    name: "direct",
    shorthand: "d",
    help: "Wait for a direct connection before the test.",
  }),
  direction: choiceFlag({
    name: "direction",
    words: ["up", "down"],
    initial: "down",
    help: "Which way the bytes go: down to here, or up to the workspace.",
  }),
  output: OUTPUT,
  durationMs: durationFlag({
    name: "time",
    shorthand: "t",
    initial: "5s",
    help: "How long the test takes.",
  }),
};

export const command = defineCommand({
  name: "speedtest",
  usage: "[flags] <workspace>",
  summary: "Measure the speed between here and a workspace.",
  examples: [
    { line: "hawser speedtest dev", does: "Five seconds of download" },
    { line: "hawser speedtest --direction up -t 10s dev", does: "Ten seconds of upload" },
    { line: "hawser speedtest --direct --output json dev", does: "Without a relay, for programs" },
  ],
  flags: SPEEDTEST,
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async (around) => {
      const { host, name, global: { disableDirectConnections }, args: [input = ""] } = asking;
      refuseBoth(flags.direct, disableDirectConnections);
      const { steps } = around;
      const { progress, signal } = steps;
      return await withTunnel(around, {
        command: name,
        input,
        disablesDirect: disableDirectConnections,
        what: "Connecting to the workspace agent",
        onTarget: async ({ agent }) => {
          const docsUrl = await findDocsUrl(steps);
          await waitForAgent(steps, { agentId: agent.id, last: agent, wait: "no", docsUrl });
          if (disableDirectConnections) progress.line("Direct connections disabled.");
        },
      }, async (way) => {
        if (flags.direct) await awaitDirect(around, way);
        const stream = await openAgentPort(steps, way.tunnel, { port: SPEED_TEST_PORT, signal });
        const { direction, durationMs } = flags;
        const what = direction === "down" ? "download" : "upload";
        progress.line(`Starting a ${Math.trunc(seconds(durationMs))}s ${what} test...`);
        const { intervals, overall } = await runSpeedTest(stream, {
          direction,
          durationMs,
          now: () => host.clock.now(),
          fill: (bytes) => host.random.fill(bytes),
          signal,
        });
        if (flags.output === "json") {
          const wire = { overall: wireOf(overall), intervals: intervals.map(wireOf) };
          await writeJson(host, wire);
          return 0;
        }
        const columns = chosenOf(COLUMNS, flags.column);
        const lines = renderTable([...intervals, overall], { columns, width: undefined })
          .slice(0, -1).split("\n");
        const rule = "-".repeat((lines[0] ?? "").length);
        const text = [...lines.slice(0, -1), rule, lines.at(-1) ?? ""].join("\n");
        await writeText(host.stdout, `${text}\n`);
        return 0;
      });
    }),
});

function wireOf(interval: SpeedInterval) {
  return {
    start_time_seconds: seconds(interval.startMs),
    end_time_seconds: seconds(interval.endMs),
    throughput_mbits: megabitsPerSecond(interval),
  };
}

/** Until a ping takes the direct way; says over which it goes meanwhile. */
async function awaitDirect({ steps }: Surroundings, { tunnel }: Way): Promise<void> {
  const { host, progress, signal } = steps;
  for (;;) {
    await host.clock.sleep(DIRECT_POLL_MS, signal);
    const pong = await tunnel.ping();
    if (pong === undefined) continue;
    const ms = Math.trunc(pong.latencyMs);
    if (pong.isDirect) return progress.line(`${ms}ms via direct`);
    progress.line(`Waiting for a direct connection... (${ms}ms via ${pong.relay})`);
  }
}
