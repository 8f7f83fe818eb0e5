import assert from "node:assert/strict";
import { ApiError, describe, StepError } from "../../lib/coder/errors.ts";
import { UserError } from "../../lib/base/errors.ts";
import { type HttpHeaders, TransportError } from "../../lib/base/http.ts";
import type { Log } from "../../lib/base/log.ts";
import { CoderClient } from "../../lib/coder/client.ts";
import { getBuildInfo } from "../../lib/coder/deployment.ts";
import { followBuildLogs } from "../../lib/coder/builds.ts";
import { getWorkspaceByName, postUsage } from "../../lib/coder/workspaces.ts";
import { apiFailure, connectionRefused, silence } from "../support/fake_coder.ts";
import { fakeSteps } from "../support/fake_steps.ts";
import { getMe } from "../support/get_me.ts";

const DEV = { owner: "me", name: "myworkspace" };

Deno.test("CoderClient sends token and agent, no cookie, and no redirect of its own (docs/protocol/api.md#requests-and-headers)", async () => {
  using fake = fakeSteps();
  await getWorkspaceByName(fake.steps.client, DEV);
  const [request] = fake.coder.requests;
  assert.equal(request?.path, "/api/v2/users/me/workspace/myworkspace?include_deleted=false");
  assert.deepEqual(request?.headers, [
    ["User-Agent", "hawser/0.0.0 (linux/amd64; hawser ssh)"],
    ["Coder-Session-Token", "abcdefghij-0123456789012345678901"],
    ["Accept", "application/json"],
  ]);
});

Deno.test("CoderClient sends JSON bodies", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("POST /workspaces/w/usage", () => ({ status: 204 }));
  await postUsage(fake.steps.client, "w", { agentId: "a", appName: "ssh" });
  assert.deepEqual(fake.coder.requests[0]?.body, { agent_id: "a", app_name: "ssh" });
});

Deno.test("CoderClient follows redirects: 307 keeps the method, 303 does not (docs/protocol/api.md#requests-and-headers)", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("POST /workspaces/w/usage", () => ({
    status: 307,
    headers: [["location", "/api/v2/workspaces/x/usage"]],
  }));
  fake.coder.routes.set("POST /workspaces/x/usage", () => ({
    status: 303,
    headers: [["location", "https://coder.example.com/api/v2/done"]],
  }));
  fake.coder.routes.set("GET /done", () => ({ body: {} }));
  await postUsage(fake.steps.client, "w", { agentId: "a", appName: "ssh" });
  assert.deepEqual(fake.coder.calls, [
    "POST /workspaces/w/usage",
    "POST /workspaces/x/usage",
    "GET /done",
  ]);
  assert.equal(fake.coder.requests[2]?.body, undefined);
});

function recordingLog(lines: string[]): Log {
  const note = (message: string, fields = {}) => void lines.push(message + JSON.stringify(fields));
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  return log;
}

/** A client of `url` whose every request, websockets included, is answered with a redirect to `location`. */
function redirectedClient(url: string, location: string) {
  const asked: { url: string; headers: HttpHeaders }[] = [];
  const answer = ({ url, headers }: { readonly url: string; readonly headers: HttpHeaders }) => {
    asked.push({ url, headers });
    return {
      status: 302,
      headers: [["location", location]] as const,
      body: (async function* () {})(),
      cancel() {},
    };
  };
  const logged: string[] = [];
  const client = new CoderClient({
    url: new URL(url),
    token: "TOP-SECRET",
    headers: [["X-Own", "TOP-SECRET"]],
    userAgent: "hawser/0.0.0",
    transport: {
      fetch: (request) => Promise.resolve(answer(request)),
      openTextStream: (request) =>
        Promise.resolve({ kind: "refused", response: answer(request) } as const),
      openByteStream: (request) =>
        Promise.resolve({ kind: "refused", response: answer(request) } as const),
    },
    sleep: (_ms, signal) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    log: recordingLog(logged),
  });
  return { client, asked, logged };
}

