import { deepStrictEqual, ok } from "node:assert/strict";
import * as v from "valibot";
import { autostopLockPath, AutostopWatch } from "../../../../lib/cli/session/autostop/watch.ts";
import { HostError } from "../../../../lib/base/host.ts";
import { WORKSPACE } from "../../../../lib/coder/workspace_model.ts";
import { apiFailure, silence } from "../../../support/fake_coder.ts";
import { IDS, wireBuild, wireWorkspace } from "../../../support/fake_coder_objects.ts";
import { fakeSteps, type FakeSurroundings } from "../../../support/fake_steps.ts";
import { WALL_START_MS } from "../../../support/jumping_clock.ts";

const MINUTE_MS = 60_000;
const LOCK = `/tmp/coder-autostop-notify-${IDS.workspace}`;
const GET = `GET /workspaces/${IDS.workspace}`;

function wireWithDeadline(minutes: number | undefined) {
  const deadline = minutes === undefined
    ? null
    : new Date(WALL_START_MS + minutes * MINUTE_MS).toISOString();
  // No autostop of the user's own: the template's requirement alone (docs/protocol/api.md#autostop-fields).
  return wireWorkspace({ ttl_ms: null, latest_build: wireBuild({ deadline }) });
}

interface Watched extends FakeSurroundings {
  readonly watch: AutostopWatch;
  /** `minute: title` of each notice. */
  readonly seen: string[];
  /** Minutes at which the workspace was asked for. */
  readonly polls: number[];
}

/** Runs a watch until `minutes` of the fake clock have passed, with what `during` does. */
async function watchFor(
  minutes: number,
  options: {
    readonly deadline?: number | undefined;
    readonly pollIntervalMs?: number;
    readonly before?: (surroundings: FakeSurroundings) => void;
    readonly during?: (watched: Watched) => void;
  },
): Promise<Watched> {
  const surroundings = fakeSteps();
  const { coder, host, steps, abort } = surroundings;
  const seen: string[] = [];
  const polls: number[] = [];
  coder.workspace = wireWithDeadline(options.deadline);
  coder.routes.set(GET, () => {
    polls.push(host.clock.now() / MINUTE_MS);
    return { body: coder.workspace };
  });
  options.before?.(surroundings);
  const watch = new AutostopWatch(steps, {
    workspaceId: IDS.workspace,
    ...(options.pollIntervalMs === undefined ? {} : { pollIntervalMs: options.pollIntervalMs }),
    show: ({ title }) => {
      seen.push(`${host.clock.now() / MINUTE_MS}: ${title}`);
      return Promise.resolve("desktop");
    },
    signal: abort.signal,
  });
  const watched: Watched = { ...surroundings, watch, seen, polls };
  options.during?.(watched);
  host.clock.after(minutes * MINUTE_MS, () => abort.abort());
  await watch.ended;
  host.clock.stop();
  return watched;
}

Deno.test("AutostopWatch asks at once and each minute, and tells half an hour ahead and at the end", async () => {
  const { seen, polls } = await watchFor(43, { deadline: 40 });
  deepStrictEqual(seen, [
    "10: Workspace myworkspace stopping soon",
    "39: Workspace myworkspace stopping!",
  ]);
  deepStrictEqual(polls.slice(0, 4), [0, 1, 2, 3]);
});

Deno.test("AutostopWatch honours the poll interval and still tells in time, after one more look", async () => {
  const { seen, polls } = await watchFor(45, { deadline: 40, pollIntervalMs: 25 * MINUTE_MS });
  deepStrictEqual(seen, [
    "10: Workspace myworkspace stopping soon",
    "39: Workspace myworkspace stopping!",
  ]);
  deepStrictEqual(polls, [0, 10, 35, 39]);
});

Deno.test("AutostopWatch asks no more than once a second, whatever deadline each answer names", async () => {
  const { seen, polls } = await watchFor(1, {
    deadline: 1,
    before: ({ coder, host }) => {
      const answer = coder.routes.get(GET);
      let i = 0;
      coder.routes.set(GET, (request) => {
        // Due now, due in a moment, long past: never the same minute twice.
        const offset = [0, 0.001, 1.001, -1_000, 30, 30.001][i++ % 6] ?? 0;
        coder.workspace = wireWithDeadline(host.clock.now() / MINUTE_MS + offset + i * 60);
        return answer?.(request) ?? {};
      });
    },
  });
  ok(polls.length <= 61, `${polls.length} polls`);
  ok(seen.length <= 3, seen.join());
});

