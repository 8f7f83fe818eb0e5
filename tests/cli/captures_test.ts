/** What the official command printed on a real deployment, line for line, where the recordings are at hand. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { waitForAgent } from "../../lib/cli/ready/agent_wait.ts";
import { waitForBuild } from "../../lib/cli/ready/build_wait.ts";
import { CAPTURES } from "../support/captures.ts";
import { FakeTextStream } from "../support/fake_coder.ts";
import { fakeSteps } from "../support/fake_steps.ts";
import type { Wire } from "../support/fake_coder_objects.ts";

/** In the words that all commands of ours print, those of v2.36: the hint came with v2.14. */
const RELEASES = ["v2.36.0", "v2.5.1"];
// deno-lint-ignore no-control-regex -- the language of terminals
const COLOR = /\x1b\[\d*m/g;
const HINT = /^==> ℹ︎ To connect immediately, /;

/** Without times, and without the colours of a log, which we do not show. */
function timeless(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.replace(/^[\d-]{10} [\d:.]{12}Z /, "").replace(/ \[\d+ms\]$/, "").replaceAll(COLOR, "")
  );
}

async function capture(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(new URL(`coder-${path}`, CAPTURES));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const OBJECT = v.record(v.string(), v.unknown());
const RESOURCES = v.array(v.object({ agents: v.array(OBJECT) }));

const EXCHANGE = v.object({ response: v.object({ body: v.unknown() }) });

async function bodyOf<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const text = await capture(`${path}.json`);
  return v.parse(schema, v.parse(EXCHANGE, JSON.parse(text ?? "null")).response.body);
}

for (const release of RELEASES) {
  const stderr = await capture(`${release}/cli/ssh-autostart.stderr.txt`);
  const body = <Schema extends v.GenericSchema>(name: string, schema: Schema) =>
    bodyOf(`${release}/http/${name}`, schema);
  const where = stderr === undefined ? " (skipped: ../shared/captures is not here)" : "";

  Deno.test({
    name:
      `${release}: build and start-up script of a real workspace are told as the official command told them${where}`,
    ignore: stderr === undefined,
    async fn() {
      using fake = fakeSteps();
      const build = await body("build", OBJECT);
      const [resource] = v.parse(RESOURCES, build["resources"]);
      const agent: Wire = { ...resource?.agents[0], status: "connected" };
      const buildLogs = await body("build-logs", v.array(OBJECT));
      const agentLogs = await body("agent-logs", v.array(OBJECT));
      const { clock } = fake.host;

      fake.coder.build = {
        ...build,
        job: { ...v.parse(OBJECT, build["job"]), completed_at: null, status: "running" },
      };
      fake.coder.sockets.set(`/workspacebuilds/${String(build["id"])}/logs`, () => {
        const stream = new FakeTextStream().send(...buildLogs);
        clock.after(100, () => {
          fake.coder.build = build;
          stream.messages.end();
        });
        return stream;
      });
      await waitForBuild(fake.steps, String(build["id"]));

      const id = String(agent["id"]);
      const starting = { ...agent, lifecycle_state: "starting", ready_at: null };
      fake.coder.agent = { ...starting, status: "connecting", first_connected_at: null };
      clock.after(700, () => fake.coder.agent = starting);
      clock.after(1_700, () => fake.coder.agent = agent);
      fake.coder.sockets.set(
        `/workspaceagents/${id}/logs`,
        () => new FakeTextStream().send([], agentLogs.slice(0, 2)),
      );
      fake.coder.routes.set(
        `GET /workspaceagents/${id}/logs`,
        () => ({ body: agentLogs.slice(2) }),
      );
      await waitForAgent(fake.steps, { agentId: id, wait: "auto", docsUrl: "" });

      // The recording begins in the middle of a redrawn queue: compared from where the build ran.
      const expected = (stderr ?? "").trimEnd().split("\n");
      const from = (lines: string[]) =>
        lines.slice(lines.findIndex((line) => line.startsWith("=== ✔ Running")) + 1);
      assert.equal(from(expected).length, release === "v2.5.1" ? 19 : 14);
      const said = from(fake.host.stderr.lines);
      // There the words are of another build than its objects: times differ.
      const isSame = release === "v2.36.0";
      assert.deepEqual(
        isSame ? said : timeless(said.filter((line) => !HINT.test(line))),
        isSame ? from(expected) : timeless(from(expected)),
      );
    },
  });
}
