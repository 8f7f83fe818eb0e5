/**
 * `hawser ssh` where agent and server are of different ages: a workspace that was started before its server was upgraded, or one
 * that outlived the way back. Only pairs that find each other: agents of before v2.8 and servers from there on have no
 * common protocol, and agents of v2.5 do not get along with a server of v0.24.
 */
import { deepStrictEqual, match, notStrictEqual, strictEqual } from "node:assert/strict";
import { addressOfUuid, LEGACY_AGENT_ADDRESS, parseUuid } from "../../lib/tailnet/address.ts";
import { identityOf } from "../../lib/sandbox/agent/release.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { commandTest, type Desk, SHELL, TERMINAL } from "./support.ts";

interface Pair {
  readonly server: string;
  readonly agent: string;
  /** Whether the agent is reached at the address that its UUID gives. */
  readonly hasUuidAddress: boolean;
}

const PAIRS: readonly Pair[] = [
  { server: "v2.5.1", agent: "v0.24.0", hasUuidAddress: false },
  { server: "v2.5.1", agent: "v0.26.2", hasUuidAddress: true },
  { server: "v0.26.2", agent: "v0.24.0", hasUuidAddress: false },
  { server: "v2.36.0", agent: "v2.8.0", hasUuidAddress: true },
  { server: "v2.36.0", agent: "v2.15.0", hasUuidAddress: true },
  { server: "v2.8.0", agent: "v2.36.0", hasUuidAddress: true },
  { server: "v2.11.0", agent: "v2.8.0", hasUuidAddress: true },
];

function testOfPairs(name: string, body: (desk: Desk, pair: Pair) => Promise<void>): void {
  for (const pair of PAIRS) {
    const { server, agent: version } = pair;
    commandTest(`agent ${version}, server ${server}: ${name}`, (desk) => body(desk, pair), {
      settings: { version: server },
      workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, version }] }],
    });
  }
}

testOfPairs(
  "a command, and a shell that is ended by a restart of the agent",
  async (desk, pair) => {
    const { stdout, code } = await desk.run(["myworkspace", "--", "echo in; exit 7"]);
    deepStrictEqual({ stdout, code }, { stdout: "in\n", code: 7 });
    const agent = desk.sandbox.workspace.agent();
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stdout.waitFor(/[$#] $/);
    await agent.restart({ graceful: true });
    notStrictEqual((await run.result()).code, 0);
    strictEqual((await desk.run(["myworkspace", "echo again"])).stdout, "again\n");
    // Which of its addresses the agent has is what the test is about.
    const uuid = parseUuid(agent.id) ?? new Uint8Array();
    const { addresses } = identityOf(uuid, { version: pair.agent, random: new SeededRandom(1) });
    const wanted = pair.hasUuidAddress ? addressOfUuid(uuid) : new Uint8Array(LEGACY_AGENT_ADDRESS);
    deepStrictEqual(addresses[0], wanted);
  },
);

testOfPairs("a session outlives a restart of the server, --stdio too", async (desk) => {
  const { coordinator } = desk.sandbox;
  await using shell = desk.start(["myworkspace", "echo begun; read line; echo got $line"]);
  await using pipe = desk.start(["--stdio", "myworkspace"]);
  await shell.stdout.waitFor("begun");
  await pipe.stdout.waitFor(/^SSH-2\.0-.*\r\n/);
  coordinator.restart();
  await coordinator.until(() => coordinator.peerCount === 3);
  await shell.type("it\n");
  await shell.stdout.waitFor("got it");
  strictEqual((await shell.result()).code, 0);
  await pipe.typeEnd();
  deepStrictEqual((await pipe.result()).stderr, "");
});

testOfPairs(
  "a host key is pinned if the agent keeps it, whatever its server is",
  async (desk, pair) => {
    const folder = await Deno.makeTempDir({ prefix: "hawser-mixed-" });
    const flags = ["--known-hosts", `${folder}/known`, "--host-key-check=accept-new"];
    try {
      for (let start = 0; start < 2; start++) {
        const { stdout, code } = await desk.run([...flags, "myworkspace", "echo in"]);
        deepStrictEqual({ stdout, code }, { stdout: "in\n", code: 0 });
        await desk.sandbox.workspace.agent().restart();
      }
      const isPinned = pair.agent === "v2.36.0";
      const text = await Deno.readTextFile(`${folder}/known`).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        return "";
      });
      match(text, isPinned ? / ssh-ed25519 / : /^$/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
