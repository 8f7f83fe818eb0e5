/** Two byte streams made one: all that is read from either is written to the other, each end by itself. */
import { type ByteStream, StreamError } from "../base/stream.ts";

const COPY_BYTES = 64 * 1024;

/**
 * Copies both ways until both directions have ended. A half-close is passed on as a half-close.
 * When one side breaks the other is aborted: resolves with that error, and with nothing after an orderly end.
 */
export async function joinStreams(a: ByteStream, b: ByteStream): Promise<StreamError | undefined> {
  let broken: StreamError | undefined;
  const copy = async (from: ByteStream, to: ByteStream) => {
    try {
      await copyToEnd(from, to);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      broken ??= error;
      a.abort(error.message);
      b.abort(error.message);
    }
  };
  await Promise.all([copy(a, b), copy(b, a)]);
  return broken;
}

/** Copies until the end of `from`, then half-closes `to`. Rejects with the `StreamError` of either. */
export async function copyToEnd(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await to.write(buffer.subarray(0, count));
  }
  await to.closeWrite();
}
