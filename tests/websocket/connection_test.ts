/** Messages, control frames and closing, in both roles. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { WebsocketConnection, type WebsocketMessage } from "../../lib/websocket/connection.ts";
import { WebsocketError } from "../../lib/websocket/errors.ts";
import { encodeFrame, Opcode, type Role } from "../../lib/websocket/frame.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";

const random = new SeededRandom(2);

function connect(role: Role, more: { stream?: boolean; maxMessageBytes?: number } = {}) {
  return new WebsocketConnection({ role, random, ...more });
}

/** All messages of the chunks, copied. */
function receive(connection: WebsocketConnection, chunks: readonly Uint8Array[]) {
  const messages: WebsocketMessage[] = [];
  for (const chunk of chunks) {
    connection.handleBytes(chunk);
    for (let m = connection.pollMessage(); m; m = connection.pollMessage()) {
      messages.push(m.kind === "close" ? m : { ...m, bytes: m.bytes.slice() });
    }
  }
  return messages;
}

function send(connection: WebsocketConnection): string[] {
  const sent: string[] = [];
  for (let f = connection.pollTransmit(); f; f = connection.pollTransmit()) sent.push(toHex(f));
  return sent;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

Deno.test("WebsocketConnection reads the examples of RFC 6455 §5.7", async (t) => {
  const hello = { kind: "text", bytes: text("Hello"), final: true } as const;
  const rows: { name: string; role: Role; in: string; out: WebsocketMessage[] }[] = [
    { name: "unmasked", role: "client", in: "810548656c6c6f", out: [hello] },
    { name: "masked", role: "server", in: "818537fa213d7f9f4d5158", out: [hello] },
    { name: "fragmented", role: "client", in: "010348656c" + "80026c6f", out: [hello] },
    {
      name: "256 bytes",
      role: "client",
      in: "827e0100" + "ab".repeat(256),
      out: [{ kind: "binary", bytes: new Uint8Array(256).fill(0xab), final: true }],
    },
    {
      name: "64 KiB",
      role: "client",
      in: "827f0000000000010000" + "ab".repeat(65_536),
      out: [{ kind: "binary", bytes: new Uint8Array(65_536).fill(0xab), final: true }],
    },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      deepStrictEqual(receive(connect(row.role), [fromHex(row.in)]), row.out);
      deepStrictEqual(receive(connect(row.role), splitToBytes(fromHex(row.in))), row.out);
    });
  }
  await t.step("ping is answered by a pong with its payload", () => {
    const connection = connect("server");
    receive(connection, [fromHex("898537fa213d7f9f4d5158")]);
    deepStrictEqual(send(connection), ["8a0548656c6c6f"]);
  });
});

Deno.test("WebsocketConnection answers a ping between fragments (RFC 6455 §5.4)", () => {
  const connection = connect("client");
  const messages = receive(connection, [fromHex("010348656c" + "890131" + "80026c6f")]);
  deepStrictEqual(messages, [{ kind: "text", bytes: text("Hello"), final: true }]);
  strictEqual(send(connection).length, 1);
});

Deno.test("WebsocketConnection answers only the last of many pings (RFC 6455 §5.5.3)", () => {
  const connection = connect("server");
  const pings = ["one", "two"].map((payload) =>
    encodeFrame({ role: "client", random, opcode: Opcode.ping }, text(payload))
  );
  receive(connection, [concatBytes(...pings)]);
  deepStrictEqual(send(connection), ["8a03" + toHex(text("two"))]);
});

Deno.test("WebsocketConnection hands out the pong to a ping of ours", () => {
  const connection = connect("server");
  connection.ping(text("x"));
  deepStrictEqual(send(connection), ["8901" + toHex(text("x"))]);
  const pong = encodeFrame({ role: "client", random, opcode: Opcode.pong }, text("x"));
  deepStrictEqual(receive(connection, [pong]), [{ kind: "pong", bytes: text("x") }]);
});

