/** Websockets of text messages against a server made of the same framing, and of every way in which one can end. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { type TextStream, TransportError } from "../../lib/base/http.ts";
import { openTextStream } from "../../lib/io/text_stream.ts";
import type { WebsocketDialOptions } from "../../lib/io/websocket_dial.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import {
  encodeFrame,
  HttpUpgradeServer,
  Opcode,
  type UpgradeRequest,
  WebsocketConnection,
} from "../../lib/websocket/mod.ts";
import { startHttpProxy } from "./proxies.ts";
import {
  bytesOf,
  envOf,
  LOOPBACK,
  LoopbackServer,
  ownCa,
  readHead,
  stayDumb,
  text,
  tlsServer,
  writeAll,
} from "./support.ts";

/** A frame as a server sends it. */
function frame(words: string, opcode: Opcode = Opcode.text): Uint8Array {
  return encodeFrame({ role: "server", random: SYSTEM_RANDOM, opcode }, bytesOf(words));
}

const CLOSE = encodeFrame(
  { role: "server", random: SYSTEM_RANDOM, opcode: Opcode.close },
  new Uint8Array([3, 232]),
);

interface ServerSide {
  readonly conn: Deno.Conn;
  readonly request: UpgradeRequest;
  /** Reads frames until the client's close frame or end; what it was, and what came before. */
  finish(): Promise<{ readonly messages: string[]; readonly end: "close" | "end" }>;
}

/** A handler that upgrades and then does `serve`. */
function websocket(serve: (side: ServerSide) => Promise<void>): (conn: Deno.Conn) => Promise<void> {
  return async (conn) => {
    const upgrade = new HttpUpgradeServer();
    const request = upgrade.handleBytes(bytesOf(await readHead(conn)));
    if (request === undefined) return;
    await writeAll(conn, upgrade.accept());
    const frames = new WebsocketConnection({ role: "server", random: SYSTEM_RANDOM });
    const finish = async () => {
      const messages: string[] = [];
      const chunk = new Uint8Array(4_096);
      for (let count = await conn.read(chunk); count !== null; count = await conn.read(chunk)) {
        frames.handleBytes(chunk.subarray(0, count));
        for (let m = frames.pollMessage(); m; m = frames.pollMessage()) {
          if (m.kind === "close") return { messages, end: "close" } as const;
          messages.push(`${m.kind} ${text(m.bytes)}`);
        }
      }
      return { messages, end: "end" } as const;
    };
    await serve({ conn, request, finish });
  };
}

async function open(
  server: { readonly port: number },
  options: Partial<WebsocketDialOptions> & {
    readonly url?: string;
    readonly signal?: AbortSignal;
    readonly maxMessageBytes?: number;
  } = {},
) {
  return await openTextStream({
    url: options.url ?? `ws://${LOOPBACK}:${server.port}/watch?x=1`,
    headers: [["Coder-Session-Token", "t"]],
    maxMessageBytes: options.maxMessageBytes ?? 1_000,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }, { env: envOf(), ...options });
}

async function opened(...args: Parameters<typeof open>): Promise<TextStream> {
  const result = await open(...args);
  if (result.kind !== "open") throw new Error(`refused with ${result.response.status}`);
  return result.stream;
}

async function readAll(stream: TextStream): Promise<string[]> {
  const messages: string[] = [];
  for await (const message of stream.messages) messages.push(message);
  return messages;
}

async function failure(promise: Promise<unknown>): Promise<TransportError> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  ok(error instanceof TransportError, `not a TransportError: ${error}`);
  return error;
}

Deno.test("a text stream gives messages until the server closes in order", async () => {
  const seen: UpgradeRequest[] = [];
  let finished: unknown;
  await using server = new LoopbackServer(websocket(async ({ conn, request, finish }) => {
    seen.push(request);
    await writeAll(conn, frame("one"));
    await writeAll(conn, frame("ping", Opcode.ping));
    await writeAll(conn, frame("nobody asked", Opcode.pong));
    await writeAll(conn, frame("zwei ü"));
    await writeAll(conn, CLOSE);
    finished = await finish();
  }));
  deepStrictEqual(await readAll(await opened(server)), ["one", "zwei ü"]);
  await server.allClosed();
  // Its ping was answered, its close too; its own pong was no message.
  deepStrictEqual(finished, { messages: ["pong ping"], end: "close" });
  strictEqual(seen[0]?.path, "/watch?x=1");
  strictEqual(seen[0]?.headers.get("coder-session-token"), "t");
  strictEqual(seen[0]?.headers.get("host"), `${LOOPBACK}:${server.port}`);
});

Deno.test("a text stream does not mind where its bytes are cut, nor messages that come with the upgrade", async () => {
  await using server = new LoopbackServer(async (conn) => {
    const upgrade = new HttpUpgradeServer();
    upgrade.handleBytes(bytesOf(await readHead(conn)));
    const all = [...upgrade.accept(), ...frame("early"), ...frame("x".repeat(300)), ...CLOSE];
    for (const byte of all) await conn.write(new Uint8Array([byte]));
    await stayDumb(conn);
  });
  deepStrictEqual(await readAll(await opened(server)), ["early", "x".repeat(300)]);
});

Deno.test("a text stream that is lost is told from one that was closed", async (t) => {
  const rows: { name: string; bytes: Uint8Array; message: RegExp }[] = [
    { name: "cut between messages", bytes: frame("one"), message: /without a close frame/ },
    {
      name: "cut inside a message",
      bytes: frame("half of this").subarray(0, 5),
      message: /without a close frame/,
    },
    { name: "a frame that breaks the protocol", bytes: new Uint8Array([0xff, 0xff]), message: /./ },
  ];
  for (const { name, bytes, message } of rows) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(
        websocket(async ({ conn }) => await writeAll(conn, bytes)),
      );
      match((await failure(readAll(await opened(server)))).message, message);
    });
  }
});

