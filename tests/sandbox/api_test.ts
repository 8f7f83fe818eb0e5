/** The sandbox's API: answers in the shape of a real deployment's, tokens, errors, and what a test may put in their place. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { emptyAnswer, failureAnswer, jsonAnswer, textAnswer } from "../../lib/sandbox/mod.ts";
import { call, fields, sandboxTest } from "./support.ts";

const WORKSPACE = "GET /users/me/workspace/dev";
const SIGNED_OUT =
  "You are signed out or your session has expired. Please sign in again to continue.";

sandboxTest("the token is looked for in the real server's places and order", async (sandbox) => {
  const { token } = sandbox;
  const none = { "Coder-Session-Token": "" };
  const ask = async (headers: Record<string, string>, query = "") =>
    (await call(sandbox, `GET /users/me${query}`, { headers: { ...none, ...headers } })).status;
  strictEqual(await ask({ Authorization: `Bearer ${token}` }), 200);
  strictEqual(await ask({ Cookie: `a=b; coder_session_token=${token}` }), 200);
  strictEqual(await ask({}, `?coder_session_token=${token}`), 200);
  strictEqual(await ask({}, `?access_token=${token}`), 200);
  strictEqual(
    await ask({ Cookie: "coder_session_token=0123456789-stale", "Coder-Session-Token": token }),
    401,
  );
  sandbox.settings.version = "v2.5.1";
  strictEqual(await ask({ Authorization: `Bearer ${token}` }), 401);
  const malformed = await call(sandbox, "GET /users/me", {
    headers: { "Coder-Session-Token": "abc" },
  });
  deepStrictEqual(malformed.json, {
    message: SIGNED_OUT,
    detail: "Invalid API key format: incorrect amount of API key parts, expected 2 got 1",
  });
  strictEqual((await call(sandbox, "GET /buildinfo", { headers: none })).status, 200);
});

sandboxTest("what is not there, and what is asked for wrongly", async (sandbox) => {
  const nobody = "11111111-1111-4111-8111-111111111111";
  const rows: [string, number, RegExp][] = [
    ["GET /nothing", 404, /Route not found\./],
    [`GET /workspaces/${nobody}`, 404, /Resource not found or you do not have access/],
    [`GET /workspacebuilds/${nobody}`, 404, /Resource not found/],
    [`GET /workspaceagents/${nobody}/logs`, 404, /Agent doesn't exist with that id/],
    ["GET /workspaces/nope", 400, /Invalid UUID \\"nope\\"\./],
    ["GET /workspaces?q=foo:bar", 400, /\\"foo\\" is not a valid query param/],
    [
      `GET /workspaceagents/${sandbox.workspace.agent().id}/logs?after=x`,
      400,
      /integer greater than or equal to zero/,
    ],
    [`GET /workspaceagents/${sandbox.workspace.agent().id}/logs?format=xml`, 400, /Allowed values/],
    [
      `GET /workspaceagents/${sandbox.workspace.agent().id}/coordinate`,
      400,
      /version 1\.0 is no longer supported/,
    ],
    [
      `GET /workspaceagents/${sandbox.workspace.agent().id}/coordinate?version=2.11`,
      400,
      /behind requested minor version 2\.11/,
    ],
    [
      `GET /workspaceagents/${sandbox.workspace.agent().id}/coordinate?version=2.0&resume_token=x`,
      401,
      /Invalid resume token/,
    ],
    ["POST /users/me", 405, /^$/],
    ["GET /derp", 426, /DERP requires connection upgrade/],
  ];
  for (const [route, status, text] of rows) {
    const answer = await call(sandbox, route);
    strictEqual(answer.status, status, route);
    match(answer.text, text);
  }
});

sandboxTest(
  "workspaces are found by name whatever the case, by owner, and by search",
  async (sandbox) => {
    sandbox.addWorkspace({ name: "api", owner: "Alice" });
    strictEqual((await call(sandbox, "GET /users/ME/workspace/DEV")).status, 200);
    strictEqual((await call(sandbox, "GET /users/alice/workspace/api")).status, 200);
    strictEqual((await call(sandbox, "GET /users/me/workspace/api")).status, 404);
    strictEqual((await call(sandbox, `GET /users/${sandbox.me.id}/workspace/dev`)).status, 200);
    for (
      const [query, names] of [
        ["owner:me", ["dev"]],
        ['owner:"alice"', ["api"]],
        ["ap", ["api"]],
        ["demo/de", ["dev"]],
        ["status:running", ["dev", "api"]],
        ["status:stopped", []],
        ["", ["dev", "api"]],
      ] as const
    ) {
      const { json } = await call(sandbox, `GET /workspaces?q=${encodeURIComponent(query)}`);
      const found = fields(json)["workspaces"];
      ok(Array.isArray(found));
      deepStrictEqual(found.map((workspace) => fields(workspace)["name"]), names, query);
    }
  },
);

sandboxTest(
  "settings show at once: version, prefixes, appearance, entitlements, containers",
  async (sandbox) => {
    const { settings } = sandbox;
    settings.version = "v2.29.1";
    settings.hostnameSuffix = "corp";
    settings.upgradeMessage = "upgrade!";
    settings.docsUrl = "https://docs.example.com";
    settings.entitlementWarnings = ["too many seats"];
    settings.experiments = ["workspace-usage"];
    settings.forcesWebsocket = true;
    settings.containers = [{ id: "c1", name: "box", labels: { a: "b" } }];
    const info = await call(sandbox, "GET /buildinfo");
    strictEqual(info.headers.get("x-coder-build-version"), "v2.29.1");
    strictEqual(fields(info.json)["version"], "v2.29.1");
    strictEqual(fields(info.json)["upgrade_message"], "upgrade!");
    strictEqual(
      fields((await call(sandbox, "GET /appearance")).json)["docs_url"],
      "https://docs.example.com",
    );
    deepStrictEqual(fields((await call(sandbox, "GET /entitlements")).json)["warnings"], [
      "too many seats",
    ]);
    deepStrictEqual((await call(sandbox, "GET /experiments")).json, ["workspace-usage"]);
    const connection = fields((await call(sandbox, "GET /workspaceagents/connection")).json);
    deepStrictEqual([connection["derp_force_websockets"], connection["hostname_suffix"]], [
      true,
      "corp",
    ]);
    const agent = sandbox.workspace.agent().id;
    const containers = fields(
      (await call(sandbox, `GET /workspaceagents/${agent}/containers?label=a%3Db`)).json,
    );
    strictEqual(JSON.stringify(containers["containers"]), JSON.stringify(settings.containers));
    settings.version = "";
    ok(!(await call(sandbox, WORKSPACE)).headers.has("x-coder-build-version"));
  },
);

sandboxTest(
  "a test's answers come first, as often as it said, and requests are recorded",
  async (sandbox) => {
    const route = "GET /users/{user}/workspace/{workspacename}";
    sandbox.api.override(route, failureAnswer(502, "Bad gateway"), { times: 1 });
    sandbox.api.override(route, textAnswer(200, "<html>", "text/html"), { times: 1 });
    strictEqual((await call(sandbox, WORKSPACE)).status, 502);
    strictEqual((await call(sandbox, WORKSPACE)).text, "<html>");
    strictEqual((await call(sandbox, WORKSPACE)).status, 200);
    sandbox.api.override(route, ({ query }) => query.has("x") ? emptyAnswer(204) : undefined);
    strictEqual((await call(sandbox, `${WORKSPACE}?x=1`)).status, 204);
    strictEqual((await call(sandbox, WORKSPACE)).status, 200);
    sandbox.api.restore(route);
    deepStrictEqual(sandbox.api.requestsTo(route).length, 5);
    const usage = `POST /workspaces/${sandbox.workspace.id}/usage`;
    await call(sandbox, usage, { body: { agent_id: "x", app_name: "ssh" } });
    const [recorded] = await sandbox.api.waitFor("POST /workspaces/{workspace}/usage");
    strictEqual(new TextDecoder().decode(recorded?.body), '{"agent_id":"x","app_name":"ssh"}');
    strictEqual(recorded?.headers.get("coder-session-token"), sandbox.token);
  },
);

sandboxTest("answers may be huge, broken off, or not come", async (sandbox) => {
  const route = "GET /buildinfo";
  const chunk = new Uint8Array(1_000_000).fill(32);
  sandbox.api.override(route, {
    kind: "stream",
    status: 200,
    headers: [["Content-Type", "application/json"]],
    async pump(sink) {
      for (let at = 0; at < 8; at++) await sink.write(chunk);
      await sink.write(new TextEncoder().encode("{}"));
    },
  }, { times: 1 });
  strictEqual((await call(sandbox, route)).text.length, 8_000_002);
  sandbox.api.override(route, { kind: "hangUp" }, { times: 1 });
  const failure = await call(sandbox, route).catch((error: unknown) => error);
  ok(failure instanceof TypeError);
  sandbox.api.override(route, { kind: "mute" }, { times: 1 });
  using client = Deno.createHttpClient({});
  const muted = fetch(new URL("/api/v2/buildinfo", sandbox.url), {
    client,
    signal: AbortSignal.timeout(50),
  });
  ok(await muted.catch((error: unknown) => error) instanceof DOMException);
  sandbox.api.override(route, jsonAnswer({ half: true }), { times: 1 });
  deepStrictEqual((await call(sandbox, route)).json, { half: true });
});
