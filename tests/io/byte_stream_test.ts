/** Websockets of bytes against a server made of the same framing, and every way in which one can end. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { ByteStreamResult } from "../../lib/base/http.ts";
import { type ByteStream, StreamError } from "../../lib/base/stream.ts";
import { openByteStream } from "../../lib/io/byte_stream.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import { encodeClose } from "../../lib/websocket/close.ts";
import {
  encodeFrame,
  HttpUpgradeServer,
  Opcode,
  WebsocketConnection,
} from "../../lib/websocket/mod.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { bytesOf, envOf, LOOPBACK, LoopbackServer, readHead, text, writeAll } from "./support.ts";

function frame(payload: Uint8Array, opcode: Opcode = Opcode.binary): Uint8Array {
  return encodeFrame({ role: "server", random: SYSTEM_RANDOM, opcode }, payload);
}

type Serve = (conn: Deno.Conn) => Promise<void>;

/** A handler that upgrades and then does `serve`. */
function websocket(serve: Serve): Serve {
  return async (conn) => {
    const upgrade = new HttpUpgradeServer();
    if (upgrade.handleBytes(bytesOf(await readHead(conn))) === undefined) return;
    await writeAll(conn, upgrade.accept());
    await serve(conn);
  };
}

async function open(server: LoopbackServer, signal?: AbortSignal): Promise<ByteStreamResult> {
  return await openByteStream({
    url: `ws://${LOOPBACK}:${server.port}/pty?x=1`,
    headers: [],
    ...(signal === undefined ? {} : { signal }),
  }, { env: envOf(), clock: new HurryingClock(100) });
}

async function streamOf(server: LoopbackServer, signal?: AbortSignal): Promise<ByteStream> {
  const result = await open(server, signal);
  if (result.kind !== "open") throw new Error(`refused: ${result.response.status}`);
  return result.stream;
}

async function readText(stream: ByteStream): Promise<string> {
  const into = new Uint8Array(1_000);
  let all = "";
  for (let n = await stream.read(into); n !== null; n = await stream.read(into)) {
    all += text(into.subarray(0, n));
  }
  return all;
}

/** Nothing more is said until the client goes. */
async function untilGone(conn: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(65_536);
  while (await conn.read(chunk) !== null);
}

Deno.test("openByteStream() carries bytes both ways, until the server closes in order", async () => {
  await using server = new LoopbackServer(websocket(async (conn) => {
    const frames = new WebsocketConnection({ role: "server", random: SYSTEM_RANDOM });
    const chunk = new Uint8Array(4_096);
    let count = 0;
    while (count < 100_000) {
      const read = await conn.read(chunk);
      if (read === null) return;
      frames.handleBytes(chunk.subarray(0, read));
      for (let m = frames.pollMessage(); m; m = frames.pollMessage()) {
        if (m.kind !== "binary") continue;
        count += m.bytes.length;
        await writeAll(conn, frame(m.bytes.slice()));
      }
    }
    await writeAll(conn, frame(encodeClose(1000, ""), Opcode.close));
  }));
  const stream = await streamOf(server);
  const reading = readText(stream);
  await stream.write(bytesOf("ab".repeat(50_000)));
  strictEqual(await reading, "ab".repeat(50_000));
  deepStrictEqual(await stream.closed, { kind: "closed" });
  await rejects(stream.write(bytesOf("late")), StreamError);
});

Deno.test("openByteStream() tells how else it ended, behind what came before", async (t) => {
  const rows: readonly { name: string; serve: Serve; message: RegExp }[] = [
    {
      name: "closed with a reason",
      serve: (conn) => writeAll(conn, frame(encodeClose(1011, "dial: no agent"), Opcode.close)),
      message: /^dial: no agent$/,
    },
    {
      name: "closed without one",
      serve: (conn) => writeAll(conn, frame(encodeClose(1001, ""), Opcode.close)),
      message: /^closed with code 1001$/,
    },
    { name: "cut", serve: async () => {}, message: /^connection was cut by the other side$/ },
    {
      name: "no websocket any more",
      serve: async (conn) => {
        await writeAll(conn, bytesOf("HTTP/1.1 500\r\n"));
        await untilGone(conn);
      },
      message: /Cannot read websocket frame/,
    },
    { name: "silent", serve: untilGone, message: /^no answer for \d/ },
  ];
  for (const { name, serve, message } of rows) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(websocket(async (conn) => {
        await writeAll(conn, frame(bytesOf("before")));
        await serve(conn);
      }));
      const stream = await streamOf(server);
      const into = new Uint8Array(100);
      strictEqual(text(into.subarray(0, await stream.read(into) ?? 0)), "before");
      await rejects(stream.read(into), (error) => {
        ok(error instanceof StreamError && error.end.kind === "lost");
        match(error.message, message);
        return true;
      });
      strictEqual((await stream.closed).kind, "lost");
    });
  }
});

Deno.test("openByteStream() answers the server's questions though nobody reads", async () => {
  const answered = Promise.withResolvers<void>();
  await using server = new LoopbackServer(websocket(async (conn) => {
    const frames = new WebsocketConnection({ role: "server", random: SYSTEM_RANDOM });
    await writeAll(conn, frame(bytesOf("unread")));
    await writeAll(conn, frame(new Uint8Array(0), Opcode.ping));
    const chunk = new Uint8Array(4_096);
    for (let n = await conn.read(chunk); n !== null; n = await conn.read(chunk)) {
      frames.handleBytes(chunk.subarray(0, n));
      for (let m = frames.pollMessage(); m; m = frames.pollMessage()) {
        if (m.kind === "pong") answered.resolve();
      }
    }
  }));
  const stream = await streamOf(server);
  await answered.promise;
  stream.abort();
  stream.abort();
  await rejects(stream.read(new Uint8Array(9)), StreamError);
  strictEqual((await stream.closed).kind, "aborted");
});

Deno.test("openByteStream() goes on reading where it stopped because nobody read", async () => {
  const FRAMES = 160;
  const BYTES = 60_000;
  await using server = new LoopbackServer(websocket(async (conn) => {
    for (let i = 0; i < FRAMES; i++) await writeAll(conn, frame(new Uint8Array(BYTES).fill(i)));
    await writeAll(conn, frame(encodeClose(1000, ""), Opcode.close));
  }));
  const stream = await streamOf(server);
  const into = new Uint8Array(25_000);
  let at = 0;
  for (let n = await stream.read(into); n !== null; n = await stream.read(into)) {
    for (let i = 0; i < n; i += 1_000) strictEqual(into[i], Math.floor((at + i) / BYTES));
    at += n;
  }
  strictEqual(at, FRAMES * BYTES);
});

Deno.test("openByteStream() hands a refusal on, and a signal ends it before and after", async () => {
  await using refusing = new LoopbackServer(async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\npage"));
  });
  const refused = await open(refusing);
  strictEqual(refused.kind === "refused" && refused.response.status, 404);
  await using server = new LoopbackServer(websocket(untilGone));
  const reason = new Error("called off");
  await rejects(open(server, AbortSignal.abort(reason)), reason);
  const scope = new AbortController();
  const stream = await streamOf(server, scope.signal);
  const reading = stream.read(new Uint8Array(9));
  scope.abort();
  await rejects(reading, StreamError);
});
