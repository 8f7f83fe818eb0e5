/**
 * The whole command against parties that nobody need trust. A new attack is a row: what is done by which party, while a
 * session carries lines to and fro; or what the agent's SSH server does instead of its work, and how the session ends.
 */
import { deepStrictEqual, doesNotMatch, match, strictEqual } from "node:assert/strict";
import { jsonAnswer, type Sandbox, type SshAttack } from "../../lib/sandbox/mod.ts";
import { type DerpMap, derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { createBytePipe, type PipeEnd } from "../support/byte_pipe.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { commandTest, commandTestAtEach, FAR_RELEASES, SHELL } from "./support.ts";

/** Nothing of our own has failed: a mistake of ours would be told so. */
const OWN_FAULT = /internal error|uncaught|TypeError|RangeError|\bat .*\.ts:\d+/i;
const MANY = 400;

const random = new SeededRandom(8);

function bytes(count: number): Uint8Array {
  const into = new Uint8Array(count);
  random.fill(into);
  return into;
}

/** Type, length u32be, payload (coder/tailscale `derp/derp.go`). */
function derpFrame(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + payload.length);
  frame[0] = type;
  new DataView(frame.buffer).setUint32(1, payload.length);
  frame.set(payload, 5);
  return frame;
}

/** The deployment's map, its relays under other names. */
function mapNaming(sandbox: Sandbox, hostName: string): DerpMap {
  const [region] = sandbox.coordinator.derpMap.regions.values();
  if (region === undefined) throw new Error("The sandbox has no relay");
  return derpMapOf([{ ...region, nodes: region.nodes.map((node) => ({ ...node, hostName })) }]);
}

/** What is done to a session that goes on. */
const SURVIVED: Readonly<Record<string, (sandbox: Sandbox) => void>> = {
  "A session goes on beside a coordinator that talks nonsense": ({ hostility }) =>
    hostility.coordinatorSays(bytes(4_096)),
  "A session goes on beside a coordinator that says one byte after another": ({ hostility }) => {
    for (let i = 0; i < MANY; i++) hostility.coordinatorSays(bytes(1));
  },
  "A session goes on beside a coordinator that announces a message of 4 GiB": ({ hostility }) =>
    // Data of the first stream (hashicorp/yamux `spec.md`).
    hostility.coordinatorSays(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255)),
  "A session goes on beside a coordinator that pings without end": ({ hostility }) => {
    for (let i = 0; i < MANY; i++) {
      hostility.coordinatorSays(Uint8Array.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, i & 255));
    }
  },
  "A session goes on beside a coordinator with hundreds of maps, all false, then the true one": (
    sandbox,
  ) => {
    const { derpMap } = sandbox.coordinator;
    const names = Array.from({ length: MANY }, (_, at) => `127.0.1.${at % 250 + 1}`);
    const maps = names.map((name) => mapNaming(sandbox, name));
    sandbox.hostility.coordinatorTellsMaps([...maps, derpMap]);
  },
  "A session goes on beside a relay that writes nonsense": ({ hostility }) =>
    hostility.relayWrites(bytes(4_096)),
  "A session goes on beside a relay that announces a frame of 4 GiB": ({ hostility }) =>
    hostility.relayWrites(Uint8Array.of(5, 255, 255, 255, 255)),
  "A session goes on beside a relay that says of everybody that they are gone": ({ hostility }) => {
    for (let i = 0; i < MANY; i++) hostility.relayWrites(derpFrame(8, bytes(33)));
  },
  "A session goes on beside a relay that pings without end": ({ hostility }) => {
    for (let i = 0; i < MANY; i++) hostility.relayWrites(derpFrame(0x0c, bytes(8)));
  },
  "A session goes on beside a relay that complains in escapes": ({ hostility }) => {
    const words = new TextEncoder().encode("\x1b]52;c;eA==\x07\x1b[2Jnope\nerror: faked");
    hostility.relayWrites(derpFrame(0x14, words));
  },
  "A session goes on beside a relay that brings packets of strangers": ({ hostility }) => {
    for (let i = 0; i < MANY; i++) hostility.relayWrites(derpFrame(5, bytes(32 + 148)));
  },
  "A session goes on beside a relay that brings initiations of strangers": ({ hostility }) => {
    for (let i = 0; i < MANY; i++) {
      const packet = bytes(32 + 148);
      packet.set([1, 0, 0, 0], 32); // a handshake initiation (WireGuard whitepaper §5.4.2)
      hostility.relayWrites(derpFrame(5, packet));
    }
  },
  "A session goes on beside an agent that moves through hundreds of regions": (
    { hostility, workspace },
  ) => {
    const regions = Array.from({ length: MANY }, (_, at) => ({ preferredDerp: at + 1 }));
    hostility.agentClaims(workspace.agent(), [...regions, {}]);
  },
  "A session goes on beside a deployment whose watch of the workspace is another's": (
    { hostility },
  ) => hostility.deploymentAnswers("GET /workspaces/{workspace}", jsonAnswer({ id: "../../x" })),
};

