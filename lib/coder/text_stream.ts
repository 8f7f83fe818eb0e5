/** Reading a text stream under a signal: who stops reading closes the socket. */
import type { TextStream } from "../base/http.ts";

/** The messages of `stream`; an aborted signal closes it and throws the reason. */
export async function* readMessages(
  stream: TextStream,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const close = () => stream.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    for await (const message of stream.messages) {
      signal.throwIfAborted();
      yield message;
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", close);
    stream.close();
  }
}
