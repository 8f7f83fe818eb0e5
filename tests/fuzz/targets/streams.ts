/** Decoders of byte streams: any bytes, in any pieces; what breaks the protocol is declared and ends that connection. */
import { concatBytes } from "../../../lib/base/bytes.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import { EventStreamParser } from "../../../lib/coder/sse.ts";
import { generatePrivateKey, publicKey } from "../../../lib/crypto/x25519.ts";
import { DerpClient, DerpSwitchboard } from "../../../lib/derp/mod.ts";
import { DrpcClientCall, DrpcServerCall } from "../../../lib/drpc/mod.ts";
import {
  bodyLengthOf,
  HttpBodyReader,
  HttpExchange,
  parseRequestHead,
} from "../../../lib/http1/mod.ts";
import { HttpHeadReader } from "../../../lib/http1/head.ts";
import { SocksHandshake } from "../../../lib/ssh/socks.ts";
import {
  encodeFrame,
  HttpUpgradeClient,
  HttpUpgradeServer,
  Opcode,
  WebsocketConnection,
} from "../../../lib/websocket/mod.ts";
import { YamuxSession } from "../../../lib/yamux/mod.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { type FuzzTarget, pieces } from "../target.ts";

const isProtocolError = (error: unknown): boolean => error instanceof ProtocolError;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const NODE_KEY = generatePrivateKey(new SeededRandom(11));

/** Type, length u32be, payload (coder/tailscale `derp/derp.go`). */
function derpFrame(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + payload.length);
  frame[0] = type;
  new DataView(frame.buffer).setUint32(1, payload.length);
  frame.set(payload, 5);
  return frame;
}

/** Version u8, type u8, flags u16be, stream id u32be, length u32be (hashicorp/yamux `spec.md`). */
function yamuxFrame(
  type: number,
  flags: number,
  id: number,
  body: Uint8Array | number,
): Uint8Array {
  const data = typeof body === "number" ? new Uint8Array(0) : body;
  const frame = new Uint8Array(12 + data.length);
  const view = new DataView(frame.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, id);
  view.setUint32(8, typeof body === "number" ? body : data.length);
  frame.set(data, 12);
  return frame;
}

const DERP_GREETING = derpFrame(1, concatBytes(utf8("DERP🔑"), publicKey(NODE_KEY)));

const derpClient: FuzzTarget = {
  room: "derp",
  name: "client",
  corpus: [
    DERP_GREETING,
    concatBytes(DERP_GREETING, derpFrame(3, new Uint8Array(80))),
    concatBytes(
      DERP_GREETING,
      derpFrame(0x0c, new Uint8Array(8)),
      derpFrame(0x0d, new Uint8Array(8)),
    ),
    concatBytes(
      DERP_GREETING,
      derpFrame(5, new Uint8Array(132).fill(7)),
      derpFrame(8, new Uint8Array(33)),
      derpFrame(6, new Uint8Array(0)),
      derpFrame(0x15, utf8("restarting")),
    ),
  ],
  isDeclared: isProtocolError,
  run(input, random) {
    const client = new DerpClient({ privateKey: NODE_KEY, publicKey: publicKeyOnce(), random });
    let now = 0;
    for (const piece of pieces(input, random)) {
      client.handleBytes(piece, now += random.below(2_000));
      while (client.pollEvent() !== undefined);
      if (random.chance(0.3)) client.handleTimeout(now);
      while (client.pollTransmit() !== undefined);
    }
  },
};

let knownPublicKey: Uint8Array | undefined;

function publicKeyOnce(): Uint8Array {
  knownPublicKey ??= publicKey(NODE_KEY);
  return knownPublicKey;
}

const derpServer: FuzzTarget = {
  room: "derp",
  name: "switchboard",
  corpus: [
    derpFrame(2, new Uint8Array(32 + 24 + 60)),
    concatBytes(derpFrame(4, new Uint8Array(100)), derpFrame(0x0c, new Uint8Array(8))),
  ],
  isDeclared: isProtocolError,
  run(input, random) {
    const board = new DerpSwitchboard({ privateKey: NODE_KEY, publicKey: publicKeyOnce(), random });
    const connection = board.connect(0);
    const into = new Uint8Array(4_096);
    for (const piece of pieces(input, random)) {
      board.handleBytes(connection, piece, 0);
      while (board.pollEvent() !== undefined);
      connection.pollTransmit(into);
    }
  },
};

