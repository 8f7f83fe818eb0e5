/** What real servers of three ages said, where the recordings are at hand (`../shared/captures`). */
import assert from "node:assert/strict";
import * as v from "valibot";
import { fromHex } from "../../lib/base/bytes.ts";
import { AGENT } from "../../lib/coder/agent_model.ts";
import { getConnectionInfo } from "../../lib/coder/agents.ts";
import { getBuildInfo, getSshSettings } from "../../lib/coder/deployment.ts";
import { ApiError } from "../../lib/coder/errors.ts";
import { AGENT_LOG, BUILD_LOG, parseAgentLogs, parseBuildLog } from "../../lib/coder/log_stream.ts";
import { getListeningPorts } from "../../lib/coder/ports.ts";
import { EventStreamParser } from "../../lib/coder/sse.ts";
import { BUILD, WORKSPACE, WORKSPACE_LIST } from "../../lib/coder/workspace_model.ts";
import { getMe } from "../support/get_me.ts";
import { derpMapFromJson } from "../../lib/tailnet/derp_map_json.ts";
import { CAPTURES, parseWire } from "../support/captures.ts";
import { fakeSteps } from "../support/fake_steps.ts";

const VERSIONS = ["coder-v2.36.0", "coder-v2.5.1", "coder-v0.24.0"];

const EXCHANGE = v.object({
  request: v.object({ path: v.string() }),
  response: v.object({
    status: v.number(),
    headers: v.record(v.string(), v.unknown()),
    body: v.unknown(),
  }),
});

