/** Many channels in one SSH connection: each forwards to a port of this machine, which the peer's workspace is, too. */
import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import ssh2 from "ssh2";
import type { Place } from "./place.ts";
import type { Task } from "./task.ts";

const CHANNELS = 200;
const QUESTION_BYTES = 1_000;

export function channelTasks(): Task[] {
  return [{
    group: "relay",
    name: `${CHANNELS} channels`,
    isFar: false,
    run: async (place, contestant) => ({
      "relay.channels": await channelsMs(place, contestant.stdio("relay")),
    }),
  }];
}

/** From the first opening to the last answer. */
async function channelsMs({ desk }: Place, argv: readonly string[]): Promise<number> {
  using server = new EchoServer();
  const child = spawn("sh", ["-c", 'exec "$@"', "sh", ...argv], {
    env: { ...desk.env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const client = new ssh2.Client();
  try {
    const sock = Duplex.from({ readable: child.stdout, writable: child.stdin });
    await new Promise<void>((resolve, reject) => {
      client.once("ready", resolve).once("error", reject);
      client.connect({ sock, username: "tester" });
    });
    const began = performance.now();
    await Promise.all(Array.from({ length: CHANNELS }, () => ask(client, server.port)));
    return performance.now() - began;
  } finally {
    client.end();
    child.stdin.end();
    await ended;
  }
}

function ask(client: ssh2.Client, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    client.forwardOut(
      "127.0.0.1",
      0,
      "127.0.0.1",
      port,
      (error: Error | undefined, channel: Duplex) => {
        if (error !== undefined) return reject(error);
        let left = QUESTION_BYTES;
        channel.on("data", (chunk: Uint8Array) => {
          left -= chunk.length;
          if (left > 0) return;
          channel.end();
          resolve();
        });
        channel.write(new Uint8Array(QUESTION_BYTES));
      },
    );
  });
}

class EchoServer implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  constructor() {
    void this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }

  async #serve(): Promise<void> {
    for await (const conn of this.#listener) {
      // The other end may be gone before its answer.
      conn.readable.pipeTo(conn.writable).catch(() => conn);
    }
  }
}