for (const [what, attack] of Object.entries(SURVIVED)) {
  commandTestAtEach(
    what,
    async (desk) => {
      await using run = desk.start(["-v", "myworkspace", "cat"]);
      await run.type("before\n");
      await run.stdout.waitFor("before\n");
      attack(desk.sandbox);
      await run.type("after\n");
      await run.stdout.waitFor("before\nafter\n");
      await run.typeEnd();
      const { code, stderr } = await run.result();
      strictEqual(code, 0, stderr);
      doesNotMatch(stderr, OWN_FAULT);
      // deno-lint-ignore no-control-regex
      doesNotMatch(stderr.replaceAll("\r\x1b[K", ""), /\x1b|^error: faked/m);
    },
    {},
    FAR_RELEASES,
  );
}

/** Another key is another start of the agent: its sessions are gone, and the next one finds it again. */
const REPLACED: Readonly<Record<string, (sandbox: Sandbox) => void>> = {
  "changes its keys hundreds of times": ({ hostility, workspace }) => {
    const keys = Array.from({ length: MANY }, () => ({ key: bytes(32), disco: bytes(32) }));
    hostility.agentClaims(workspace.agent(), [...keys, {}]);
  },
  "claims a key of which nothing can come": ({ hostility, workspace }) =>
    hostility.agentClaims(workspace.agent(), [{ key: new Uint8Array(32) }, {}]),
};

for (const [what, attack] of Object.entries(REPLACED)) {
  commandTestAtEach(
    `An agent that ${what} ends the session, said aloud`,
    async (desk) => {
      await using run = desk.start(["myworkspace", "cat"]);
      await run.type("before\n");
      await run.stdout.waitFor("before\n");
      attack(desk.sandbox);
      const { code, stderr } = await run.result();
      strictEqual(code, 255);
      strictEqual(
        stderr,
        "SSH connection ended unexpectedly\n  The workspace agent was restarted\n",
      );
      deepStrictEqual((await desk.run(["myworkspace", "echo", "again"])).stdout, "again\n");
    },
    {},
    FAR_RELEASES,
  );
}

function attackedBy(attack: SshAttack) {
  return { workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, attack }] }] };
}

/** Far slower than what comes. */
async function readSlowly(from: PipeEnd): Promise<void> {
  const into = new Uint8Array(4_096);
  while (await from.read(into) !== null) await new Promise((resolve) => setTimeout(resolve));
}

commandTest("A workspace that ignores the window ends the session, said aloud", async (desk) => {
  const [ours, theirs] = createBytePipe();
  await using run = desk.start(["myworkspace", "cat"], { stdin: "", pipe: ours });
  const reading = readSlowly(theirs);
  const { code, stderr } = await run.result();
  await ours.closeWrite();
  await reading;
  strictEqual(code, 255);
  match(stderr, /sends more than it was allowed to \(RFC 4254 §5\.2\)/);
  doesNotMatch(stderr, OWN_FAULT);
}, attackedBy({ kind: "ignoresWindow", bytes: 16 * 1024 * 1024, to: "stdout" }));

commandTest(
  "A workspace that sends what is no packet ends the session, said aloud",
  async (desk) => {
    const { code, stderr } = await desk.run(["myworkspace", "cat"]);
    strictEqual(code, 255);
    strictEqual(stderr, "SSH connection ended unexpectedly\n  Bad packet length\n");
  },
  attackedBy({ kind: "nonsense", bytes: 100_000 }),
);

const BORNE: readonly SshAttack[] = [
  { kind: "opensChannels", count: MANY },
  { kind: "asks", count: MANY },
  { kind: "writesToNowhere", count: MANY },
];

for (const attack of BORNE) {
  commandTest(`A workspace that ${attack.kind} without end is borne`, async (desk) => {
    await using run = desk.start(["-v", "myworkspace", "cat"]);
    await run.stderr.waitFor("session started");
    run.raise("SIGTERM");
    const { code, stderr } = await run.result();
    strictEqual(code, 143);
    doesNotMatch(stderr, OWN_FAULT);
    strictEqual(run.stdout.text, "");
  }, attackedBy(attack));
}
