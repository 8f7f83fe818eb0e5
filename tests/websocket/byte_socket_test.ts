/** A websocket as two streams of bytes: any bytes, any split, bounds, silence and ends. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/base/bytes.ts";
import { ByteSocket, type ByteSocketEnd } from "../../lib/websocket/byte_socket.ts";
import { encodeClose } from "../../lib/websocket/close.ts";
import { WebsocketConnection } from "../../lib/websocket/connection.ts";
import { WebsocketError } from "../../lib/websocket/errors.ts";
import { encodeFrame, Opcode } from "../../lib/websocket/frame.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow } from "../support/split.ts";

const random = new SeededRandom(7);
const SILENCE_MS = 10_000;

function frame(payload: Uint8Array, opcode: Opcode = Opcode.binary, isFinal = true): Uint8Array {
  return encodeFrame({ role: "server", random, opcode, isFinal }, payload);
}

function readAll(socket: ByteSocket, pieceBytes = 1_000): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    const into = new Uint8Array(pieceBytes);
    const count = socket.read(into);
    if (count === 0) return concatBytes(...parts);
    parts.push(into.subarray(0, count));
  }
}

function endOf(socket: ByteSocket): ByteSocketEnd | undefined {
  return socket.pollEvent()?.end;
}

/** What a server makes of the frames. */
function heard(frames: readonly Uint8Array[]) {
  const server = new WebsocketConnection({ role: "server", random });
  const messages: { kind: string; bytes: Uint8Array }[] = [];
  for (const each of frames) {
    server.handleBytes(each.slice());
    for (let m = server.pollMessage(); m; m = server.pollMessage()) {
      messages.push({ kind: m.kind, bytes: "bytes" in m ? m.bytes.slice() : new Uint8Array(0) });
    }
  }
  return messages;
}

Deno.test("ByteSocket gives what was sent, in any messages, fragments and pieces of the wire", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, fc.integer(), fc.integer({ min: 1, max: 600 }), (sent, seed, at) => {
      const any = new SeededRandom(seed);
      const wire: Uint8Array[] = [];
      let isOpen = false;
      for (const piece of sent) {
        const isFinal = any.chance(0.5);
        wire.push(frame(piece, isOpen ? Opcode.continuation : Opcode.binary, isFinal));
        isOpen = !isFinal;
        if (any.chance(0.2)) wire.push(frame(piece.subarray(0, 100), Opcode.ping));
      }
      const socket = new ByteSocket(random, 0);
      const got: Uint8Array[] = [];
      for (const chunk of splitAnyhow(concatBytes(...wire), any)) {
        socket.handleBytes(chunk, 1);
        if (any.chance(0.5)) got.push(readAll(socket, at));
      }
      got.push(readAll(socket, at));
      deepStrictEqual(concatBytes(...got), concatBytes(...sent));
      strictEqual(endOf(socket), undefined);
    }),
  );
});

Deno.test("ByteSocket sends any bytes in binary messages that no server finds too long", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 50_000 }), (bytes) => {
    const before = bytes.slice();
    const messages = heard(new ByteSocket(random, 0).write(bytes));
    deepStrictEqual(bytes, before); // borrowed
    ok(messages.every(({ kind, bytes }) => kind === "binary" && bytes.length <= 16_384));
    deepStrictEqual(concatBytes(...messages.map((m) => m.bytes)), bytes);
  }));
});

Deno.test("ByteSocket answers a ping, and says goodbye once", () => {
  const socket = new ByteSocket(random, 0);
  socket.handleBytes(frame(Uint8Array.of(1, 2), Opcode.ping), 1);
  const pong = socket.pollTransmit();
  deepStrictEqual(pong && heard([pong]), [{ kind: "pong", bytes: Uint8Array.of(1, 2) }]);
  socket.close();
  socket.close();
  const goodbye = socket.pollTransmit();
  strictEqual(goodbye && heard([goodbye])[0]?.kind, "close");
  strictEqual(socket.pollTransmit(), undefined);
  deepStrictEqual(socket.write(Uint8Array.of(1)), []);
  strictEqual(socket.pollTimeout(), undefined);
});

