/** A websocket of text messages over the one dialer. */
import {
  type TextStream,
  type TextStreamRequest,
  type TextStreamResult,
  TransportError,
} from "../base/http.ts";
import { WebsocketConnection, WebsocketError } from "../websocket/mod.ts";
import { toTransportError } from "./dial_errors.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import {
  CLOSE_GRACE_MS,
  dialWebsocket,
  type OpenSocket,
  READ_CHUNK_BYTES,
  type WebsocketDialOptions,
  writeAll,
} from "./websocket_dial.ts";

/** Dials a websocket. Rejects with `TransportError`, or the signal's reason. */
export async function openTextStream(
  request: TextStreamRequest,
  options: WebsocketDialOptions,
): Promise<TextStreamResult> {
  const result = await dialWebsocket(request, options);
  if (result.kind === "refused") return result;
  return { kind: "open", stream: textStreamOf(request, result.socket) };
}

function textStreamOf(request: TextStreamRequest, socket: OpenSocket): TextStream {
  const { conn, release } = socket;
  const websocket = new WebsocketConnection({
    role: "client",
    random: SYSTEM_RANDOM,
    maxMessageBytes: request.maxMessageBytes,
  });
  let isClosing = false;
  let grace: ReturnType<typeof setTimeout> | undefined;
  let writing = Promise.resolve();
  const flush = () => {
    for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
      const bytes = frame;
      // A failed write shows as the end of reading, which reports it.
      writing = writing.then(() => writeAll(conn, bytes)).catch(() => {});
    }
  };
  async function* messages(): AsyncIterable<string> {
    const chunk = new Uint8Array(READ_CHUNK_BYTES);
    const decoder = new TextDecoder();
    chunk.set(socket.rest);
    let count: number | null = socket.rest.length;
    try {
      while (count !== null) {
        websocket.handleBytes(chunk.subarray(0, count));
        for (let message = websocket.pollMessage(); message; message = websocket.pollMessage()) {
          if (message.kind === "close") return;
          if (message.kind === "pong") continue;
          yield decoder.decode(message.bytes);
        }
        flush();
        count = await conn.read(chunk);
      }
      if (!isClosing) {
        throw new WebsocketError("connection ended without a close frame", { code: "cut" });
      }
    } catch (error) {
      request.signal?.throwIfAborted();
      if (isClosing) return;
      const isTooLarge = error instanceof WebsocketError && error.code === "message-too-large";
      throw isTooLarge ? tooLarge(socket.where, error) : toTransportError(socket.where, error);
    } finally {
      flush();
      // Words of goodbye that nobody reads are not waited for.
      grace ??= setTimeout(release, CLOSE_GRACE_MS);
      await writing;
      clearTimeout(grace);
      release();
    }
  }
  return {
    messages: messages(),
    close() {
      if (isClosing) return;
      isClosing = true;
      websocket.close(1000, "");
      flush();
      grace ??= setTimeout(release, CLOSE_GRACE_MS);
      Deno.unrefTimer(grace);
    },
  };
}

function tooLarge(where: string, error: WebsocketError): Error {
  return new TransportError("too-large", `${where}: ${error.message}`, error);
}
