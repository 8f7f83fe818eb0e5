/**
 * Sessions that outlive the keys of the tunnel: WireGuard makes new ones every two minutes of use. Real time passes here,
 * on purpose; `--long` makes it ten minutes.
 */
import { ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { randomBytes, sha256 } from "../data.ts";

const BLOCK_BYTES = 32_768;
const BLOCK_EVERY_MS = 250;
/** The longest that an answer may take on a machine that is busy with other checks. */
const LONGEST_ANSWER_MS = 5_000;
const MARGIN_MS = 60_000;

export function rekeyChecks(durationMs: number): readonly Check[] {
  const seconds = durationMs / 1_000;
  const limit = { limitMs: durationMs + MARGIN_MS };
  return [{
    name: `a session in use answers for ${seconds} s across new keys`,
    run: async (desk) => {
      await using idle = desk.startProgram([desk.workspace, "echo up; cat"], limit);
      await using ssh = desk.startSsh(["workspace", "cat"], { ...limit, isBulk: true });
      await idle.stdout.until(/up\n/);
      const blocks: Uint8Array[] = [];
      const began = performance.now();
      let longestMs = 0;
      while (performance.now() - began < durationMs) {
        const block = randomBytes(BLOCK_BYTES);
        blocks.push(block);
        const sentAt = performance.now();
        await ssh.write(block);
        await ssh.stdout.untilBytes(blocks.length * BLOCK_BYTES);
        const tookMs = performance.now() - sentAt;
        longestMs = Math.max(longestMs, tookMs);
        await pause(Math.max(0, BLOCK_EVERY_MS - tookMs));
      }
      // The other session was silent all the time.
      await idle.write("still here\n");
      await idle.stdout.until(/still here\n/);
      strictEqual((await idle.feed([])).code, 0);
      const exit = await ssh.feed([]);
      strictEqual(exit.sha256, sha256(await joined(blocks)));
      strictEqual(exit.code, 0);
      ok(longestMs < LONGEST_ANSWER_MS, `An answer took ${Math.round(longestMs)} ms`);
    },
  }];
}

async function joined(blocks: readonly Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await new Blob(blocks.map((block) => new Uint8Array(block))).arrayBuffer());
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