const YAMUX_CORPUS = [
  concatBytes(
    yamuxFrame(1, 1, 1, 262_144),
    yamuxFrame(0, 0, 1, utf8("hello")),
    yamuxFrame(0, 4, 1, 0),
  ),
  concatBytes(yamuxFrame(2, 1, 0, 7), yamuxFrame(2, 2, 0, 7), yamuxFrame(3, 0, 0, 0)),
  concatBytes(
    yamuxFrame(1, 2, 1, 0),
    yamuxFrame(0, 0, 1, new Uint8Array(300)),
    yamuxFrame(1, 8, 1, 0),
  ),
];

const yamux: FuzzTarget = {
  room: "yamux",
  name: "session, both roles",
  corpus: YAMUX_CORPUS,
  isDeclared: isProtocolError,
  run(input, random) {
    const role = random.chance(0.5) ? "client" : "server";
    const session = new YamuxSession({ role }, 0);
    const own = session.openStream(0);
    let now = 0;
    for (const piece of pieces(input, random)) {
      session.handleBytes(piece, now += random.below(1_000));
      for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
        if (event.kind === "readable") { while (event.stream.read().length > 0); }
        if (event.kind === "accepted" && random.chance(0.5)) event.stream.write(utf8("yes"));
      }
      if (random.chance(0.1)) own.write(utf8("more"));
      if (random.chance(0.2)) session.handleTimeout(now);
      while (session.pollTransmit() !== undefined);
    }
  },
};

const DRPC_CORPUS = [
  // control (kind << 1 | done), stream id, message id, length, data (storj.io/drpc `drpcwire`)
  Uint8Array.of(0b0000_0011, 1, 1, 3, 97, 98, 99, 0b0000_0101, 1, 2, 1, 7),
  Uint8Array.of(0b0000_0111, 1, 3, 9, 0, 0, 0, 0, 0, 0, 0, 12, 120, 0b0000_1011, 1, 4, 0),
  Uint8Array.of(0b0000_0100, 1, 1, 2, 1, 2, 0b0000_0101, 1, 1, 2, 3, 4),
];

const drpc: FuzzTarget = {
  room: "drpc",
  name: "calls, both roles",
  corpus: DRPC_CORPUS,
  isDeclared: isProtocolError,
  run(input, random) {
    const call = random.chance(0.5) ? new DrpcClientCall("/a.B/C") : new DrpcServerCall();
    for (const piece of pieces(input, random)) {
      call.handleBytes(piece);
      while (call.pollEvent() !== undefined);
      while (call.pollTransmit() !== undefined);
    }
    call.handleEnd();
  },
};

function frames(role: "client" | "server", random: SeededRandom): Uint8Array {
  const frame = (opcode: Opcode, payload: Uint8Array, more?: "more") =>
    encodeFrame({ role, random, opcode, isFinal: more === undefined }, payload);
  return concatBytes(
    frame(Opcode.text, utf8("text")),
    frame(Opcode.binary, new Uint8Array(300), "more"),
    frame(Opcode.ping, utf8("?")),
    frame(Opcode.continuation, utf8("end")),
    frame(Opcode.close, Uint8Array.of(3, 232)),
  );
}

function websocketTarget(role: "client" | "server"): FuzzTarget {
  const peer = role === "client" ? "server" : "client";
  return {
    room: "websocket",
    name: `connection as ${role}`,
    corpus: [frames(peer, new SeededRandom(1)), frames(peer, new SeededRandom(2))],
    isDeclared: isProtocolError,
    run(input, random) {
      const connection = new WebsocketConnection({
        role,
        random,
        stream: random.chance(0.5),
        maxMessageBytes: 70_000,
      });
      for (const piece of pieces(input, random)) {
        connection.handleBytes(piece);
        while (connection.pollMessage() !== undefined);
        while (connection.pollTransmit() !== undefined);
      }
    },
  };
}

const ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4;x=y\r\nabcd\r\n0\r\nTrailer: 1\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\nrest",
  "HTTP/1.1 302 Found\r\nLocation: https://b.example/\r\nSet-Cookie: a=b \t \t \r\n\r\n",
].map(utf8);

const upgradeClient: FuzzTarget = {
  room: "websocket",
  name: "upgrade as client",
  corpus: ANSWERS,
  isDeclared: isProtocolError,
  run(input, random) {
    const upgrade = random.chance(0.5) ? "DERP" : "websocket";
    const client = new HttpUpgradeClient({ path: "/derp", host: "h", upgrade, random });
    for (const piece of pieces(input, random)) {
      if (client.handleBytes(piece) !== undefined) return;
    }
    client.handleEnd();
  },
};

const upgradeServer: FuzzTarget = {
  room: "websocket",
  name: "upgrade as server",
  corpus: [
    utf8(
      "GET /x?y=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ),
    utf8("GET /derp HTTP/1.1\r\nHost: h\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n"),
  ],
  isDeclared: isProtocolError,
  run(input, random) {
    const server = new HttpUpgradeServer();
    for (const piece of pieces(input, random)) {
      if (server.handleBytes(piece) !== undefined) return;
    }
  },
};

const exchange: FuzzTarget = {
  room: "http1",
  name: "exchange as client",
  corpus: ANSWERS,
  isDeclared: isProtocolError,
  run(input, random) {
    const method = random.chance(0.8) ? "GET" : "HEAD";
    const one = new HttpExchange({ method, target: "/", host: "h", headers: [] });
    for (const piece of pieces(input, random)) {
      if (one.isEnded) return;
      one.handleBytes(piece);
      while (one.pollData() !== undefined);
    }
    if (!one.isEnded) one.handleEnd();
  },
};

const request: FuzzTarget = {
  room: "http1",
  name: "request as server",
  corpus: [
    utf8("POST /api/v2/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd"),
    utf8("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
  ],
  isDeclared: isProtocolError,
  run(input, random) {
    const reader = new HttpHeadReader();
    let body: HttpBodyReader | undefined;
    for (const piece of pieces(input, random)) {
      let rest = piece;
      if (body === undefined) {
        const text = reader.handleBytes(piece);
        if (text === undefined) continue;
        const head = parseRequestHead(text);
        body = new HttpBodyReader(bodyLengthOf(head.headers, { kind: "request" }));
        rest = reader.rest;
      }
      body.handleBytes(rest);
      while (body.pollData() !== undefined);
      if (body.isEnded) return;
    }
    body?.handleEnd();
  },
};

const eventStream: FuzzTarget = {
  room: "coder",
  name: "server-sent events",
  corpus: [
    utf8('event: data\ndata: {"a":1}\n\n: comment\n\nevent: ping\n\n'),
    utf8("\ufeffid: 1\r\ndata: a\r\ndata: b\r\rretry: 10\n\n"),
  ],
  isDeclared: isProtocolError,
  run(input, random) {
    const parser = new EventStreamParser();
    for (const piece of pieces(input, random)) {
      parser.handleBytes(piece);
      while (parser.pollEvent() !== undefined);
    }
  },
};

const socks: FuzzTarget = {
  room: "ssh",
  name: "SOCKS handshake",
  corpus: [
    Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80),
    Uint8Array.of(5, 2, 0, 2, 5, 1, 0, 3, 4, 104, 111, 115, 116, 1, 187),
    Uint8Array.of(4, 1, 0, 80, 0, 0, 0, 1, 117, 0, 104, 111, 115, 116, 0),
  ],
  run(input, random) {
    const handshake = new SocksHandshake();
    for (const piece of pieces(input, random)) {
      handshake.handleInput(piece);
      for (let out = handshake.pollOutput(); out !== undefined; out = handshake.pollOutput()) {
        if (out.kind !== "reply") return;
      }
    }
  },
};

export const STREAM_TARGETS: readonly FuzzTarget[] = [
  derpClient,
  derpServer,
  yamux,
  drpc,
  websocketTarget("client"),
  websocketTarget("server"),
  upgradeClient,
  upgradeServer,
  exchange,
  request,
  eventStream,
  socks,
];
