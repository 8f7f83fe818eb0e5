/** The agent's end of a speed test (coder/tailscale `net/speedtest/speedtest_server.go`, version 2). */
import * as v from "valibot";
import type { ByteStream } from "../../base/stream.ts";

const VERSION = 2;
const DOWNLOAD = 0;
const NANOSECONDS = 1_000_000;
const CHUNK_BYTES = 65_536;
const MAX_QUESTION_BYTES = 4_096;

const QUESTION = v.object({ version: v.number(), time: v.number(), direction: v.number() });

/** Answers the question, then sends or receives until the time or the stream is over. */
export async function serveSpeedTest(stream: ByteStream): Promise<void> {
  const question = v.safeParse(QUESTION, await readQuestion(stream));
  const answer = async (text: string) => await stream.write(new TextEncoder().encode(`${text}\n`));
  if (!question.success || question.output.version !== VERSION) {
    await answer(JSON.stringify({ error: `version mismatch! Server is version ${VERSION}` }));
    return await stream.closeWrite();
  }
  await answer("{}");
  const { direction, time } = question.output;
  const chunk = new Uint8Array(CHUNK_BYTES);
  if (direction === DOWNLOAD) {
    const until = performance.now() + time / NANOSECONDS;
    while (performance.now() < until) await stream.write(chunk);
    await stream.closeWrite();
  }
  while (await stream.read(chunk) !== null);
}

async function readQuestion(stream: ByteStream): Promise<unknown> {
  const held = new Uint8Array(MAX_QUESTION_BYTES);
  let length = 0;
  for (;;) {
    const count = await stream.read(held.subarray(length));
    if (count === null || length + count === held.length) return undefined;
    length += count;
    const end = held.subarray(0, length).indexOf(0x0a);
    if (end < 0) continue;
    try {
      return JSON.parse(new TextDecoder().decode(held.subarray(0, end)));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return undefined;
    }
  }
}
