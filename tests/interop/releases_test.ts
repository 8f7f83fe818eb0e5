/**
 * Servers and agents of former releases, as the Go peer plays them: how one coordinates there, at which address the agent is, and
 * what nobody tells. OpenSSH and a session of the program's own go through all that may happen to them.
 */
import { match, strictEqual } from "node:assert/strict";
import { CHANNELS_CHECKS } from "../live/checks/channels.ts";
import { OPENSSH_CHECKS } from "../live/checks/openssh.ts";
import { STDIO_CHECKS } from "../live/checks/stdio.ts";
import { expectLost, LOST_PIPE, LOST_SESSION, openBoth, OVER } from "./both_sessions.ts";
import { Echoes, expectNextSession, upload } from "./disturbances.ts";
import { registerOnPeer, type Site, siteTest } from "./site.ts";

interface Release {
  readonly server: string;
  /** @default the server's */
  readonly agent?: string;
}

const RELEASES: readonly Release[] = [
  { server: "v0.24.0" },
  { server: "v2.5.1" },
  { server: "v2.5.1", agent: "v0.24.0" },
  { server: "v2.8.0" },
  { server: "v2.36.0", agent: "v2.8.0" },
];

const MAP_SOCKET = "GET /api/v2/derp-map";

for (const { server, agent } of RELEASES) {
  const name = agent === undefined ? server : `${server} with an agent of ${agent}`;
  const flags = ["--release", server, ...(agent === undefined ? [] : ["--agent-release", agent])];
  const isJson = server === "v0.24.0" || server === "v2.5.1";
  const testOf = (what: string, run: (site: Site) => Promise<void>) =>
    siteTest(`${name}: ${what}`, { peer: flags }, run);

  if (agent === undefined && isJson) {
    const options = { peer: flags, version: server };
    registerOnPeer(`${name}, stdio:`, STDIO_CHECKS, options);
    registerOnPeer(`${name}, openssh:`, OPENSSH_CHECKS, options);
    registerOnPeer(`${name}, channels:`, CHANNELS_CHECKS, options);
  }

  testOf(
    "sessions find a direct path, and go on when server and relay restart",
    async ({ desk, peer }) => {
      await using echoes = await Echoes.open(desk);
      await peer.until("a direct path", ({ direct }) => direct);
      for (const command of ["restart-coordinator", "cut-coordinator", "restart-relay"]) {
        const before = await peer.stats();
        await peer.command(command);
        await echoes.answer();
        if (command === "restart-relay") continue;
        await peer.until(
          `both clients are back after ${command}`,
          (now) =>
            now.coordinate_dials >= before.coordinate_dials + 2 && now.coordinate_sockets >= 2,
        );
        await echoes.answer();
      }
      await echoes.end();
      await expectNextSession(desk);
      const { requests, ...counts } = await peer.stats();
      strictEqual(counts.coordinate_json_dials, isJson ? counts.coordinate_dials : 0);
      // The oldest have no such route, and the newest none that is needed.
      strictEqual((requests[MAP_SOCKET] ?? 0) > 0, server === "v2.5.1", JSON.stringify(requests));
    },
  );

  testOf("sessions end with 255 and a line when the agent restarts", async ({ desk, peer }) => {
    const { stdio, own } = await openBoth(desk);
    await using _stdio = stdio;
    await using _own = own;
    await peer.command("restart-agent");
    await expectLost(stdio, LOST_PIPE);
    await expectLost(own, LOST_SESSION);
    await expectNextSession(desk);
  });

  testOf(
    "sessions end when the agent leaves in order, and when the workspace is stopped",
    async ({ desk, peer }) => {
      for (
        const [command, words] of [["restart-agent graceful", LOST_SESSION], [
          "stop-workspace",
          OVER,
        ]] as const
      ) {
        const { stdio, own } = await openBoth(desk);
        await using _stdio = stdio;
        await using _own = own;
        await peer.command(command);
        strictEqual((await stdio.exit()).code, 0);
        await expectLost(own, words);
      }
      const { code, stdout, stderr } = await desk.runProgram([desk.workspace, "echo up"]);
      if (server === "v0.24.0") {
        match(stderr, /workspace must be in start transition to ssh/);
        strictEqual(code, 1);
        return;
      }
      match(stderr, /Workspace was stopped, starting workspace to allow connecting to/);
      strictEqual(stdout, "up\n");
    },
  );

  siteTest(
    `${name}: a transfer over the relay loses nothing when the server restarts`,
    { peer: [...flags, "--relay-only"] },
    async ({ desk, peer }) => {
      const cuts = ["cut-coordinator", "restart-coordinator"].map((line) => () =>
        peer.command(line)
      );
      await upload(desk, cuts);
    },
  );
}
