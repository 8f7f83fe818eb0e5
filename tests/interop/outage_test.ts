/**
 * The client's link away for seconds while the workspace goes on writing. How soon bytes move again after outages of every length, and
 * what an agent has no patience for, is simulated in `tests/tailnet/survival_test.ts`; this is that the real stack does as that one.
 */
import { outageTest } from "./counting.ts";

// After 8 s the agent has sent for the last time; that the program goes on writing for long must not keep it from asking.
for (const [awayMs, numbers] of [[4_500, 75], [8_000, 150]] as const) {
  outageTest(`outage: output goes on after ${awayMs / 1_000} s without a link`, {
    awayMs,
    numbers,
    begin: ({ proxy }) => {
      proxy.cut();
      return Promise.resolve();
    },
    end: ({ proxy }) => proxy.mend(),
  });
}
