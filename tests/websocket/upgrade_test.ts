/** The upgrade, both sides: what each accepts, and what it makes of refusals. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { WebsocketError } from "../../lib/websocket/errors.ts";
import { encodeLatin1 } from "../../lib/http1/headers.ts";
import {
  HttpUpgradeClient,
  type HttpUpgradeClientOptions,
  MAX_REFUSAL_BODY_BYTES,
  type UpgradeResult,
} from "../../lib/websocket/upgrade_client.ts";
import { HttpUpgradeServer, type UpgradeRequest } from "../../lib/websocket/upgrade_server.ts";
import { websocketAcceptOf } from "../../lib/websocket/upgrade_key.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";

function client(more: Partial<HttpUpgradeClientOptions> = {}): HttpUpgradeClient {
  const random = new SeededRandom(6);
  return new HttpUpgradeClient({ path: "/derp", host: "h", upgrade: "websocket", random, ...more });
}

function answer(to: HttpUpgradeClient, chunks: readonly Uint8Array[]): UpgradeResult | undefined {
  for (const chunk of chunks) {
    const result = to.handleBytes(chunk);
    if (result !== undefined) return result;
  }
  return undefined;
}

function request(text: string): UpgradeRequest {
  const read = new HttpUpgradeServer().handleBytes(encodeLatin1(text));
  ok(read);
  return read;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    ok(error instanceof WebsocketError, String(error));
    return error.code;
  }
  return "none";
}

Deno.test("websocketAcceptOf() gives the example of RFC 6455 §1.3", () => {
  strictEqual(websocketAcceptOf("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

Deno.test("HttpUpgradeClient and HttpUpgradeServer agree, however the bytes are cut", async (t) => {
  const random = new SeededRandom(7);
  const rows = [
    { upgrade: "websocket", protocol: "derp" },
    { upgrade: "websocket" },
    { upgrade: "DERP" },
  ] as const;
  for (const row of rows) {
    await t.step(JSON.stringify(row), () => {
      for (let round = 0; round < 20; round++) {
        const asking = client({ ...row, headers: [["Coder-Session-Token", "t"]] });
        const server = new HttpUpgradeServer();
        const early = concatBytes(asking.request(), encodeLatin1("early"));
        let read: UpgradeRequest | undefined;
        const chunks = splitAnyhow(early, random, 100);
        while (read === undefined) read = server.handleBytes(chunks.shift() ?? new Uint8Array(0));
        strictEqual(concatBytes(read.rest, ...chunks).length, 5);
        strictEqual(read.upgrade, row.upgrade);
        strictEqual(read.path, "/derp");
        strictEqual(read.headers.get("coder-session-token"), "t");
        deepStrictEqual(read.protocols, "protocol" in row ? ["derp"] : []);
        const protocol = read.protocols[0];
        const reply = concatBytes(
          server.accept({
            ...(protocol === undefined ? {} : { protocol }),
            headers: [["Derp-Version", "2"]],
          }),
          encodeLatin1("first"),
        );
        const parts = splitAnyhow(reply, random, 100);
        let result: UpgradeResult | undefined;
        while (result === undefined) {
          result = asking.handleBytes(parts.shift() ?? new Uint8Array(0));
        }
        ok(result.kind === "accepted");
        strictEqual(result.headers.get("derp-version"), "2");
        deepStrictEqual(concatBytes(result.rest, ...parts), encodeLatin1("first"));
      }
    });
  }
});

Deno.test("HttpUpgradeClient hands back a refusal with the start of its body", async (t) => {
  const rows: { name: string; in: string; ends?: boolean; body: string; isTruncated?: boolean }[] =
    [
      { name: "length", in: "Content-Length: 4\r\n\r\nbody", body: "body" },
      {
        name: "chunked",
        in: "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        body: "body",
      },
      { name: "to the end", in: "\r\nbody", ends: true, body: "body" },
      {
        name: "cut short",
        in: "Content-Length: 9\r\n\r\nbody",
        ends: true,
        body: "body",
        isTruncated: true,
      },
      { name: "empty", in: "Content-Length: 0\r\n\r\n", body: "" },
      {
        name: "long",
        in: "\r\n" + "x".repeat(MAX_REFUSAL_BODY_BYTES + 1),
        body: "x".repeat(MAX_REFUSAL_BODY_BYTES),
        isTruncated: true,
      },
    ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const bytes = encodeLatin1("HTTP/1.1 404 Not Found\r\nX: y\r\n" + row.in);
      for (const chunks of [[bytes], splitToBytes(bytes)]) {
        const asking = client();
        const result = answer(asking, chunks) ?? (row.ends ? asking.handleEnd() : undefined);
        ok(result?.kind === "refused");
        strictEqual(result.status, 404);
        strictEqual(result.reason, "Not Found");
        strictEqual(result.headers.get("x"), "y");
        strictEqual(new TextDecoder().decode(result.body), row.body);
        strictEqual(result.isTruncated, row.isTruncated ?? false);
      }
    });
  }
  await t.step("after interim answers", () => {
    const bytes = encodeLatin1("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    const result = answer(client(), [bytes]);
    ok(result?.kind === "refused" && result.status === 204);
  });
  await t.step("from the server's refuse()", () => {
    const asking = client();
    const server = new HttpUpgradeServer();
    server.handleBytes(asking.request());
    const result = answer(asking, [server.refuse(401, { body: encodeLatin1("{}") })]);
    ok(result?.kind === "refused" && result.status === 401 && result.body.length === 2);
  });
});

Deno.test("HttpUpgradeClient refuses a 101 that proves nothing (RFC 6455 §4.1)", async (t) => {
  const accept = /Sec-WebSocket-Key: (\S+)/.exec(new TextDecoder().decode(client().request()))?.[1];
  const good = `Sec-WebSocket-Accept: ${websocketAcceptOf(accept ?? "")}\r\n`;
  const head = "HTTP/1.1 101 x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
  const rows: { name: string; in: string; code: string; protocol?: string }[] = [
    { name: "fine", in: head + good, code: "none" },
    {
      name: "subprotocol",
      in: head + good + "Sec-WebSocket-Protocol: derp\r\n",
      code: "none",
      protocol: "derp",
    },
    { name: "HTTP/1.0", in: (head + good).replace("1.1", "1.0"), code: "not-upgraded" },
    {
      name: "no Upgrade",
      in: "HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" + good,
      code: "not-upgraded",
    },
    { name: "other Upgrade", in: (head + good).replace("WebSocket", "h2c"), code: "not-upgraded" },
    {
      name: "no Connection",
      in: "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" + good,
      code: "not-upgraded",
    },
    { name: "no Accept", in: head, code: "bad-accept" },
    { name: "wrong Accept", in: head + "Sec-WebSocket-Accept: AAAA\r\n", code: "bad-accept" },
    { name: "two Accepts", in: head + good + good, code: "bad-accept" },
    {
      name: "extension",
      in: head + good + "Sec-WebSocket-Extensions: x\r\n",
      code: "unasked-extension",
    },
    {
      name: "unasked subprotocol",
      in: head + good + "Sec-WebSocket-Protocol: derp\r\n",
      code: "bad-subprotocol",
    },
    { name: "no subprotocol", in: head + good, code: "bad-subprotocol", protocol: "derp" },
    { name: "interim for ever", in: "HTTP/1.1 103 x\r\n\r\n".repeat(9), code: "too-many-interim" },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const asking = client(row.protocol === undefined ? {} : { protocol: row.protocol });
      const bytes = encodeLatin1(row.in + "\r\n");
      strictEqual(codeOf(() => asking.handleBytes(bytes)), row.code);
    });
  }
  await t.step("end without an answer", () => {
    strictEqual(codeOf(() => client().handleEnd()), "no-answer");
  });
});

Deno.test("HttpUpgradeServer tells upgrades from the rest (RFC 6455 §4.2.1)", async (t) => {
  const head = "GET /x HTTP/1.1\r\nHost: h\r\n";
  const both = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const derp = "Connection: upgrade\r\nUpgrade: derp\r\n";
  const rows: { name: string; in: string; upgrade: UpgradeRequest["upgrade"]; status: number }[] = [
    { name: "websocket", in: head + both + key, upgrade: "websocket", status: 101 },
    { name: "DERP", in: head + derp, upgrade: "DERP", status: 101 },
    { name: "ordinary", in: head, upgrade: "none", status: 200 },
    { name: "no Connection", in: head + "Upgrade: websocket\r\n", upgrade: "none", status: 200 },
    {
      name: "h2c",
      in: head + "Connection: upgrade\r\nUpgrade: h2c\r\n",
      upgrade: "invalid",
      status: 426,
    },
    {
      name: "version 8",
      in: head + both.replace("13", "8") + key,
      upgrade: "invalid",
      status: 426,
    },
    { name: "no key", in: head + both, upgrade: "invalid", status: 400 },
    {
      name: "short key",
      in: head + both + "Sec-WebSocket-Key: AAAA\r\n",
      upgrade: "invalid",
      status: 400,
    },
    { name: "two keys", in: head + both + key + key, upgrade: "invalid", status: 400 },
    {
      name: "POST",
      in: (head + both + key).replace("GET", "POST"),
      upgrade: "invalid",
      status: 400,
    },
    {
      name: "HTTP/1.0",
      in: (head + derp).replace("HTTP/1.1", "HTTP/1.0"),
      upgrade: "invalid",
      status: 400,
    },
    { name: "body", in: head + derp + "Content-Length: 5\r\n", upgrade: "invalid", status: 400 },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const read = request(row.in + "\r\n");
      strictEqual(read.upgrade, row.upgrade);
      strictEqual(read.status, row.status);
    });
  }
  const server = new HttpUpgradeServer();
  throws(() => server.accept(), TypeError);
  server.handleBytes(encodeLatin1(head + both + key + "\r\n"));
  throws(() => server.accept({ protocol: "derp" }), RangeError, "was not offered");
});