Deno.test("CoderClient asks nobody but the deployment, whatever a redirect says", async (t) => {
  const moved = (to: string) =>
    new RegExp(`^The deployment \\S+ has moved to ${to}: use that URL$`);
  const rows: readonly {
    readonly name: string;
    readonly own?: string;
    readonly location: string;
    readonly error: RegExp;
  }[] = [
    {
      name: "another host",
      location: "https://evil.example/api/v2/users/me",
      error: moved("https://evil.example"),
    },
    {
      name: "another host's root",
      location: "//evil.example",
      error: moved("https://evil.example"),
    },
    {
      name: "another port",
      own: "http://127.0.0.1:3000",
      location: "http://127.0.0.1:3001/api/v2/users/me",
      error: moved("http://127.0.0.1:3001"),
    },
    {
      name: "another port of https",
      location: "https://coder.example.com:8443/x/api/v2/users/me",
      error: moved("https://coder.example.com:8443"),
    },
    {
      name: "https on the port of http",
      own: "http://coder.example.com:3000",
      location: "https://coder.example.com:3000/",
      error: moved("https://coder.example.com:3000"),
    },
    {
      name: "a domain below",
      location: "https://x.coder.example.com/",
      error: moved("https://x.coder.example.com"),
    },
    {
      name: "a login page",
      location: "https://sso.example/login?next=TOP-SECRET",
      error:
        /does not answer as a Coder deployment: it sends us to https:\/\/sso\.example\/login, as login pages do$/,
    },
    {
      name: "no encryption",
      location: "http://coder.example.com/api/v2/users/me",
      error: /a redirect leads to http:\/\/coder\.example\.com, which is not encrypted$/,
    },
    {
      name: "credentials of somebody",
      location: "https://user:PASSWORD@evil.example/",
      error: moved("https://evil.example"),
    },
    {
      name: "ftp",
      location: "ftp://coder.example.com/x",
      error: /leads to ftp:, not http or https$/,
    },
    { name: "file", location: "file:///etc/passwd", error: /leads to file:, not http or https$/ },
    {
      name: "data",
      location: "data:application/json,{}",
      error: /leads to data:, not http or https$/,
    },
    { name: "nothing", location: "http://", error: /a redirect leads nowhere$/ },
  ];
  for (const { name, own = "https://coder.example.com", location, error } of rows) {
    for (const door of ["fetch", "websocket", "websocket of bytes"]) {
      await t.step(`${name}, ${door}`, async () => {
        const { client, asked, logged } = redirectedClient(own, location);
        const asking = door === "fetch"
          ? getMe(client)
          : door === "websocket"
          ? client.openTextStream("/users/me")
          : client.openByteStream("/users/me");
        await assert.rejects(asking, (thrown) => {
          assert.ok(thrown instanceof UserError, String(thrown));
          assert.match(thrown.message, error);
          const said = `${thrown.message} ${thrown.hint} ${logged.join()}`;
          assert.ok(!/PASSWORD|TOP-SECRET/.test(said), said);
          return true;
        });
        assert.equal(asked.length, 1);
      });
    }
  }
});

Deno.test("CoderClient drops the credentials of a redirect inside the deployment", async () => {
  const { client, asked, logged } = redirectedClient(
    "https://coder.example.com",
    "https://user:PASSWORD@coder.example.com/api/v2/users/me",
  );
  await assert.rejects(getMe(client), /stopped after 10 redirects/);
  assert.equal(asked[1]?.url, "https://coder.example.com/api/v2/users/me");
  assert.ok(!logged.join().includes("PASSWORD"));
});

Deno.test("CoderClient goes to https when the deployment asks for that, and stays there", async () => {
  const { client, asked } = redirectedClient(
    "http://us%40er:p%25w@coder.example.com",
    "https://coder.example.com/api/v2/users/me",
  );
  await assert.rejects(client.openTextStream("/users/me"), /stopped after 10 redirects/);
  assert.equal(client.url.origin, "https://coder.example.com");
  assert.deepEqual(asked.slice(0, 2).map(({ url }) => url), [
    "ws://coder.example.com/api/v2/users/me",
    "wss://coder.example.com/api/v2/users/me",
  ]);
  assert.deepEqual(asked[1]?.headers, [
    ["User-Agent", "hawser/0.0.0"],
    ["Coder-Session-Token", "TOP-SECRET"],
    ["Authorization", "Basic dXNAZXI6cCV3"],
    ["X-Own", "TOP-SECRET"],
  ]);
  await assert.rejects(getMe(client));
  assert.equal(asked[10]?.url, "https://coder.example.com/api/v2/users/me");
});

