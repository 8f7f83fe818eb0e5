/** What becomes of a session whose agent vanished without a word. */
import { deepStrictEqual, rejects } from "node:assert/strict";
import { AgentWatch } from "../../../lib/cli/session/agent_watch.ts";
import { checkJson } from "../../../lib/coder/answer.ts";
import { WORKSPACE, type Workspace } from "../../../lib/coder/workspace_model.ts";
import { IDS, wireAgent, wireBuild, wireWorkspace } from "../../support/fake_coder_objects.ts";
import { FakeHost } from "../../support/fake_host.ts";

const GONE =
  "The workspace agent is gone since 10:00:30: the deployment has lost it, and it does not answer. " +
  "The session is given up after a minute";
const BACK = "The workspace agent answers again";

type Status = "connected" | "disconnected";

function seen(status: Status, agentId: string = IDS.agent): Workspace {
  const resource = { id: "r1", type: "machine", name: "box" };
  const agents = [wireAgent({ id: agentId, status })];
  const build = wireBuild({ resources: [{ ...resource, agents }] });
  return checkJson(WORKSPACE, wireWorkspace({ latest_build: build }), "a workspace");
}

interface Story {
  readonly name: string;
  /** What the deployment says, and when (milliseconds). */
  readonly says: readonly (readonly [atMs: number, status: Status, agentId?: string])[];
  /** Whether a ping at that time is answered. */
  readonly answers: (atMs: number) => boolean;
  readonly lines: readonly (readonly [atMs: number, line: string])[];
  readonly end: readonly [atMs: number, how: string];
}

const OVER_MS = 600_000;

const STORIES: readonly Story[] = [
  {
    name: "an agent that the deployment and we have lost is told once and given up after a minute",
    says: [[30_000, "disconnected"], [40_000, "disconnected"]],
    answers: (at) => at < 30_000,
    lines: [[35_000, GONE]],
    end: [95_000, "gone"],
  },
  {
    name: "an agent that only the deployment has lost is not spoken of",
    says: [[30_000, "disconnected"], [200_000, "connected"]],
    answers: () => true,
    lines: [],
    end: [OVER_MS, "over"],
  },
  {
    name: "an agent that comes back is told, and nothing ends",
    says: [[30_000, "disconnected"], [60_000, "connected"]],
    answers: (at) => at < 30_000 || at >= 50_000,
    lines: [[35_000, GONE], [50_000, BACK]],
    end: [OVER_MS, "over"],
  },
  {
    name: "a second loss is told again and has a minute of its own",
    says: [[30_000, "disconnected"], [60_000, "connected"], [90_000, "disconnected"]],
    answers: (at) => at < 30_000 || (at >= 50_000 && at < 90_000),
    lines: [[35_000, GONE], [50_000, BACK], [95_000, GONE.replace("10:00:30", "10:01:30")]],
    end: [155_000, "gone"],
  },
  {
    name: "one late answer is enough: a relay was being dialled anew",
    says: [[30_000, "disconnected"]],
    answers: (at) => at < 30_000 || at >= 34_000,
    lines: [],
    end: [OVER_MS, "over"],
  },
  {
    name: "another agent is none of ours",
    says: [[30_000, "disconnected", IDS.otherAgent]],
    answers: () => false,
    lines: [],
    end: [OVER_MS, "over"],
  },
];

for (const { name, says, answers, lines, end } of STORIES) {
  Deno.test(`AgentWatch: ${name}`, async () => {
    using host = new FakeHost();
    const { clock } = host;
    const told: (readonly [number, string])[] = [];
    const stop = new AbortController();
    const watch = new AgentWatch({
      agentId: IDS.agent,
      ping: () => answers(clock.now()) ? Promise.resolve({}) : new Promise(() => {}),
      clock,
      say: (line) => told.push([clock.now(), line]),
      signal: stop.signal,
    });
    for (const [atMs, status, agentId] of says) {
      clock.after(atMs, () => watch.onWorkspace(seen(status, agentId)));
    }
    clock.after(OVER_MS, () => stop.abort(new Error("over")));
    const how = await watch.run().catch((error: Error) => error.message);
    deepStrictEqual({ told, end: [clock.now(), how] }, { told: lines, end });
  });
}

Deno.test("AgentWatch ends with its signal, whatever it waits for", async () => {
  using host = new FakeHost();
  const stop = new AbortController();
  const watch = new AgentWatch({
    agentId: IDS.agent,
    ping: () => new Promise(() => {}),
    clock: host.clock,
    say: () => {},
    signal: stop.signal,
  });
  watch.onWorkspace(seen("disconnected"));
  const running = watch.run();
  stop.abort(new Error("over"));
  await rejects(running, /over/);
});
