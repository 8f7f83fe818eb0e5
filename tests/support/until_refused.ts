/**
 * Connections to a port whose listener was just closed. A process that any test starts holds all sockets of this process until it
 * has become another program (fork and exec): so long the port goes on listening, and a connection to it stands.
 */

/** Connects until that fails, a second at the most; resolves with the error, or with `undefined` when there was none. */
export async function untilRefused(
  connect: () => Promise<{ readonly close: () => void }>,
): Promise<unknown> {
  const until = performance.now() + 1_000;
  do {
    try {
      (await connect()).close();
    } catch (error) {
      return error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (performance.now() < until);
  return undefined;
}

/** As `untilRefused`, for what is closed by `abort`. */
export function untilStreamRefused(
  open: () => Promise<{ readonly abort: () => void }>,
): Promise<unknown> {
  return untilRefused(async () => {
    const stream = await open();
    return { close: () => stream.abort() };
  });
}