Deno.test("a message that is too long ends the stream as that", async () => {
  await using server = new LoopbackServer(websocket(async ({ conn, finish }) => {
    await writeAll(conn, frame("x".repeat(1_001)));
    await finish();
  }));
  const error = await failure(readAll(await opened(server)));
  strictEqual(error.code, "too-large");
});

Deno.test("close() says goodbye and ends the iteration, also with a server that never answers", async () => {
  const ends: string[] = [];
  await using server = new LoopbackServer(websocket(async ({ conn, finish }) => {
    await writeAll(conn, frame("one"));
    ends.push((await finish()).end);
    await stayDumb(conn); // no close frame in return
  }));
  const stream = await opened(server);
  const messages: string[] = [];
  for await (const message of stream.messages) {
    messages.push(message);
    stream.close();
    stream.close();
  }
  deepStrictEqual(messages, ["one"]);
  await server.allClosed();
  deepStrictEqual(ends, ["close"]);
});

Deno.test("close() with a server that answers leaves no timer behind", async () => {
  await using server = new LoopbackServer(websocket(async ({ conn, finish }) => {
    await finish();
    await writeAll(conn, CLOSE);
  }));
  const stream = await opened(server);
  stream.close();
  deepStrictEqual(await readAll(stream), []);
});

Deno.test("ending the iteration early closes the socket", async () => {
  await using server = new LoopbackServer(websocket(async ({ conn, finish }) => {
    await writeAll(conn, frame("one"));
    await finish();
  }));
  for await (const message of (await opened(server)).messages) {
    strictEqual(message, "one");
    break;
  }
  await server.allClosed();
});

Deno.test("an upgrade that is refused gives the answer with its body, whatever ends that", async (t) => {
  const body = JSON.stringify({ message: "You are signed out" });
  const head = "HTTP/1.1 401 Unauthorized\r\nX-Coder-Build-Version: v2.36.0\r\n";
  const rows = {
    "a length": `${head}Content-Length: ${body.length}\r\n\r\n${body}`,
    chunks: `${head}Transfer-Encoding: chunked\r\n\r\n${
      body.length.toString(16)
    }\r\n${body}\r\n0\r\n\r\n`,
    "the connection's end": `${head}Connection: close\r\n\r\n${body}`,
    "our patience": `${head}Content-Length: 1000\r\n\r\n${body}`,
  };
  for (const [name, answer] of Object.entries(rows)) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(async (conn) => {
        await readHead(conn);
        await writeAll(conn, bytesOf(answer));
        if (name !== "the connection's end") await stayDumb(conn);
      });
      const result = await open(server, { upgradeLimitMs: name === "our patience" ? 100 : 60_000 });
      ok(result.kind === "refused");
      strictEqual(result.response.status, 401);
      strictEqual(new Map(result.response.headers).get("x-coder-build-version"), "v2.36.0");
      let words = "";
      for await (const chunk of result.response.body) words += text(chunk);
      strictEqual(words, body);
      await server.allClosed();
    });
  }
});

Deno.test("an upgrade that is not answered, or not by HTTP, is an error in words", async (t) => {
  await t.step("says nothing", async () => {
    await using server = new LoopbackServer(stayDumb);
    const error = await failure(open(server, { upgradeLimitMs: 50 }));
    strictEqual(error.code, "timeout");
    match(error.message, /^dial tcp 127\.0\.0\.1:\d+: i\/o timeout$/);
    await server.allClosed();
  });
  await t.step("nonsense", async () => {
    await using server = new LoopbackServer(async (conn) => {
      await writeAll(conn, bytesOf("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
      await stayDumb(conn);
    });
    await failure(open(server));
    await server.allClosed();
  });
  await t.step("hangs up", async () => {
    await using server = new LoopbackServer(async (conn) => void await readHead(conn));
    await failure(open(server));
  });
});

Deno.test("a signal ends it at every stage, with its reason and nothing left open", async (t) => {
  const reason = new Error("changed my mind");
  await t.step("before", async () => {
    await using server = new LoopbackServer(stayDumb);
    await rejects(open(server, { signal: AbortSignal.abort(reason) }), reason);
  });
  await t.step("during the upgrade", async () => {
    await using server = new LoopbackServer(stayDumb);
    const controller = new AbortController();
    const refused = rejects(open(server, { signal: controller.signal }), reason);
    while (server.count === 0) await new Promise((resolve) => setTimeout(resolve));
    controller.abort(reason);
    await refused;
    await server.allClosed();
  });
  await t.step("between messages", async () => {
    await using server = new LoopbackServer(websocket(async ({ conn, finish }) => {
      await writeAll(conn, frame("one"));
      await finish();
    }));
    const controller = new AbortController();
    const stream = await opened(server, { signal: controller.signal });
    const reading = (async () => {
      for await (const _ of stream.messages) controller.abort(reason);
    })();
    await rejects(reading, reason);
    await server.allClosed();
  });
});

Deno.test("a text stream goes through TLS and a proxy like everything else", async () => {
  await using server = tlsServer(websocket(async ({ conn, finish }) => {
    await writeAll(conn, frame("through"));
    await writeAll(conn, CLOSE);
    await finish();
  }));
  await using proxy = startHttpProxy(server.port);
  const stream = await opened(server, {
    url: "wss://coder.test/watch",
    env: envOf({ HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}` }),
    tls: ownCa(),
  });
  deepStrictEqual(await readAll(stream), ["through"]);
  strictEqual(proxy.asked.join(), "coder.test:443");
});
