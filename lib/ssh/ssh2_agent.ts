/** The local SSH agent as npm ssh2 wants it: whatever the workspace opens to it leads to a connection of its own. */
import { ExpectedError } from "../base/errors.ts";
import { type ByteStream, StreamError } from "../base/stream.ts";
import { ByteStreamDuplex } from "./duplex.ts";
import type { Ssh2Agent } from "./ssh2_types.ts";

/** Connections at a time; each program of the workspace that signs uses one, for a moment. */
const MAX_CONNECTIONS = 64;

/** `base` is an instance of ssh2's `BaseAgent`. */
export function forwardedAgent(base: object, dial: () => Promise<ByteStream>): Ssh2Agent {
  let open = 0;
  const connect = async (): Promise<ByteStream> => {
    if (open >= MAX_CONNECTIONS) throw new ExpectedError("Too many connections to the agent");
    open++;
    try {
      const stream = await dial();
      stream.closed.then(() => open--);
      return stream;
    } catch (error) {
      open--;
      throw error;
    }
  };
  const getStream: Ssh2Agent["getStream"] = (done) => {
    connect().then(
      (stream) =>
        done(undefined, new ByteStreamDuplex(endOnBreak(stream), { allowHalfOpen: true })),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  };
  return Object.assign(base, { getStream });
}

/** ssh2 pipes agent connections and handles no errors: one that breaks has to look like one that ends. */
function endOnBreak(stream: ByteStream): ByteStream {
  const quiet = async <Value>(operation: Promise<Value>, otherwise: Value): Promise<Value> => {
    try {
      return await operation;
    } catch (error) {
      if (error instanceof StreamError) return otherwise;
      throw error;
    }
  };
  return {
    closed: stream.closed,
    read: (into) => quiet<number | null>(stream.read(into), null),
    write: (bytes) => quiet(stream.write(bytes), undefined),
    closeWrite: () => stream.closeWrite(),
    abort: (message) => stream.abort(message),
  };
}