Deno.test("ByteSocket has no room beyond its bound until it is read, and asks nobody meanwhile", () => {
  const socket = new ByteSocket(random, 0);
  let now = 0;
  let sentBytes = 0;
  while (socket.hasRoom) {
    // Messages of one byte cost no more than others.
    const chunk = concatBytes(...Array.from({ length: 4_096 }, () => frame(Uint8Array.of(7))));
    socket.handleBytes(chunk, now);
    sentBytes += 4_096;
  }
  strictEqual(sentBytes, 256 * 1_024);
  for (let i = 0; i < 10; i++) {
    now = socket.pollTimeout() ?? NaN;
    socket.handleTimeout(now);
    strictEqual(socket.pollTransmit(), undefined);
  }
  strictEqual(endOf(socket), undefined);
  strictEqual(readAll(socket).length, sentBytes);
  ok(socket.hasRoom);
  now = socket.pollTimeout() ?? NaN;
  socket.handleTimeout(now);
  const ping = socket.pollTransmit();
  strictEqual(ping && heard([ping]).length, 0); // a ping, which the server answers by itself
});

Deno.test("ByteSocket asks a silent server, and gives up one that does not answer", () => {
  for (const answers of [true, false]) {
    const socket = new ByteSocket(random, 0);
    socket.handleBytes(frame(Uint8Array.of(1)), 3_000);
    strictEqual(socket.pollTimeout(), SILENCE_MS);
    socket.handleTimeout(SILENCE_MS);
    strictEqual(socket.pollTransmit(), undefined);
    const askAt = socket.pollTimeout() ?? NaN;
    strictEqual(askAt, 3_000 + SILENCE_MS);
    socket.handleTimeout(askAt);
    ok(socket.pollTransmit() !== undefined);
    strictEqual(endOf(socket), undefined);
    if (answers) socket.handleBytes(frame(new Uint8Array(0), Opcode.pong), askAt + 500);
    const next = socket.pollTimeout() ?? NaN;
    strictEqual(next, askAt + SILENCE_MS);
    socket.handleTimeout(next);
    deepStrictEqual(
      endOf(socket),
      answers ? undefined : { kind: "silent", lastedMs: 2 * SILENCE_MS },
    );
    strictEqual(socket.pollTimeout(), answers ? askAt + 500 + SILENCE_MS : undefined);
  }
});

Deno.test("ByteSocket: a machine that slept asks before it gives up", () => {
  const socket = new ByteSocket(random, 0);
  socket.handleTimeout(8 * 3_600_000);
  strictEqual(endOf(socket), undefined);
  ok(socket.pollTransmit() !== undefined);
});

Deno.test("ByteSocket tells the server's close once, and what came before it is still read", () => {
  const rows: readonly (readonly [payload: Uint8Array, end: ByteSocketEnd])[] = [
    [new Uint8Array(0), { kind: "closed", code: 1005, reason: "" }],
    [encodeClose(1000, ""), { kind: "closed", code: 1000, reason: "" }],
    [encodeClose(1011, "dial: no"), { kind: "closed", code: 1011, reason: "dial: no" }],
  ];
  for (const [payload, end] of rows) {
    const socket = new ByteSocket(random, 0);
    const last = frame(Uint8Array.of(9, 9));
    socket.handleBytes(concatBytes(last, frame(payload, Opcode.close), last), 1);
    deepStrictEqual(endOf(socket), end);
    strictEqual(endOf(socket), undefined);
    deepStrictEqual(readAll(socket), Uint8Array.of(9, 9));
    ok(socket.pollTransmit() !== undefined);
    socket.handleBytes(frame(Uint8Array.of(1)), 2);
    strictEqual(readAll(socket).length, 0);
  }
});

Deno.test("ByteSocket throws for what is no websocket, and for nothing else", () => {
  throws(() => new ByteSocket(random, 0).handleBytes(Uint8Array.of(0xff, 0xff), 1), WebsocketError);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    try {
      new ByteSocket(random, 0).handleBytes(bytes.slice(), 1);
    } catch (error) {
      ok(error instanceof WebsocketError);
    }
  }));
});
