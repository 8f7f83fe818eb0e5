/** The sandbox's HTTP server below its routes: connections kept and reused, requests cut anywhere, and what it refuses. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { decode, encode, readAll, sandboxTest } from "./support.ts";

const CLOSE = "Connection: close\r\n\r\n";

/** Sends raw bytes in pieces and reads everything up to the end of the connection. */
async function converse(sandbox: Sandbox, ...pieces: readonly string[]): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(sandbox.url.port) });
  const reading = readAll((into) => conn.read(into));
  for (const piece of pieces) await conn.write(encode(piece));
  return decode(await reading);
}

function statuses(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => found[1] ?? "");
}

sandboxTest("requests one after the other, and ahead of their answers", async (sandbox) => {
  const head = "GET /derp/latency-check HTTP/1.1\r\nHost: x\r\n";
  deepStrictEqual(statuses(await converse(sandbox, `${head}\r\n${head}\r\n${head}${CLOSE}`)), [
    "200",
    "200",
    "200",
  ]);
  deepStrictEqual(statuses(await converse(sandbox, ...`${head}\r\n${head}${CLOSE}`)), [
    "200",
    "200",
  ]);
});

sandboxTest("bodies by length and in chunks, and a request behind them", async (sandbox) => {
  const post = `POST /api/v2/workspaces/${sandbox.workspace.id}/usage HTTP/1.1\r\nHost: x\r\n` +
    `Coder-Session-Token: ${sandbox.token}\r\n`;
  const answer = await converse(
    sandbox,
    `${post}Content-Length: 2\r\n\r\n{}${post}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`,
    `1;x=y\r\n}\r\n0\r\n\r\nGET /derp/latency-check HTTP/1.1\r\nHost: x\r\n${CLOSE}`,
  );
  deepStrictEqual(statuses(answer), ["204", "204", "200"]);
  const bodies = sandbox.api.requestsTo("POST /workspaces/{workspace}/usage").map(({ body }) =>
    decode(body)
  );
  deepStrictEqual(bodies, ["{}", "{}"]);
});

sandboxTest("what is no HTTP, or too long, is refused and ends the connection", async (sandbox) => {
  for (
    const nonsense of [
      "\x00\x01\x02\r\n\r\n",
      "GET / HTTP/1.1\nHost: x\n\n",
      "GET / HTTP/9\r\n\r\n",
    ]
  ) {
    match(await converse(sandbox, nonsense), /^HTTP\/1\.1 400 Bad Request\r\n/);
  }
  const long = await converse(
    sandbox,
    "POST /api/v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n",
    "x".repeat(1_100_000),
  );
  match(long, /^(HTTP\/1\.1 413|$)/);
});

sandboxTest("a client that goes away in the middle of a stream is noticed", async (sandbox) => {
  const { workspace } = sandbox;
  const over = Promise.withResolvers<void>();
  sandbox.api.override("GET /buildinfo", {
    kind: "stream",
    status: 200,
    headers: [],
    pump: (sink) => {
      sink.signal.addEventListener("abort", () => over.resolve(), { once: true });
      return over.promise;
    },
  });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(sandbox.url.port) });
  await conn.write(encode("GET /api/v2/buildinfo HTTP/1.1\r\nHost: x\r\n\r\n"));
  await conn.read(new Uint8Array(1_000));
  conn.close();
  await over.promise;
  strictEqual(workspace.name, "dev");
});

Deno.test("the server stops with connections of every kind open", async () => {
  const sandbox = await Sandbox.start();
  const open = async (text: string) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(sandbox.url.port) });
    await conn.write(encode(text));
    return conn;
  };
  const watch = `GET /api/v2/workspaces/${sandbox.workspace.id}/watch HTTP/1.1\r\nHost: x\r\n` +
    `Coder-Session-Token: ${sandbox.token}\r\n\r\n`;
  const conns = await Promise.all([
    open(""),
    open("GET / HT"),
    open(watch),
    open("GET /derp HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: DERP\r\n\r\n"),
  ]);
  await sandbox.api.waitFor("GET /workspaces/{workspace}/watch");
  await sandbox.api.waitFor("GET /derp");
  await sandbox.stop();
  for (const conn of conns) {
    await readAll((into) => conn.read(into)).catch((error: unknown) => {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    });
    conn.close();
  }
});
