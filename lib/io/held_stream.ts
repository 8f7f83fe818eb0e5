/** The two ways between a program's socket and its stream to the agent, in the process that holds the tunnel. */
import { ExpectedError } from "../base/errors.ts";
import { type ByteStream, StreamError } from "../base/stream.ts";
import { type Frame, FrameType, MAX_PAYLOAD_BYTES } from "../sharing/frame.ts";
import type { FramedSocket } from "./framed_socket.ts";

/** From the agent to the program. Resolves at the stream's end, however it came. Rejects with `StreamError` when the program has gone. */
export async function carryDown(stream: ByteStream, socket: FramedSocket): Promise<void> {
  const chunk = new Uint8Array(MAX_PAYLOAD_BYTES);
  for (;;) {
    let count: number | null;
    try {
      count = await stream.read(chunk);
    } catch (error) {
      if (error instanceof StreamError) return; // its end says how
      throw error;
    }
    if (count === null) return await socket.send(FrameType.fin);
    await socket.send(FrameType.data, chunk.subarray(0, count));
  }
}

/** From the program to the agent, until the program has gone; what the agent does not take any more is dropped. `first` is the next frame. */
export async function carryUp(
  socket: FramedSocket,
  stream: ByteStream,
  first: Promise<Frame | undefined>,
): Promise<void> {
  let isTaking = true;
  try {
    for (let frame = await first; frame !== undefined; frame = await socket.next()) {
      if (!isTaking) continue;
      try {
        if (frame.type === FrameType.data) await stream.write(frame.payload);
        if (frame.type === FrameType.fin) await stream.closeWrite();
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
        isTaking = false;
      }
    }
    stream.abort("The program that used the connection has gone");
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    stream.abort(error.message);
  }
}

/** Whoever asked and goes before there is an answer is not worth a connection. Nothing but its end comes so early. */
export async function awaitGone(
  first: Promise<Frame | undefined>,
  onGone: () => void,
): Promise<void> {
  try {
    if (await first !== undefined) return;
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
  }
  onGone();
}
