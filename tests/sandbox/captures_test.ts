/** The sandbox beside recordings of real deployments of three ages: the same answers, in the same shape. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { captureTest } from "../support/captures.ts";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { call } from "./support.ts";

const VERSIONS = ["v2.36.0", "v2.5.1", "v0.24.0"] as const;

interface Exchange {
  readonly request: { readonly method: string; readonly path: string; readonly body?: unknown };
  readonly response: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body: unknown;
  };
}

/** The types of all fields, by path; lists by their first element. What may be null or absent counts as itself only. */
function shapeOf(
  value: unknown,
  path = "",
  shape: Map<string, string> = new Map(),
): Map<string, string> {
  if (Array.isArray(value)) {
    shape.set(path, "list");
    if (value.length > 0) shapeOf(value[0], `${path}[]`, shape);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, field] of Object.entries(value)) shapeOf(field, `${path}.${name}`, shape);
  } else {
    shape.set(path, value === null ? "null" : typeof value);
  }
  return shape;
}

/** Fields of the real answer that ours lacks or has of another type. */
function differences(ours: unknown, real: unknown): string[] {
  const shape = shapeOf(ours);
  return [...shapeOf(real)].flatMap(([path, type]) => {
    const own = shape.get(path);
    return own === type ? [] : [`${path}: ${type}, here ${own ?? "absent"}`];
  });
}

const IDS = {
  agent: ({ workspace }: Sandbox) => workspace.agent().id,
  build: ({ workspace }: Sandbox) => workspace.latestBuild.id,
  workspace: ({ workspace }: Sandbox) => workspace.id,
  version: ({ template }: Sandbox) => template.activeVersionId,
  template: ({ template }: Sandbox) => template.id,
};

/** Recorded of some releases alone. */
const OLD = ["v2.5.1", "v0.24.0"];
const ONLY: Readonly<Record<string, readonly string[]>> = {
  "appearance-404": ["v2.36.0"],
  ...Object.fromEntries(
    [
      ...["agent-startup-logs", "coordinate-version2-no-upgrade", "derp-map-no-upgrade"],
      ...["watch-ws", "workspace-by-id", "workspace-by-id-404", "build-404"],
      ...["template-version-404", "agent-connection-404", "coordinate-404"],
      ...["unknown-route-404", "agent-containers"],
    ].map((name) => [name, OLD]),
  ),
};

const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/;

for (
  const [capture, id] of [
    ["buildinfo", undefined],
    ["users-me", undefined],
    ["users-first", undefined],
    ["users-me-401-bad", undefined],
    ["users-me-401-missing", undefined],
    ["deployment-ssh", undefined],
    ["appearance-404", undefined],
    ["entitlements", undefined],
    ["derp-latency-check", undefined],
    ["workspace-dev", undefined],
    ["workspaces-list", undefined],
    ["workspace-404", undefined],
    ["workspace-owner-404", undefined],
    ["build", IDS.build],
    ["build-logs", IDS.build],
    ["build-parameters", IDS.build],
    ["build-create-400", IDS.workspace],
    ["template-version", IDS.version],
    ["template", IDS.template],
    ["agent", IDS.agent],
    ["agent-400", undefined],
    ["agent-404", undefined],
    ["agent-connection", IDS.agent],
    ["agent-connection-generic", undefined],
    ["agent-logs", IDS.agent],
    ["agent-listening-ports", IDS.agent],
    ["coordinate-bad-version", IDS.agent],
    ["coordinate-no-upgrade", IDS.agent],
    ["usage", IDS.workspace],
    ["agent-startup-logs", IDS.agent],
    ["agent-containers", IDS.agent],
    ["coordinate-version2-no-upgrade", IDS.agent],
    ["derp-map-no-upgrade", undefined],
    ["watch-ws", IDS.workspace],
    ["workspace-by-id", IDS.workspace],
    ["workspace-by-id-404", undefined],
    ["build-404", undefined],
    ["template-version-404", undefined],
    ["agent-connection-404", undefined],
    ["coordinate-404", undefined],
    ["unknown-route-404", undefined],
  ] as const
) {
  for (const version of VERSIONS) {
    if (ONLY[capture]?.includes(version) === false) continue;
    captureTest(
      `answers have the shape of a real deployment's: ${version} ${capture}`,
      `coder-${version}/http/${capture}.json`,
      async (text) => {
        const { request, response }: Exchange = JSON.parse(text);
        await using sandbox = await Sandbox.start({
          settings: { version },
          workspaces: [{
            agents: [{ startup: (agent) => agent.log("installing things"), blocksLogin: true }],
          }],
        });
        await sandbox.workspace.changes.until(() =>
          sandbox.workspace.agent().lifecycle === "ready"
        );
        const path = (id === undefined ? request.path : request.path.replace(UUID, id(sandbox)))
          .replace(/^\/api\/v2/, "");
        const token = capture.endsWith("-bad")
          ? "0123456789-0123456789012345678901"
          : capture.endsWith("-missing")
          ? ""
          : sandbox.token;
        const answer = await call(sandbox, `${request.method} ${path}`, {
          headers: { "Coder-Session-Token": token },
          ...(request.body === undefined ? {} : { body: request.body }),
        });
        strictEqual(answer.status, response.status);
        strictEqual(answer.headers.get("content-type"), response.headers["Content-Type"] ?? null);
        strictEqual(answer.headers.get("x-coder-build-version"), version);
        if (typeof response.body === "string") {
          strictEqual(answer.text.slice(0, 40), response.body.slice(0, 40));
        } else if (response.status >= 400) deepStrictEqual(answer.json, response.body);
        else {
          const found = differences(answer.json, response.body);
          deepStrictEqual(found.filter((line) => !EXPECTED.has(line)), []);
          if (version === "v2.36.0") return;
          const more = differences(response.body, answer.json).filter((line) =>
            line.endsWith("here absent") && !OURS.test(line)
          );
          deepStrictEqual(more, [], "fields that came later");
        }
      },
    );
  }
}

/** What those deployments had none of: scripts, and a relay that had been measured. */
const OURS = /scripts\[\]|log_sources\[\]|\.latency\.|\.tags\.owner/;

/** What only those deployments' history explains, and what went since and nobody here reads. */
const EXPECTED: ReadonlySet<string> = new Set([
  ".avatar_url: string, here absent",
  ".theme_preference: string, here absent",
  ".resources[].agents[].startup_script: string, here absent",
  ".max_ttl_ms: number, here absent",
  ".inactivity_ttl_ms: number, here absent",
  ".created_by.avatar_url: string, here absent",
  ".created_by.email: string, here absent",
  ".created_by.created_at: string, here absent",
  ".created_by.last_seen_at: string, here absent",
  ".created_by.status: string, here absent",
  ".created_by.organization_ids: null, here absent",
  ".created_by.roles: list, here absent",
  ".latest_build.resources[].agents[].disconnected_at: string, here absent",
  ".workspaces[].latest_build.resources[].agents[].disconnected_at: string, here absent",
  ".resources[].agents[].disconnected_at: string, here absent",
  ".resources[].agents[].health.reason: string, here absent",
  ".disconnected_at: string, here absent",
  ".ports[].process_name: string, here absent",
  ".ports[].network: string, here absent",
  ".ports[].port: number, here absent",
  ".build_time_stats.start.P50: number, here null",
  ".build_time_stats.start.P95: number, here null",
]);
