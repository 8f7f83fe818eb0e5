/** What the two sides of a shared tunnel read of each other: frames in any pieces, and what is in them. */
import { concatBytes } from "../../../lib/base/bytes.ts";
import {
  encodeFrame,
  FrameReader,
  FrameType,
  MAX_PAYLOAD_BYTES,
  SharingError,
} from "../../../lib/sharing/frame.ts";
import { decodeChallenge, decodeHello, encodeHello } from "../../../lib/sharing/greeting.ts";
import {
  decodeEnd,
  decodePing,
  decodePong,
  decodePort,
  decodeReport,
  decodeSilence,
  encodeEnd,
  encodePing,
  encodePort,
} from "../../../lib/sharing/message.ts";
import { decodeSettings } from "../../../lib/sharing/settings.ts";
import { type FuzzTarget, pieces } from "../target.ts";

const isSharingError = (error: unknown): boolean => error instanceof SharingError;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const REPORT = utf8(
  '{"ping":{"latencyMs":1,"relay":"a","isDirect":true},"diagnostics":{"hasToldNode":true},"latencies":{"a":1}}',
);
const SETTINGS = utf8(
  '{"folder":"/x","name":"n","agentId":"a","deploymentUrl":"http://a/","network":{},"token":"t","headers":[["a","b"]],' +
    '"userAgent":"u","forcesWebsocket":false,"beginsWithWebsocket":false,"disablesDirect":true}',
);

const frames: FuzzTarget = {
  room: "sharing",
  name: "frames",
  corpus: [
    encodeFrame(FrameType.hello, encodeHello(new Uint8Array(32))),
    concatBytes(
      encodeFrame(FrameType.open, encodePort(22)),
      encodeFrame(FrameType.data, utf8("SSH-2.0-x\r\n")),
      encodeFrame(FrameType.fin, new Uint8Array(0)),
      encodeFrame(FrameType.ended, encodeEnd({ kind: "lost", message: "gone" })),
    ),
    encodeFrame(FrameType.attached, REPORT),
    encodeFrame(FrameType.data, new Uint8Array(MAX_PAYLOAD_BYTES)),
  ],
  isDeclared: isSharingError,
  run(input, random) {
    const reader = new FrameReader();
    for (const piece of pieces(input, random)) {
      for (let at = 0; at < piece.length;) {
        const space = reader.space();
        const part = piece.subarray(at, at + space.length);
        if (part.length === 0) throw new Error("no room");
        space.set(part);
        reader.handleRead(part.length);
        at += part.length;
        for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
          if (frame.payload.length > MAX_PAYLOAD_BYTES) throw new Error("too long");
        }
      }
    }
  },
};

const messages: FuzzTarget = {
  room: "sharing",
  name: "messages",
  corpus: [
    REPORT,
    concatBytes(new Uint8Array(4), REPORT),
    concatBytes(Uint8Array.of(0, 0, 0, SETTINGS.length), SETTINGS),
    encodeHello(new Uint8Array(32)),
    new Uint8Array(64),
    encodePing({ id: 1, timeoutMs: 5_000 }),
    encodeEnd({ kind: "reset", message: "refused" }),
  ],
  isDeclared: isSharingError,
  run(input) {
    for (
      const decode of [
        decodeHello,
        decodeChallenge,
        decodeReport,
        decodeSilence,
        decodePing,
        decodePong,
        decodePort,
        decodeEnd,
        decodeSettings,
      ]
    ) {
      try {
        decode(input);
      } catch (error) {
        if (!isSharingError(error)) throw error;
      }
    }
  },
};

export const SHARING_TARGETS: readonly FuzzTarget[] = [frames, messages];