Deno.test("WebsocketConnection echoes a close and hears nothing after it (RFC 6455 §5.5.1)", () => {
  const connection = connect("client");
  const close = "8806" + "03e9" + toHex(text("away"));
  const messages = receive(connection, [fromHex(close + "8101" + "41"), fromHex("810141")]);
  deepStrictEqual(messages, [{ kind: "close", code: 1001, reason: "away" }]);
  strictEqual(connection.state, "closed");
  ok(!connection.canSend);
  const reply = send(connection);
  strictEqual(reply.length, 1);
  const server = connect("server");
  deepStrictEqual(receive(server, [fromHex(reply[0] ?? "")]), [
    { kind: "close", code: 1001, reason: "" },
  ]);
});

Deno.test("WebsocketConnection.close() goes out once, then awaits the peer's", () => {
  const connection = connect("server");
  connection.close(1000, "done");
  connection.close(1001);
  strictEqual(connection.state, "closing");
  deepStrictEqual(send(connection), ["880603e8" + toHex(text("done"))]);
  const close = encodeFrame({ role: "client", random, opcode: Opcode.close }, fromHex("03e8"));
  deepStrictEqual(receive(connection, [close]), [{ kind: "close", code: 1000, reason: "" }]);
  deepStrictEqual(send(connection), []);
  throws(() => connection.close(1005), RangeError);
  throws(() => connection.close(1000, "x".repeat(124)), RangeError);
});

Deno.test("WebsocketConnection refuses what RFC 6455 forbids, with the close code", async (t) => {
  const rows: { name: string; role: Role; in: string; code: string; closeCode?: number }[] = [
    { name: "masked by the server", role: "client", in: "818537fa213d", code: "bad-mask" },
    { name: "unmasked by the client", role: "server", in: "8105", code: "bad-mask" },
    { name: "RSV1", role: "client", in: "c100", code: "reserved-bits" },
    { name: "RSV3", role: "client", in: "9100", code: "reserved-bits" },
    { name: "opcode 3", role: "client", in: "8300", code: "bad-opcode" },
    { name: "opcode 11", role: "client", in: "8b00", code: "bad-opcode" },
    { name: "125 in two bytes", role: "client", in: "827e007d", code: "bad-length" },
    {
      name: "65535 in eight bytes",
      role: "client",
      in: "827f000000000000ffff",
      code: "bad-length",
    },
    { name: "2^63", role: "client", in: "827f8000000000000000", code: "bad-length" },
    { name: "2^53", role: "client", in: "827f0020000000000000", code: "bad-length" },
    { name: "fragmented ping", role: "client", in: "0900", code: "bad-control" },
    { name: "long ping", role: "client", in: "897e", code: "bad-control" },
    { name: "continuation of nothing", role: "client", in: "8000", code: "bad-fragment" },
    {
      name: "message inside another",
      role: "client",
      in: "0101418200",
      code: "bad-fragment",
    },
    { name: "close of one byte", role: "client", in: "880103", code: "bad-close" },
    { name: "close with 1005", role: "client", in: "880203ed", code: "bad-close" },
    {
      name: "close, not UTF-8",
      role: "client",
      in: "880303e8ff",
      code: "bad-close",
      closeCode: 1007,
    },
    { name: "text, not UTF-8", role: "client", in: "8101ff", code: "bad-utf8", closeCode: 1007 },
    { name: "long", role: "client", in: "827e03e900", code: "message-too-large", closeCode: 1009 },
    {
      name: "long in fragments",
      role: "client",
      in: "027e01f4" + "00".repeat(500) + "807e01f500",
      code: "message-too-large",
      closeCode: 1009,
    },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const connection = connect(row.role, { maxMessageBytes: 1000 });
      let thrown: unknown;
      try {
        receive(connection, splitToBytes(fromHex(row.in)));
      } catch (error) {
        thrown = error;
      }
      ok(thrown instanceof WebsocketError);
      strictEqual(thrown.code, row.code);
      strictEqual(thrown.closeCode, row.closeCode ?? 1002);
      strictEqual(connection.state, "failed");
      const peer = connect(row.role === "client" ? "server" : "client");
      const sent = send(connection).map(fromHex);
      deepStrictEqual(receive(peer, sent), [
        { kind: "close", code: row.closeCode ?? 1002, reason: "" },
      ]);
    });
  }
});

