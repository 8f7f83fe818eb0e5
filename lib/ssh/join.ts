/** Two byte streams made one: all that is read from either is written to the other, each end by itself. */
import { type ByteStream, StreamError } from "../base/stream.ts";

const COPY_BYTES = 64 * 1024;

/** What ended a pair of streams in its middle. */
export interface BrokenJoin {
  /** The one that broke; the other was aborted for it. */
  readonly stream: ByteStream;
  readonly error: StreamError;
}

/**
 * Copies both ways until both directions have ended. A half-close is passed on as a half-close.
 * When one side breaks the other is aborted: resolves with that, and with nothing after an orderly end.
 */
export async function joinStreams(a: ByteStream, b: ByteStream): Promise<BrokenJoin | undefined> {
  let broken: BrokenJoin | undefined;
  const copy = async (from: ByteStream, to: ByteStream) => {
    const buffer = new Uint8Array(COPY_BYTES);
    let at = from;
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        at = to;
        await to.write(buffer.subarray(0, count));
        at = from;
      }
      at = to;
      await to.closeWrite();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      broken ??= { stream: at, error };
      a.abort(error.message);
      b.abort(error.message);
    }
  };
  await Promise.all([copy(a, b), copy(b, a)]);
  return broken;
}
