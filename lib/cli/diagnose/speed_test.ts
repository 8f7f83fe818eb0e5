/**
 * The agent's speed test over a stream to its port 3 (coder/tailscale `net/speedtest`, version 2): one JSON object each way, then
 * whoever sends does so until the time is over. What is counted is what has arrived here, or was taken from us.
 */
import { type ByteStream, StreamError } from "../../base/stream.ts";
import { ProtocolError } from "../../base/errors.ts";

export type Direction = "down" | "up";

/** Bytes of a part of the test. Times count from its start. */
export interface SpeedInterval {
  readonly startMs: number;
  readonly endMs: number;
  readonly bytes: number;
}

export interface SpeedResult {
  readonly intervals: readonly SpeedInterval[];
  readonly overall: SpeedInterval;
}

export interface SpeedTestOptions {
  readonly direction: Direction;
  readonly durationMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Fills what is sent with what no link on the way can compress. */
  readonly fill: (bytes: Uint8Array) => void;
  readonly signal: AbortSignal;
}

const VERSION = 2;
const NANOSECONDS = 1_000_000;
const INTERVAL_MS = 1_000;
/** A shorter remainder at the end says nothing. */
const MIN_REST_MS = 10;
const CHUNK_BYTES = 256 * 1024;
/** The answer is `{}` or one sentence. */
const MAX_ANSWER_BYTES = 4_096;

/** Runs the test to its end; `stream` is closed then. Rejects with `StreamError`, `ProtocolError`, or the signal's reason. */
export async function runSpeedTest(
  stream: ByteStream,
  options: SpeedTestOptions,
): Promise<SpeedResult> {
  const { direction, durationMs, signal, now } = options;
  signal.throwIfAborted();
  const onAbort = () => stream.abort("Interrupted");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const wire = {
      version: VERSION,
      time: Math.round(durationMs * NANOSECONDS),
      direction: direction === "down" ? 0 : 1,
    };
    await stream.write(new TextEncoder().encode(`${JSON.stringify(wire)}\n`));
    const early = await readAnswer(stream);
    const meter = new Meter(now());
    if (direction === "down") await receive(stream, { meter, early, now });
    else await send(stream, { ...options, meter });
    return meter.result();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    stream.abort("The test is over");
  }
}

/** Takes the answer; the bytes of the test that came with it. */
async function readAnswer(stream: ByteStream): Promise<number> {
  const held = new Uint8Array(MAX_ANSWER_BYTES);
  let length = 0;
  for (;;) {
    const count = await stream.read(held.subarray(length));
    if (count === null) throw broken("it ended before its answer");
    length += count;
    const end = held.subarray(0, length).indexOf(0x0a);
    if (end >= 0) {
      checkAnswer(new TextDecoder().decode(held.subarray(0, end)));
      return length - end - 1;
    }
    if (length === held.length) throw broken("its answer is no line");
  }
}

function checkAnswer(text: string): void {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw broken("its answer is no JSON", error);
  }
  if (typeof answer !== "object" || answer === null) throw broken("its answer is no object");
  if ("error" in answer && typeof answer.error === "string" && answer.error !== "") {
    throw broken(`it says: ${answer.error}`);
  }
}

function broken(why: string, cause?: unknown): ProtocolError {
  return new ProtocolError(`The agent does not run the speed test: ${why}`, {
    code: "speed-test",
    ...(cause === undefined ? {} : { cause }),
  });
}

async function receive(
  stream: ByteStream,
  test: { readonly meter: Meter; readonly early: number; readonly now: () => number },
): Promise<void> {
  const { meter, early, now } = test;
  meter.add(early, now());
  const into = new Uint8Array(CHUNK_BYTES);
  try {
    for (let count = await stream.read(into); count !== null; count = await stream.read(into)) {
      meter.add(count, now());
    }
  } catch (error) {
    // An agent that closes with bytes of ours unread resets: all of its own have come.
    if (!(error instanceof StreamError) || error.end.kind !== "reset") throw error;
  }
}

async function send(
  stream: ByteStream,
  test: SpeedTestOptions & { readonly meter: Meter },
): Promise<void> {
  const { meter, durationMs, now, fill } = test;
  const chunk = new Uint8Array(CHUNK_BYTES);
  fill(chunk);
  const until = now() + durationMs;
  while (now() < until) {
    await stream.write(chunk);
    meter.add(chunk.length, now());
  }
}

/** Counts by the second. */
class Meter {
  readonly #startedAt: number;
  readonly #intervals: SpeedInterval[] = [];
  #total = 0;
  #since: number;
  #bytes = 0;
  #last: number;

  constructor(now: number) {
    this.#startedAt = now;
    this.#since = now;
    this.#last = now;
  }

  add(bytes: number, now: number): void {
    this.#bytes += bytes;
    this.#total += bytes;
    this.#last = now;
    if (now - this.#since >= INTERVAL_MS) this.#close();
  }

  result(): SpeedResult {
    if (this.#last - this.#since > MIN_REST_MS) this.#close();
    const endMs = this.#last - this.#startedAt;
    return {
      intervals: this.#intervals,
      overall: { startMs: 0, endMs, bytes: this.#total },
    };
  }

  #close(): void {
    this.#intervals.push({
      startMs: this.#since - this.#startedAt,
      endMs: this.#last - this.#startedAt,
      bytes: this.#bytes,
    });
    this.#since = this.#last;
    this.#bytes = 0;
  }
}

/** Megabits a second; 0 for no time. */
export function megabitsPerSecond({ startMs, endMs, bytes }: SpeedInterval): number {
  return endMs > startMs ? bytes * 8 / 1_000 / (endMs - startMs) : 0;
}
