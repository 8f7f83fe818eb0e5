/**
 * Receive buffer × loss: how much gets through in one direction over a path of 20 ms round trip, printed as one table
 * and compared with loose bounds. The buffer bounds the rate without loss (RFC 9293 §3.8.6), losses bound it otherwise.
 */
import assert from "node:assert/strict";
import { App, StackPair } from "./stack_pair.ts";

const BUFFERS_KIB = [16, 64, 256, 1024, 4096];
const LOSS_RATES = [0, 0.001, 0.01, 0.05, 0.1];
const DELAY_MS = 10;
const TOTAL_BYTES = 2_000_000;
const LIMIT_MS = 600_000;

/**
 * Least rates in KB/s, a row for each loss rate and a column for each buffer: about half of what was measured when
 * the table was made.
 */
const LEAST: readonly (readonly number[])[] = [
  [390, 1490, 4000, 5700, 5700],
  [350, 750, 2400, 3700, 3700],
  [270, 370, 650, 700, 700],
  [120, 150, 160, 160, 160],
  [60, 70, 65, 65, 65],
];
/** What of that is asked for without SACK, where a second loss in a window costs a timeout. */
const WITHOUT_SACK = 0.3;

function measure(bufferKib: number, lossRate: number, isSackOff: boolean): number {
  let bytesPerMs = 0;
  const seeds = [11, 12, 13];
  for (const seed of seeds) {
    const buffer = { receiveBufferBytes: bufferKib * 1024 };
    const pair = new StackPair({
      seed,
      link: { delayMs: DELAY_MS, lossRate },
      left: buffer,
      right: buffer,
    });
    if (isSackOff) pair.stripSack = true;
    const sender = new App({ totalBytes: TOTAL_BYTES, key: 1, peerKey: 7 });
    const reader = new App({ totalBytes: 0, key: 7, peerKey: 1 });
    pair.connect(sender, reader);
    pair.runUntil(() => reader.received === TOTAL_BYTES, LIMIT_MS);
    bytesPerMs += TOTAL_BYTES / pair.now / seeds.length;
  }
  return bytesPerMs;
}

function table(isSackOff: boolean): number[][] {
  const rows = LOSS_RATES.map((loss) => BUFFERS_KIB.map((kib) => measure(kib, loss, isSackOff)));
  const head = BUFFERS_KIB.map((kib) => `${kib} KiB`.padStart(10)).join("");
  const lines = rows.map((row, i) => {
    const name = `${((LOSS_RATES[i] ?? 0) * 100).toFixed(1)} %`.padStart(8);
    return name + row.map((rate) => rate.toFixed(0).padStart(10)).join("");
  });
  // deno-lint-ignore no-console -- the table is what this test is for
  console.log(`${isSackOff ? "NewReno" : "SACK"}, KB/s\n    loss${head}\n${lines.join("\n")}`);
  return rows;
}

for (const isSackOff of [false, true]) {
  const name = isSackOff ? "without SACK (RFC 6582)" : "with SACK (RFC 6675, RFC 8985)";
  Deno.test(`Two stacks keep up a rate by buffer and loss, ${name}`, () => {
    table(isSackOff).forEach((row, i) => {
      row.forEach((rate, j) => {
        const least = LEAST[i]?.[j] ?? 0;
        assert.ok(
          rate >= least * (isSackOff ? WITHOUT_SACK : 1),
          `row ${i} column ${j}: ${rate} < ${least}`,
        );
      });
    });
  });
}
