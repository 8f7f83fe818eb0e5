/** A port for a program that must be told one, or for a connection that must be refused. */

/**
 * Below those that systems give to whoever asks for any (Linux's begin at 32768, IANA's dynamic ones at 49152): no connection that
 * a test beside makes takes it before the program listens.
 */
const FIRST_PORT = 10_000;
const PORT_COUNT = 22_000;
const TRIES = 100;

const given = new Set<number>();

/**
 * A TCP port of 127.0.0.1 at which nobody listens, another one each time. It is found by connecting, not by listening: a process that
 * any test starts holds all sockets of this process until it has become another program (fork and exec), and so long a port that
 * was listened at stands open.
 */
export function freePort(): Promise<number> {
  return freePorts(1);
}

/** The first of `count` such ports in a row. */
export async function freePorts(count: number): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const first = FIRST_PORT + Math.floor(Math.random() * (PORT_COUNT - count));
    const ports = Array.from({ length: count }, (_, at) => first + at);
    if (ports.some((port) => given.has(port))) continue;
    for (const port of ports) given.add(port);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error(`None of ${TRIES} ports is free`);
}

async function isFree(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    throw error;
  }
}
