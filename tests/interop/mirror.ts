/** A session of the program's own whose words come back, and what of them crossed the relay. */
import { strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Desk } from "../live/desk.ts";
import type { Process } from "../live/process.ts";
import type { Peer } from "./peer.ts";

const LIMIT_MS = 120_000;

export class Mirror implements AsyncDisposable {
  readonly #process: Process;
  readonly #sent = createHash("sha256");
  #bytes = 0;

  constructor(desk: Desk) {
    this.#process = desk.startProgram(["-v", desk.workspace, "cat"], {
      isBulk: true,
      limitMs: LIMIT_MS,
    });
  }

  get said(): string {
    return this.#process.stderr.text();
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits until it is said, behind what was waited for before. */
  async until(pattern: RegExp): Promise<void> {
    await this.#process.stderr.until(pattern);
  }

  /** Sends, and waits until all of it is back. */
  async reflect(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    this.#sent.update(bytes);
    await this.#process.write(bytes);
    await this.#process.stdout.untilBytes(this.#bytes);
  }

  /** Ends the session; what came back must be what was sent. */
  async end(): Promise<void> {
    const exit = await this.#process.feed([]);
    strictEqual(exit.code, 0, exit.stderr);
    strictEqual(exit.bytes, this.#bytes);
    strictEqual(exit.sha256, this.#sent.digest("hex"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

export async function relayedBytes(peer: Peer): Promise<number> {
  const { relay } = await peer.stats();
  return relay.bytes_received + relay.bytes_sent;
}

export async function untilDirect(mirror: Mirror, peer: Peer): Promise<void> {
  await mirror.reflect(new Uint8Array([0x0a]));
  await mirror.until(/direct connection {2}to=/);
  await peer.until("the agent sends by UDP", ({ direct }) => direct);
}