Deno.test("CoderClient stops after ten redirects", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("GET /users/me", () => ({
    status: 302,
    headers: [["location", "/api/v2/users/me"]],
  }));
  await assert.rejects(getMe(fake.steps.client), /stopped after 10 redirects/);
  assert.equal(fake.coder.requests.length, 10);
});

Deno.test("ApiError has the text form of docs/protocol/api.md#errors", async (t) => {
  const cases = [
    {
      name: "message and helper",
      answer: apiFailure(401, "You are signed out.", { detail: "API key is invalid." }),
      text: "GET https://coder.example.com/api/v2/users/me: unexpected status code 401: " +
        "You are signed out.: Try logging in using 'hawser login'.\n\tError: API key is invalid.",
    },
    {
      name: "validations",
      answer: apiFailure(400, "Bad.", { validations: [{ field: "name", detail: "taken" }] }),
      text:
        "GET https://coder.example.com/api/v2/users/me: unexpected status code 400: Bad.\n\tname: taken",
    },
    {
      name: "a proxy's page",
      answer: {
        status: 502,
        body: "<html>Bad Gateway",
        headers: [["content-type", "text/html"]] as const,
      },
      text: "GET https://coder.example.com/api/v2/users/me: unexpected status code 502: " +
        'unexpected non-JSON response "text/html"\n\tError: <html>Bad Gateway',
    },
    {
      name: "a page without words",
      answer: { status: 502, body: "" },
      text: "GET https://coder.example.com/api/v2/users/me: unexpected status code 502: " +
        'unexpected non-JSON response ""\n\tError: no response body',
    },
    {
      name: "empty JSON",
      answer: { status: 500, body: "", headers: [["content-type", "application/json"]] as const },
      text:
        "GET https://coder.example.com/api/v2/users/me: unexpected status code 500: empty response body",
    },
    {
      name: "JSON without message",
      answer: { status: 500, body: { x: 1 } },
      text: "GET https://coder.example.com/api/v2/users/me: unexpected status code 500: " +
        'unexpected status code 500, response has no message\n\tError: {"x":1}',
    },
  ];
  for (const row of cases) {
    await t.step(row.name, async () => {
      using fake = fakeSteps();
      fake.coder.routes.set("GET /users/me", () => row.answer);
      await assert.rejects(getMe(fake.steps.client), (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.message, row.text);
        return true;
      });
    });
  }
});

Deno.test("CoderClient says when the deployment wants TLS and was asked without", async () => {
  for (
    const body of [
      "Client sent an HTTP request to an HTTPS server.\n",
      "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
    ]
  ) {
    using fake = fakeSteps();
    fake.coder.routes.set("GET /users/me", () => ({ status: 400, body }));
    await assert.rejects(getMe(fake.steps.client), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, / speaks TLS, and was asked without it$/);
      assert.equal(error.hint, "Use https://coder.example.com");
      return true;
    });
  }
});

Deno.test("CoderClient passes on the hint of whoever failed", async () => {
  using fake = fakeSteps();
  const proxy = new UserError("proxy p.test:1 refused the connection", { hint: "Check the proxy" });
  fake.coder.routes.set("GET /users/me", () => {
    throw new TransportError("refused", "dial tcp coder.example.com:443: proxy …", proxy);
  });
  await assert.rejects(getMe(fake.steps.client), { hint: "Check the proxy" });
});

Deno.test("CoderClient tells a server that is not Coder's (issue 3, What bad input gets)", async (t) => {
  const answers = {
    "a page instead of JSON": {
      body: "<html>hello</html>",
      headers: [["content-type", "text/html"]] as const,
    },
    "a page with 404": {
      status: 404,
      body: "<html>",
      headers: [["content-type", "text/html"]] as const,
    },
  };
  for (const [name, answer] of Object.entries(answers)) {
    await t.step(name, async () => {
      using fake = fakeSteps();
      fake.coder.version = "";
      fake.coder.routes.set("GET /users/me", () => answer);
      await assert.rejects(getMe(fake.steps.client), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(
          error.message,
          /^https:\/\/coder.example.com does not answer as a Coder deployment/,
        );
        assert.ok(error.hint !== undefined);
        return true;
      });
    });
  }
});

