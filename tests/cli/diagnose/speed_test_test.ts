/** The client's end of a speed test against ends that are right, slow to answer, or not right at all. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { ProtocolError } from "../../../lib/base/errors.ts";
import {
  type Direction,
  megabitsPerSecond,
  runSpeedTest,
} from "../../../lib/cli/diagnose/speed_test.ts";
import { createBytePipe, type PipeEnd } from "../../support/byte_pipe.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A clock that moves by so much each time that it is asked. */
function ticking(stepMs: number): () => number {
  let now = 0;
  return () => now += stepMs;
}

function run(ours: PipeEnd, direction: Direction, stepMs: number, signal?: AbortSignal) {
  return runSpeedTest(ours, {
    direction,
    durationMs: 3_000,
    now: ticking(stepMs),
    fill: (bytes) => bytes.fill(7),
    signal: signal ?? new AbortController().signal,
  });
}

async function readLine(from: PipeEnd): Promise<unknown> {
  const into = new Uint8Array(4_096);
  return JSON.parse(new TextDecoder().decode(into.subarray(0, await from.read(into) ?? 0)));
}

Deno.test("runSpeedTest() asks for a download and counts all that comes, by the second", async () => {
  const [ours, theirs] = createBytePipe();
  const result = run(ours, "down", 400);
  deepStrictEqual(await readLine(theirs), { version: 2, time: 3_000_000_000, direction: 0 });
  // The first bytes of the test come with the answer.
  await theirs.write(utf8("{}\nabc"));
  for (let i = 0; i < 9; i++) await theirs.write(new Uint8Array(1_000));
  await theirs.closeWrite();
  const { intervals, overall } = await result;
  strictEqual(overall.bytes, 9_003);
  strictEqual(intervals.reduce((sum, { bytes }) => sum + bytes, 0), 9_003);
  ok(intervals.length >= 1);
  for (const [at, { startMs, endMs }] of intervals.entries()) {
    ok(endMs - startMs >= 400);
    strictEqual(startMs, intervals[at - 1]?.endMs ?? 0);
  }
  strictEqual(megabitsPerSecond({ startMs: 0, endMs: 1_000, bytes: 1_000_000 }), 8);
  strictEqual(megabitsPerSecond({ startMs: 0, endMs: 0, bytes: 0 }), 0);
});

Deno.test("runSpeedTest() sends until the time is over, then lets go of the stream", async () => {
  const [ours, theirs] = createBytePipe();
  const result = run(ours, "up", 250);
  deepStrictEqual(await readLine(theirs), { version: 2, time: 3_000_000_000, direction: 1 });
  await theirs.write(utf8("{}\n"));
  const into = new Uint8Array(65_536);
  let total = 0;
  await rejects(async () => {
    for (let n = await theirs.read(into); n !== null; n = await theirs.read(into)) total += n;
  }, /reset/);
  ok((await result).overall.bytes >= total);
  ok(total > 0);
});

const WRONG = {
  "an error": ['{"error":"version mismatch!"}\n', /it says: version mismatch!/],
  "no JSON": ["hello\n", /no JSON/],
  "a number": ["7\n", /no object/],
  "no line at all": ["x".repeat(5_000), /no line/],
} as const;

for (const [what, [answer, said]] of Object.entries(WRONG)) {
  Deno.test(`runSpeedTest() says so when the answer is ${what}`, async () => {
    const [ours, theirs] = createBytePipe();
    const result = run(ours, "down", 1);
    await readLine(theirs);
    await theirs.write(utf8(answer));
    await rejects(result, (error) => error instanceof ProtocolError && said.test(error.message));
  });
}

Deno.test("runSpeedTest() says so when the agent ends before it answered, and when it is interrupted", async () => {
  const [ours, theirs] = createBytePipe();
  await theirs.closeWrite();
  await rejects(run(ours, "down", 1), /ended before its answer/);
  const [again] = createBytePipe();
  const stop = new AbortController();
  const running = run(again, "down", 1, stop.signal);
  stop.abort(new Error("enough"));
  await rejects(running, /enough/);
});