async function capture(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(new URL(path, CAPTURES));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function exchange(path: string) {
  const text = await capture(path);
  return text === undefined ? undefined : v.parse(EXCHANGE, JSON.parse(text));
}

const hasCaptures = await capture("README.md") !== undefined;
const where = hasCaptures ? "" : " (skipped: ../shared/captures is not here)";

Deno.test({
  name: `Recorded answers of three servers are understood${where}`,
  ignore: !hasCaptures,
  async fn(t) {
    const schemas: Record<string, v.GenericSchema> = {
      "workspace-dev": WORKSPACE,
      "workspace-slow": WORKSPACE,
      "workspace-stopped": WORKSPACE,
      "workspace-agent-connecting": WORKSPACE,
      "workspace-agent-disconnected": WORKSPACE,
      "workspaces-list": WORKSPACE_LIST,
      "build": BUILD,
      "build-stop": BUILD,
      "build-create-start-201": BUILD,
      "agent": AGENT,
      "agent-connecting": AGENT,
      "agent-disconnected": AGENT,
      "agent-of-old-build": AGENT,
      "agent-logs": v.array(AGENT_LOG),
      "agent-startup-logs": v.array(AGENT_LOG),
      "build-logs": v.array(BUILD_LOG),
    };
    for (const version of VERSIONS) {
      for (const [name, schema] of Object.entries(schemas)) {
        const found = await exchange(`${version}/http/${name}.json`);
        if (found === undefined || found.response.status >= 300) continue;
        await t.step(`${version} ${name}`, () => {
          v.parse(schema, found.response.body);
        });
      }
    }
  },
});

Deno.test({
  name: `--wait=auto reads what each server has (docs/protocol/ssh.md#wait)${where}`,
  ignore: !hasCaptures,
  async fn() {
    for (const version of VERSIONS) {
      const slow = await exchange(`${version}/http/workspace-slow.json`);
      const dev = await exchange(`${version}/http/workspace-dev.json`);
      const blocks = [slow, dev].map((found) =>
        v.parse(WORKSPACE, found?.response.body).latestBuild.agents[0]?.startBlocksLogin
      );
      assert.deepEqual(blocks, [true, false], version);
    }
  },
});

Deno.test({
  name: `Recorded refusals become ApiErrors with their message${where}`,
  ignore: !hasCaptures,
  async fn(t) {
    for (const version of VERSIONS) {
      for (const name of ["workspace-404", "users-me-401-bad", "agent-400", "build-create-409"]) {
        const found = await exchange(`${version}/http/${name}.json`);
        if (found === undefined) continue;
        await t.step(`${version} ${name}`, async () => {
          using fake = fakeSteps();
          fake.coder.routes.set("GET /users/me", () => ({
            status: found.response.status,
            body: found.response.body,
          }));
          await assert.rejects(getMe(fake.steps.client), (error) => {
            assert.ok(error instanceof ApiError);
            assert.equal(error.status, found.response.status);
            assert.equal(error.apiMessage, Reflect.get(Object(found.response.body), "message"));
            return true;
          });
        });
      }
    }
  },
});

Deno.test({
  name: `A recorded connection info gives the relay map${where}`,
  ignore: !hasCaptures,
  async fn(t) {
    for (const version of VERSIONS) {
      for (const name of ["agent-connection", "agent-connection-generic"]) {
        const found = await exchange(`${version}/http/${name}.json`);
        if (found === undefined || found.response.status >= 300) continue;
        await t.step(`${version} ${name}`, async () => {
          using fake = fakeSteps();
          const answer = () => ({ body: found.response.body });
          fake.coder.routes.set("GET /workspaceagents/a/connection", answer);
          const info = await getConnectionInfo(fake.steps.client, "a");
          assert.equal(info.hostnameSuffix, version === "coder-v2.36.0" ? "coder" : "");
          assert.ok(!info.derpForceWebsockets && !info.disableDirectConnections);
          const regions = [...derpMapFromJson(info.derpMap).regions.values()];
          assert.deepEqual(
            regions.map((region) => [region.id, region.embeddedRelay, region.nodes.length]),
            [[999, true, 1]],
          );
          assert.ok((regions[0]?.nodes[0]?.derpPort ?? 0) > 0);
        });
      }
    }
  },
});

Deno.test({
  name: `What recorded deployments say of themselves, and of ports, is understood${where}`,
  ignore: !hasCaptures,
  async fn(t) {
    for (const version of VERSIONS) {
      const answerOf = async (name: string) => {
        const found = await exchange(`${version}/http/${name}.json`);
        return () => ({ body: found?.response.body });
      };
      await t.step(version, async () => {
        using fake = fakeSteps();
        const { client } = fake.steps;
        fake.coder.routes.set("GET /buildinfo", await answerOf("buildinfo"));
        fake.coder.routes.set("GET /deployment/ssh", await answerOf("deployment-ssh"));
        const path = "GET /workspaceagents/a/listening-ports";
        fake.coder.routes.set(path, await answerOf("agent-listening-ports"));
        const info = await getBuildInfo(client);
        assert.deepEqual([`coder-${info.version}`, info.isWorkspaceProxy], [version, false]);
        const { hostnamePrefix } = await getSshSettings(client);
        assert.equal(hostnamePrefix, "coder.");
        assert.ok(Array.isArray(await getListeningPorts(client, "a")));
      });
    }
  },
});

Deno.test({
  name: `Recorded streams of logs are read line by line${where}`,
  ignore: !hasCaptures,
  async fn(t) {
    const names = [
      ...["build-logs-follow", "agent-logs-follow", "agent-logs-follow-cli"],
      "agent-startup-logs-follow",
    ];
    for (const version of VERSIONS) {
      for (const name of names) {
        const text = await capture(`${version}/wire/${name}.jsonl`);
        if (text === undefined) continue;
        await t.step(`${version} ${name}`, () => {
          const said = parseWire(text).filter(({ dir, opcode }) => dir === "<" && opcode === 1)
            .map(({ hex = "" }) => new TextDecoder().decode(fromHex(hex)));
          // That one was refused: the route came later.
          if (version === "coder-v0.24.0" && name === "agent-logs-follow") {
            return assert.deepEqual(said, []);
          }
          const isBuild = name.startsWith("build");
          const ids = said.flatMap((message) => {
            const lines = isBuild ? [parseBuildLog(message)] : parseAgentLogs(message);
            return lines.map(({ id }) => id);
          });
          assert.ok(ids.length > 0);
          assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
        });
      }
    }
  },
});

Deno.test({
  name: `A recorded watch stream shows a stop and a start${where}`,
  ignore: !hasCaptures,
  async fn() {
    for (const version of VERSIONS) {
      const text = await capture(`${version}/http/workspace-watch-stop-start.sse`);
      const parser = new EventStreamParser();
      parser.handleBytes(new TextEncoder().encode(text ?? ""));
      const states = new Set<string>();
      for (let event = parser.pollEvent(); event !== undefined; event = parser.pollEvent()) {
        if (event.type !== "data") continue;
        states.add(v.parse(WORKSPACE, JSON.parse(event.data)).latestBuild.status);
      }
      for (const state of ["running", "stopped"]) {
        assert.ok(states.has(state), `${version} ${state}`);
      }
    }
  },
});
