/** Things that go on while somebody disturbs them, and must neither end nor lose, double or reorder a byte. */
import { match, ok, strictEqual } from "node:assert/strict";
import { Bulk, MEGABYTE, randomBytes, sha256 } from "../live/data.ts";
import type { Desk } from "../live/desk.ts";
import type { Process } from "../live/process.ts";

const BULK_BYTES = 96 * MEGABYTE;
const LIMIT_MS = 150_000;
const BLOCK_BYTES = 100_000;

/** The transfer goes on through these, at equal distances. */
export type Disturbances = readonly (() => Promise<void>)[];

/** Two sessions that answer: OpenSSH's through --stdio, and one of the program's own. */
export class Echoes implements AsyncDisposable {
  readonly #sessions: readonly Process[];
  #heard = 0;

  private constructor(sessions: readonly Process[]) {
    this.#sessions = sessions;
  }

  static async open(desk: Desk): Promise<Echoes> {
    const options = { isBulk: true, limitMs: LIMIT_MS };
    const echoes = new Echoes([
      desk.startSsh(["workspace", "cat"], options),
      desk.startProgram([desk.workspace, "cat"], options),
    ]);
    await echoes.answer();
    return echoes;
  }

  /** Asks both and waits for their answers. */
  async answer(): Promise<void> {
    const block = randomBytes(BLOCK_BYTES);
    this.#heard += BLOCK_BYTES;
    await Promise.all(this.#sessions.map(async (session) => {
      await session.write(block);
      await session.stdout.untilBytes(this.#heard);
    }));
  }

  /** Both end as they should: by the end of input. */
  async end(): Promise<void> {
    for (const session of this.#sessions) {
      const exit = await session.feed([]);
      strictEqual(exit.code, 0, exit.stderr);
      strictEqual(exit.bytes, this.#heard);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) await session[Symbol.asyncDispose]();
  }
}

/** To the workspace, through OpenSSH. */
export async function upload(desk: Desk, disturbances: Disturbances): Promise<void> {
  const bulk = new Bulk(BULK_BYTES);
  await using ssh = desk.startSsh(["workspace", "sha256sum"], { limitMs: LIMIT_MS });
  const exit = await ssh.feed(disturbed(bulk, disturbances));
  match(exit.stdout, new RegExp(`^${bulk.sha256}\\b`));
  strictEqual(exit.code, 0);
}

/** From the workspace, by a session of the program's own. */
export async function download(desk: Desk, disturbances: Disturbances): Promise<void> {
  const file = desk.local("bulk");
  const bulk = new Bulk(BULK_BYTES);
  // The peer's workspace is this machine.
  await Deno.writeFile(file, ReadableStream.from(bulk));
  await using session = desk.startProgram(
    [desk.workspace, `cat ${file}`],
    { isBulk: true, limitMs: LIMIT_MS },
  );
  const step = BULK_BYTES / (disturbances.length + 1);
  for (const [i, disturb] of disturbances.entries()) {
    await session.stdout.untilBytes(step * (i + 1));
    await disturb();
  }
  const exit = await session.exit();
  strictEqual(exit.bytes, BULK_BYTES);
  strictEqual(exit.sha256, bulk.sha256);
  strictEqual(exit.code, 0);
  await Deno.remove(file);
}

/** Both ways at once on one connection. */
export async function exchange(desk: Desk, disturbances: Disturbances): Promise<void> {
  const bulk = new Bulk(BULK_BYTES / 2);
  await using ssh = desk.startSsh(["workspace", "cat"], { isBulk: true, limitMs: LIMIT_MS });
  const exit = await ssh.feed(disturbed(bulk, disturbances));
  strictEqual(exit.bytes, bulk.bytes);
  strictEqual(exit.sha256, bulk.sha256);
  strictEqual(exit.code, 0);
}

async function* disturbed(bulk: Bulk, disturbances: Disturbances): AsyncGenerator<Uint8Array> {
  const step = bulk.bytes / (disturbances.length + 1);
  let sent = 0;
  let next = 0;
  for (const chunk of bulk) {
    yield chunk;
    sent += chunk.length;
    const disturb = disturbances[next];
    if (disturb !== undefined && sent >= step * (next + 1)) {
      next++;
      await disturb();
    }
  }
}

/** The connection works anew: a login from scratch. */
export async function expectNextSession(desk: Desk): Promise<void> {
  const nonce = sha256(randomBytes(8)).slice(0, 12);
  const exit = await desk.ssh(`echo ${nonce}`);
  strictEqual(exit.stdout, `${nonce}\n`);
  ok(exit.code === 0, exit.stderr);
}
