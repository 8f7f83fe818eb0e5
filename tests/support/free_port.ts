/** A port for a program that must be told one. */

/**
 * Below those that systems give to whoever asks for any (Linux's begin at 32768, IANA's dynamic ones at 49152): no connection that
 * a test beside makes takes it before the program listens.
 */
const FIRST_PORT = 10_000;
const PORT_COUNT = 22_000;
const TRIES = 100;

const given = new Set<number>();

/** A TCP port of 127.0.0.1 that is free now, another one each time. */
export function freePort(): number {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (given.has(port) || !isFree(port)) continue;
    given.add(port);
    return port;
  }
  throw new Error(`None of ${TRIES} ports is free`);
}

function isFree(port: number): boolean {
  try {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
