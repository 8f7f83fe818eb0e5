/** `ping` and `speedtest` as a whole. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type CommandOptions, runToEnd, startCommand } from "../support/command_host.ts";
import { commandTest, commandTestAtEach, type Desk } from "./support.ts";

function run(desk: Desk, args: readonly string[], options: CommandOptions = {}) {
  return runToEnd(args, { ...options, env: { ...desk.env, ...options.env } });
}

const RELAYED = ["--disable-direct-connections", "--wait", "1ms"];

commandTestAtEach(
  "ping over the relay, as many as were asked for, and what they say together",
  async (desk) => {
    const { stdout, stderr, code } = await run(desk, [
      "ping",
      ...RELAYED,
      "-n",
      "2",
      "myworkspace",
    ]);
    strictEqual(code, 0, stderr);
    const pong =
      "pong from myworkspace proxied via DERP\\(Coder Embedded Relay\\) in [\\d.]+m?s\\n";
    match(
      stdout,
      new RegExp(
        `^${pong}${pong}-+\\nWORKSPACE {4}TOTAL {2}SUCCESSFUL {2}MIN .*\\nmyworkspace {2}2 {6}2 .*\\n$`,
      ),
    );
    const [, ruleLine = "", head = ""] = /\n(-+)\n(.*)\n/.exec(stdout) ?? [];
    strictEqual(ruleLine.length, head.length);
    match(stderr, /^✔ preferred DERP region: 999 \(Coder Embedded Relay\)\n/m);
    match(stderr, /^ {4}preferred DERP region: 999 \(Coder Embedded Relay\)\n {4}endpoints: /m);
    match(stderr, /^✔ Wireguard handshake 0s ago\n\n❗ Direct connections are disabled locally/m);
    match(
      stderr,
      /^❗ You are connected via a DERP relay, not directly \(p2p\)\n {3}https:\S+#common-problems-with-direct-connections\n$/m,
    );
  },
);

commandTest(
  "ping for programs, with the time of each, of a workspace that is not there",
  async (desk) => {
    const { stdout } = await run(desk, [
      "ping",
      ...RELAYED,
      "-n",
      "3",
      "-o",
      "json",
      "myworkspace",
    ]);
    const report = JSON.parse(stdout);
    deepStrictEqual([report.workspace, report.total, report.successful], ["myworkspace", 3, 3]);
    deepStrictEqual([report.p2p, report.relay], [false, "Coder Embedded Relay"]);
    strictEqual(report.latencies_ms.length, 3);
    const timed = await run(desk, ["ping", ...RELAYED, "-n", "1", "--utc", "myworkspace"]);
    match(timed.stdout, /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] pong from /);
    const { code, stderr } = await run(desk, ["ping", "-n", "1", "nosuch"]);
    strictEqual(code, 1);
    match(stderr, /^Encountered an error running "hawser ping"/);
  },
);

commandTestAtEach(
  "ping goes on until it is interrupted, and says then what it saw",
  async (desk) => {
    await using run = startCommand(["ping", ...RELAYED, "myworkspace"], { env: desk.env });
    await run.stdout.waitFor(/(pong.*\n){3}/);
    run.raise("SIGINT");
    const { code, stdout } = await run.result();
    strictEqual(code, 0);
    match(stdout, /\nWORKSPACE .*\nmyworkspace .*\n$/);
  },
);

commandTestAtEach("ping says that the agent does not answer any more", async (desk) => {
  await using run = startCommand(["ping", ...RELAYED, "-t", "50ms", "-n", "4", "myworkspace"], {
    env: desk.env,
  });
  await run.stdout.waitFor("pong");
  desk.sandbox.workspace.agent().silence();
  const { code, stdout } = await run.result();
  strictEqual(code, 0);
  ok(stdout.includes('ping to "myworkspace" timed out \n') || /myworkspace {2}4 {6}4/.test(stdout));
});

commandTest("ping does not start a workspace", async (desk) => {
  await desk.sandbox.workspace.buildToEnd("stop");
  const { code, stderr } = await run(desk, ["ping", "-n", "1", "myworkspace"]);
  strictEqual(code, 1, stderr);
  strictEqual(desk.sandbox.workspace.latestBuild.transition, "stop");
});

for (const direction of ["down", "up"]) {
  commandTest(`speedtest ${direction}, as a table and for programs`, async (desk) => {
    const args = ["speedtest", "--disable-direct-connections", "-t", "50ms"];
    const how = [...args, "--direction", direction, "myworkspace"];
    const { stdout, stderr, code } = await run(desk, how);
    strictEqual(code, 0, stderr);
    match(
      stdout,
      /^INTERVAL {7}THROUGHPUT +\n(\d\.\d\d-\d\.\d\d sec {2}[\d.]+ Mbits\/sec +\n)+-+\n0\.00-\d\.\d\d sec {2}[\d.]+ Mbits\/sec +\n$/,
    );
    match(stderr, new RegExp(`Starting a 0s ${direction}load test\\.\\.\\.\\n$`));
    const report = JSON.parse((await run(desk, [...how, "-o", "json"])).stdout);
    strictEqual(report.overall.start_time_seconds, 0);
    ok(report.overall.end_time_seconds > 0 && report.overall.throughput_mbits > 0);
    strictEqual(report.intervals.at(-1).end_time_seconds, report.overall.end_time_seconds);
  });
}

commandTest("speedtest refuses to wait for what it is told not to use", async (desk) => {
  const args = ["speedtest", "-d", "--disable-direct-connections", "myworkspace"];
  const { code, stderr } = await run(desk, args);
  strictEqual(code, 1);
  match(stderr, /--direct \(-d\) is incompatible with --disable-direct-connections/);
});