Deno.test("WebsocketConnection with stream hands out views of the chunk, without a limit", () => {
  const connection = connect("client", { stream: true, maxMessageBytes: 1 });
  const chunk = fromHex("027e0100" + "ab".repeat(256) + "8000" + "8201cd" + "8203aa");
  connection.handleBytes(chunk);
  const views: { offset: number; length: number; final: boolean }[] = [];
  for (let m = connection.pollMessage(); m; m = connection.pollMessage()) {
    if (m.kind !== "binary") throw new TypeError(m.kind);
    strictEqual(m.bytes.buffer, chunk.buffer);
    views.push({ offset: m.bytes.byteOffset, length: m.bytes.length, final: m.final });
  }
  deepStrictEqual(views, [
    { offset: 4, length: 256, final: false },
    { offset: 264, length: 1, final: true },
    { offset: 267, length: 1, final: false },
  ]);
});

Deno.test("WebsocketConnection refuses a chunk before the last one was drained", () => {
  const connection = connect("client");
  connection.handleBytes(fromHex("8100"));
  throws(() => connection.handleBytes(fromHex("8100")), TypeError);
});

const messageArbitrary = fc.record({
  isText: fc.boolean(),
  fragments: fc.array(fc.integer({ min: 0, max: 70_000 }).map((n) => n < 60_000 ? n % 300 : n), {
    minLength: 1,
    maxLength: 4,
  }),
  pings: fc.integer({ min: 0, max: 1 }),
});

Deno.test("WebsocketConnection of one role reads what the other wrote, however it is cut", () => {
  fc.assert(
    fc.property(
      fc.array(messageArbitrary, { maxLength: 6 }),
      fc.nat(),
      fc.boolean(),
      fc.boolean(),
      (messages, seed, fromClient, stream) => {
        const rng = new SeededRandom(seed);
        const role: Role = fromClient ? "client" : "server";
        const wire: Uint8Array[] = [];
        const wanted: WebsocketMessage[] = [];
        for (const message of messages) {
          const pieces: Uint8Array[] = [];
          message.fragments.forEach((length, i) => {
            const piece = new Uint8Array(length).fill(65 + i);
            pieces.push(piece);
            const start = message.isText ? Opcode.text : Opcode.binary;
            const opcode = i === 0 ? start : Opcode.continuation;
            const isFinal = i === message.fragments.length - 1;
            wire.push(encodeFrame({ role, random: rng, opcode, isFinal }, piece));
            if (message.pings > 0) {
              wire.push(
                encodeFrame({ role, random: rng, opcode: Opcode.ping }, piece.subarray(0, 9)),
              );
            }
          });
          const kind = message.isText ? "text" : "binary";
          wanted.push({ kind, bytes: concatBytes(...pieces), final: true });
        }
        const connection = connect(fromClient ? "server" : "client", { stream });
        const chunks = splitAnyhow(concatBytes(...wire), rng, 5000);
        const received = receive(connection, chunks);
        if (stream) deepStrictEqual(dataOf(received), dataOf(wanted));
        else deepStrictEqual(received, wanted);
      },
    ),
    { numRuns: 100 },
  );
});

function dataOf(messages: readonly WebsocketMessage[]): Uint8Array {
  return concatBytes(...messages.map((m) => m.kind === "close" ? new Uint8Array(0) : m.bytes));
}

Deno.test("WebsocketConnection throws only WebsocketError for random bytes", () => {
  const rng = new SeededRandom(77);
  for (let round = 0; round < 3000; round++) {
    const connection = connect(round % 2 === 0 ? "client" : "server", {
      stream: rng.chance(0.5),
      maxMessageBytes: 500,
    });
    const bytes = new Uint8Array(rng.below(120));
    rng.fill(bytes);
    // Mostly plausible first bytes, or nothing gets past them.
    bytes[0] = [0x82, 0x81, 0x02, 0x80, 0x89, 0x88][rng.below(6)] ?? 0;
    bytes[1] = (round % 2 === 0 ? 0 : 0x80) | rng.below(128);
    try {
      receive(connection, splitAnyhow(bytes, rng, 40));
    } catch (error) {
      ok(error instanceof WebsocketError, String(error));
    }
  }
});
