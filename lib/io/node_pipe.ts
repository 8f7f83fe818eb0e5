/** Windows named pipes (and, for its test, unix sockets) through Node's layer, which is loaded for them only. */
import { connect } from "node:net";
import type { HalfCloseConn } from "./conn_stream.ts";

/** Connects to a pipe by its path. Rejects with the platform's error. */
export async function connectPipe(path: string): Promise<HalfCloseConn> {
  const socket = connect({ path, allowHalfOpen: true });
  const connected = Promise.withResolvers<void>();
  let failure: Error | undefined;
  let isEnded = false;
  let wake = () => {};
  socket.on("connect", () => connected.resolve());
  socket.on("readable", () => wake());
  socket.on("end", () => {
    isEnded = true;
    wake();
  });
  socket.on("close", () => {
    isEnded = true;
    wake();
  });
  socket.on("error", (error: Error) => {
    failure = error;
    connected.reject(error);
    wake();
  });
  await connected.promise;
  return {
    async read(into) {
      for (;;) {
        const waiting = socket.readableLength;
        const chunk: unknown = socket.read(
          waiting > 0 ? Math.min(waiting, into.length) : undefined,
        );
        if (chunk instanceof Uint8Array) {
          into.set(chunk);
          return chunk.length;
        }
        if (failure !== undefined) throw failure;
        if (isEnded) return null;
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes.slice(), (error) => error ? reject(error) : resolve(bytes.length));
      }),
    closeWrite: () => new Promise((resolve) => socket.end(() => resolve())),
    close: () => void socket.destroy(),
  };
}
