import assert from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import { ApiError, CanceledError, StepError } from "../../lib/coder/errors.ts";
import { isRetryable, withRetries } from "../../lib/coder/retry.ts";
import { TransportError } from "../../lib/base/http.ts";
import { JumpingClock } from "../support/jumping_clock.ts";

function api(status: number): ApiError {
  return new ApiError({ status, method: "GET", url: "https://x/", apiMessage: "m" });
}

Deno.test("TestIsRetryableError", async (t) => {
  const rows: { name: string; in: unknown; out: boolean }[] = [
    { name: "nil", in: undefined, out: false },
    { name: "canceled", in: new CanceledError(), out: false },
    { name: "abort", in: new DOMException("aborted", "AbortError"), out: false },
    { name: "bare deadline", in: new DOMException("timed out", "TimeoutError"), out: false },
    { name: "no answer", in: new UserError("no answer"), out: false },
    { name: "DNS", in: new TransportError("unknown-host", "no such host"), out: true },
    { name: "socket error", in: new TransportError("refused", "refused"), out: true },
    { name: "reset while reading", in: new TransportError("reset", "reset"), out: true },
    { name: "DialTimeout", in: new TransportError("timeout", "i/o timeout"), out: true },
    {
      name: "wrapped",
      in: new StepError("fetch", new StepError("a", new TransportError("refused", "x"))),
      out: true,
    },
    {
      name: "authority",
      in: new TransportError("unknown-authority", "unknown authority"),
      out: false,
    },
    { name: "certificate", in: new TransportError("tls", "another name"), out: false },
    { name: "500", in: api(500), out: true },
    { name: "502", in: api(502), out: true },
    { name: "503", in: api(503), out: true },
    { name: "wrapped 503", in: new StepError("fetch", api(503)), out: true },
    { name: "429, which upstream gives up", in: api(429), out: true },
    { name: "401", in: api(401), out: false },
    { name: "403", in: api(403), out: false },
    { name: "404", in: api(404), out: false },
    { name: "generic", in: new Error("x"), out: false },
  ];
  for (const row of rows) await t.step(row.name, () => assert.equal(isRetryable(row.in), row.out));
});

interface Run {
  readonly attempts: number;
  readonly atMs: number[];
  readonly failed: boolean;
}

async function run(
  errors: unknown[],
  options: { hasAnswered?: boolean; signal?: AbortSignal; onRetry?: () => void } = {},
): Promise<Run> {
  const clock = new JumpingClock();
  const atMs: number[] = [];
  let failed = false;
  try {
    await withRetries(() => {
      atMs.push(clock.now());
      const error = errors[atMs.length - 1];
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    }, {
      now: () => clock.now(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      hasAnswered: () => options.hasAnswered ?? true,
      ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
      signal: options.signal,
    });
  } catch (error) {
    assert.ok(errors.includes(error) || options.signal?.reason === error);
    failed = true;
  }
  clock.stop();
  return { attempts: atMs.length, atMs, failed };
}

const GONE = new TransportError("refused", "refused");

Deno.test("TestRetryWithInterval", async (t) => {
  await t.step("succeeds at the first try", async () => {
    assert.deepEqual(await run([]), { attempts: 1, atMs: [0], failed: false });
  });
  await t.step("succeeds after failures, 2 s apart", async () => {
    assert.deepEqual(await run([GONE, api(503)]), {
      attempts: 3,
      atMs: [0, 2_000, 4_000],
      failed: false,
    });
  });
  await t.step("not for a lasting error", async () => {
    assert.deepEqual(await run([api(404)]), { attempts: 1, atMs: [0], failed: true });
  });
  await t.step("gives up after ten", async () => {
    const result = await run(Array(20).fill(GONE));
    assert.equal(result.attempts, 10);
    assert.ok(result.failed);
  });
  await t.step("ends when canceled", async () => {
    const abort = new AbortController();
    const result = await run(Array(20).fill(GONE), {
      signal: abort.signal,
      onRetry: () => abort.abort(new CanceledError()),
    });
    assert.equal(result.attempts, 1);
  });
});

Deno.test("withRetries() tries three times in five seconds before anything answered (issue 3)", async () => {
  const result = await run(Array(20).fill(GONE), { hasAnswered: false });
  assert.deepEqual(result.atMs, [0, 2_000, 4_000]);
  assert.ok(result.failed);
});

Deno.test("withRetries() waits as long as a 429 asks, up to a minute", async () => {
  const limited = (retryAfterMs: number) =>
    new ApiError({ status: 429, method: "GET", url: "https://x/", apiMessage: "m", retryAfterMs });
  assert.deepEqual((await run([limited(7_000), limited(3_600_000)])).atMs, [0, 7_000, 67_000]);
});
