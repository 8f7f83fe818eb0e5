/** Our framing against Deno's own websockets, over real sockets on 127.0.0.1 with ports that the system chooses. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  WebsocketConnection,
  type WebsocketConnectionOptions,
  type WebsocketMessage,
} from "../../lib/websocket/connection.ts";
import { encodeFrame, Opcode, type Role } from "../../lib/websocket/frame.ts";
import { HttpUpgradeClient } from "../../lib/websocket/upgrade_client.ts";
import { HttpUpgradeServer } from "../../lib/websocket/upgrade_server.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const HOSTNAME = "127.0.0.1";
const SIZES = [0, 1, 3, 125, 126, 127, 1300, 65_535, 65_536, 300_001];
const random = new SeededRandom(9);

function payload(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size).map((_, i) => i * 31 + size);
}

/** A blocking wrapper for tests: a socket with a `WebsocketConnection` on it. */
class TestSocket {
  readonly #conn: Deno.Conn;
  readonly core: WebsocketConnection;
  readonly #role: Role;
  readonly #buffer = new Uint8Array(16_384);

  constructor(conn: Deno.Conn, options: WebsocketConnectionOptions, rest: Uint8Array) {
    this.#conn = conn;
    this.#role = options.role;
    this.core = new WebsocketConnection(options);
    this.core.handleBytes(rest);
  }

  async send(opcode: Opcode, bytes: Uint8Array): Promise<void> {
    await writeAll(this.#conn, encodeFrame({ role: this.#role, random, opcode }, bytes));
  }

  async flush(): Promise<void> {
    for (let f = this.core.pollTransmit(); f; f = this.core.pollTransmit()) {
      await writeAll(this.#conn, f);
    }
  }

  async receive(): Promise<WebsocketMessage> {
    for (;;) {
      const message = this.core.pollMessage();
      await this.flush();
      if (message !== undefined) return message;
      const count = await this.#conn.read(this.#buffer);
      if (count === null) throw new Error("Cannot receive: the connection ended");
      this.core.handleBytes(this.#buffer.subarray(0, count));
    }
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

Deno.test("Our client talks with Deno.upgradeWebSocket", async () => {
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  await using server = Deno.serve({ hostname: HOSTNAME, port: 0, onListen() {} }, (request) => {
    if (request.headers.get("upgrade") === null) return new Response("no", { status: 400 });
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "derp" });
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => socket.send(event.data);
    socket.onclose = ({ code, reason }) => closed.resolve({ code, reason });
    return response;
  });
  using conn = await Deno.connect({ hostname: HOSTNAME, port: server.addr.port });
  const host = `${HOSTNAME}:${server.addr.port}`;
  const upgrade = new HttpUpgradeClient({
    path: "/derp",
    host,
    upgrade: "websocket",
    protocol: "derp",
    random,
  });
  await writeAll(conn, upgrade.request());
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer) ?? 0;
  const result = upgrade.handleBytes(buffer.subarray(0, count));
  ok(result?.kind === "accepted");
  const socket = new TestSocket(conn, { role: "client", random }, result.rest);
  for (const size of SIZES) {
    await socket.send(Opcode.binary, payload(size));
    const echo = await socket.receive();
    ok(echo.kind === "binary");
    deepStrictEqual(new Uint8Array(echo.bytes), payload(size));
  }
  await socket.send(Opcode.text, new TextEncoder().encode("grüß"));
  const echo = await socket.receive();
  ok(echo.kind === "text");
  strictEqual(new TextDecoder().decode(echo.bytes), "grüß");
  socket.core.ping(payload(5));
  await socket.flush();
  deepStrictEqual(await socket.receive(), { kind: "pong", bytes: payload(5) });
  socket.core.close(1000, "done");
  await socket.flush();
  deepStrictEqual(await closed.promise, { code: 1000, reason: "done" });
  strictEqual((await socket.receive()).kind, "close");
});

Deno.test("Our client is refused by Deno.serve with status and body", async () => {
  await using server = Deno.serve(
    { hostname: HOSTNAME, port: 0, onListen() {} },
    () => Response.json({ message: "You are signed out" }, { status: 401 }),
  );
  using conn = await Deno.connect({ hostname: HOSTNAME, port: server.addr.port });
  const upgrade = new HttpUpgradeClient({ path: "/", host: HOSTNAME, upgrade: "DERP", random });
  await writeAll(conn, upgrade.request());
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await conn.read(buffer);
    const result = count === null
      ? upgrade.handleEnd()
      : upgrade.handleBytes(buffer.subarray(0, count));
    if (result === undefined) continue;
    ok(result.kind === "refused");
    strictEqual(result.status, 401);
    deepStrictEqual(JSON.parse(new TextDecoder().decode(result.body)), {
      message: "You are signed out",
    });
    return;
  }
});

Deno.test("Our server talks with new WebSocket", async () => {
  using listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
  const { port } = listener.addr;
  const serving = serveOneEcho(listener);
  const socket = new WebSocket(`ws://${HOSTNAME}:${port}/derp`, "derp");
  socket.binaryType = "arraybuffer";
  const events = eventsOf(socket);
  strictEqual((await events()).type, "open");
  strictEqual(socket.protocol, "derp");
  for (const size of SIZES) {
    socket.send(payload(size));
    const event = await events();
    ok(event instanceof MessageEvent);
    deepStrictEqual(new Uint8Array(event.data), payload(size));
  }
  socket.send("grüß");
  const event = await events();
  ok(event instanceof MessageEvent);
  strictEqual(event.data, "grüß");
  socket.close(1000, "done");
  strictEqual((await events()).type, "close");
  deepStrictEqual(await serving, { kind: "close", code: 1000, reason: "done" });
});

async function serveOneEcho(listener: Deno.Listener): Promise<WebsocketMessage> {
  using conn = await listener.accept();
  const upgrade = new HttpUpgradeServer();
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await conn.read(buffer) ?? 0;
    const request = upgrade.handleBytes(buffer.subarray(0, count));
    if (request === undefined) continue;
    await writeAll(conn, upgrade.accept({ protocol: "derp" }));
    const socket = new TestSocket(conn, { role: "server", random }, request.rest);
    // A ping first: Deno answers it by itself.
    socket.core.ping(payload(3));
    for (;;) {
      const message = await socket.receive();
      if (message.kind === "close") return message;
      if (message.kind === "pong") deepStrictEqual(message.bytes, payload(3));
      else {
        const opcode = message.kind === "text" ? Opcode.text : Opcode.binary;
        await socket.send(opcode, message.bytes);
      }
    }
  }
}

/** The socket's events one by one, as a function that awaits the next. */
function eventsOf(socket: WebSocket): () => Promise<Event> {
  const waiting: ((event: Event) => void)[] = [];
  const arrived: Event[] = [];
  const take = (event: Event) => {
    const next = waiting.shift();
    if (next === undefined) arrived.push(event);
    else next(event);
  };
  for (const type of ["open", "message", "close", "error"]) socket.addEventListener(type, take);
  return () => {
    const event = arrived.shift();
    if (event !== undefined) return Promise.resolve(event);
    return new Promise((resolve) => waiting.push(resolve));
  };
}