Deno.test("AutostopWatch asks no more than once a second, and by default when the interval is none", async () => {
  const fast = await watchFor(0.05, { pollIntervalMs: 1 });
  deepStrictEqual(fast.polls.map((minute) => Math.round(minute * 60)), [0, 1, 2]);
  const none = await watchFor(2.5, { pollIntervalMs: 0 });
  deepStrictEqual(none.polls, [0, 1, 2]);
});

Deno.test("AutostopWatch says nothing when activity moved the deadline between two polls", async () => {
  const { seen } = await watchFor(30, {
    deadline: 40,
    pollIntervalMs: 25 * MINUTE_MS,
    during: ({ coder, host }) =>
      host.clock.after(5 * MINUTE_MS, () => coder.workspace = wireWithDeadline(100)),
  });
  deepStrictEqual(seen, []);
});

Deno.test("AutostopWatch.onWorkspace() learns of a moved deadline at once", async () => {
  const { seen } = await watchFor(10, {
    deadline: 100,
    pollIntervalMs: 60 * MINUTE_MS,
    during: ({ coder, host, watch }) =>
      host.clock.after(5 * MINUTE_MS, () => {
        coder.workspace = wireWithDeadline(20);
        watch.onWorkspace(v.parse(WORKSPACE, coder.workspace));
      }),
  });
  deepStrictEqual(seen, ["5: Workspace myworkspace stopping soon"]);
});

Deno.test("AutostopWatch holds the lock from its first poll until it ends", async () => {
  let wasHeld = false;
  const { host } = await watchFor(3, {
    during: ({ host }) => host.clock.after(MINUTE_MS, () => wasHeld = host.files.locked.has(LOCK)),
  });
  ok(wasHeld);
  deepStrictEqual([...host.files.locked], []);
});

Deno.test("AutostopWatch leaves the telling to whoever holds the lock and takes over when that one is gone", async () => {
  const { seen, polls } = await watchFor(10, {
    deadline: 20,
    before: ({ host }) => host.files.locked.add(LOCK),
    during: ({ host, watch, coder }) => {
      host.clock.after(
        2.5 * MINUTE_MS,
        () => watch.onWorkspace(v.parse(WORKSPACE, coder.workspace)),
      );
      host.clock.after(4.5 * MINUTE_MS, () => host.files.locked.delete(LOCK));
    },
  });
  deepStrictEqual(polls, [5, 6, 7, 8, 9]);
  deepStrictEqual(seen, ["5: Workspace myworkspace stopping soon"]);
});

Deno.test("AutostopWatch ends at once while another holds the lock", async () => {
  const { host, polls } = await watchFor(0, { before: ({ host }) => host.files.locked.add(LOCK) });
  deepStrictEqual(polls, []);
  deepStrictEqual(host.clock.now(), 0);
  deepStrictEqual([...host.files.locked], [LOCK]);
});

Deno.test("AutostopWatch ends at once in the middle of a request", async () => {
  const { host } = await watchFor(0, { before: ({ coder }) => coder.routes.set(GET, silence) });
  deepStrictEqual(host.clock.now(), 0);
  deepStrictEqual([...host.files.locked], []);
});

Deno.test("AutostopWatch tells regardless where no lock file can be made", async () => {
  const { seen } = await watchFor(5, {
    deadline: 20,
    before: ({ host }) =>
      host.files.broken.set("/tmp", new HostError("read-only", "read-only file system")),
  });
  deepStrictEqual(seen, ["0: Workspace myworkspace stopping soon"]);
});

Deno.test("AutostopWatch outlives a control plane that is away, and tells what it knew", async () => {
  const { seen } = await watchFor(15, {
    deadline: 40,
    during: ({ coder, host }) =>
      host.clock.after(2 * MINUTE_MS, () => coder.routes.set(GET, () => apiFailure(502, "gone"))),
  });
  deepStrictEqual(seen, ["10: Workspace myworkspace stopping soon"]);
});

Deno.test("autostopLockPath() is the official command's (docs/protocol/ssh.md#autostop-notice)", () => {
  const path = autostopLockPath({ os: "windows", tempDir: "C:\\Temp" }, "a1");
  deepStrictEqual(path, "C:\\Temp\\coder-autostop-notify-a1");
});