Deno.test("CoderClient names the path of a missing core field", async () => {
  using fake = fakeSteps();
  const broken = structuredClone(fake.coder.workspace);
  const build = broken["latest_build"];
  assert.ok(typeof build === "object" && build !== null);
  Reflect.deleteProperty(Reflect.get(build, "job"), "status");
  fake.coder.workspace = broken;
  await assert.rejects(
    getWorkspaceByName(fake.steps.client, DEV),
    /latest_build\.job\.status is missing$/,
  );
});

Deno.test("CoderClient bounds bodies (issue 4: API bodies of 100 MB)", async () => {
  using fake = fakeSteps();
  let sent = 0;
  const endless: AsyncIterable<Uint8Array> = {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        await Promise.resolve();
        sent += 1_048_576;
        yield new Uint8Array(1_048_576);
      }
    },
  };
  const client = new CoderClient({
    url: fake.coder.url,
    userAgent: "test",
    sleep: (ms, signal) => fake.host.clock.sleep(ms, signal),
    transport: {
      ...fake.coder.transport(),
      fetch: () => Promise.resolve({ status: 200, headers: [], body: endless, cancel() {} }),
    },
  });
  await assert.rejects(getMe(client), /longer than 8388608 bytes/);
  assert.ok(sent <= 9 * 1_048_576);
});

Deno.test("CoderClient gives a server that says nothing 30 seconds", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("GET /users/me", silence);
  await assert.rejects(
    getMe(fake.steps.client),
    /no answer to GET \/api\/v2\/users\/me within 30s/,
  );
  assert.equal(fake.host.clock.now(), 30_000);
});

Deno.test("CoderClient wraps failures of the network with host and hint", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("GET /users/me", () => {
    throw connectionRefused();
  });
  await assert.rejects(getMe(fake.steps.client), (error) => {
    assert.ok(error instanceof StepError);
    assert.equal(
      describe(error),
      "Cannot reach https://coder.example.com: dial tcp 192.0.2.1:443: connection refused",
    );
    assert.match(error.hint ?? "", /VPN or a proxy/);
    return true;
  });
  assert.ok(!fake.steps.client.hasAnswered);
});

Deno.test("CoderClient rethrows the reason of an aborted signal", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("GET /users/me", silence);
  const abort = new AbortController();
  const reason = new Error("enough");
  fake.host.clock.after(100, () => abort.abort(reason));
  await assert.rejects(getMe(fake.steps.client, { signal: abort.signal }), (e) => e === reason);
});

Deno.test("CoderClient notes version and entitlement warnings, each once (docs/protocol/api.md#requests-and-headers)", async () => {
  using fake = fakeSteps();
  fake.coder.headers = [
    ["X-Coder-Entitlements-Warning", "licence ends"],
    ["x-coder-entitlements-warning", "too many\x1b[31m users"],
  ];
  await getBuildInfo(fake.steps.client);
  await getBuildInfo(fake.steps.client);
  assert.equal(fake.steps.client.serverVersion, "v2.36.0");
  assert.deepEqual(fake.steps.client.entitlementWarnings, ["licence ends", "too many users"]);
});

Deno.test("CoderClient reads the body of a refused upgrade (docs/protocol/api.md#websockets)", async () => {
  using fake = fakeSteps();
  fake.coder.sockets.set("/workspacebuilds/b/logs", () => apiFailure(403, "Forbidden."));
  await assert.rejects(followBuildLogs(fake.steps.client, "b", { after: 7 }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 403);
    assert.equal(error.apiMessage, "Forbidden.");
    return true;
  });
  const [request] = fake.coder.requests;
  assert.equal(
    request?.url,
    "wss://coder.example.com/api/v2/workspacebuilds/b/logs?follow=true&after=7",
  );
  assert.ok(request?.headers.some(([name]) => name === "Coder-Session-Token"));
});
