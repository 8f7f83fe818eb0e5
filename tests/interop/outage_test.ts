/** The client's link away for seconds while the workspace goes on writing. */
import { countingTest, pass } from "./counting.ts";

for (const cutMs of [4_500, 8_000, 10_000]) {
  countingTest(
    `outage: output goes on after ${cutMs / 1_000} s without a link`,
    async ({ proxy }) => {
      proxy.cut();
      await pass(cutMs);
      proxy.mend();
    },
  );
}
