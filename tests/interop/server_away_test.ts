/** The server killed and started again while the workspace goes on writing; and an agent that had no patience for it. */
import { match, ok, strictEqual } from "node:assert/strict";
import { awayTest, COUNTED, outageTest, pass, startCounting } from "./counting.ts";

for (const awayMs of [5_000, 8_000]) {
  outageTest(`server away: output goes on after ${awayMs / 1_000} s`, {
    awayMs,
    begin: async ({ peer, proxy }) => {
      await proxy.kill();
      await peer.command("cut-coordinator");
    },
    end: ({ proxy }) => proxy.revive(),
  });
}

awayTest("server away: an agent that gave up meanwhile is named, with the time", async (away) => {
  await using session = await startCounting(away);
  away.proxy.cut();
  await pass(20_000);
  away.proxy.mend();
  const exit = await session.exit();
  strictEqual(exit.code, 255, exit.stderr);
  match(exit.stderr, /^SSH connection ended unexpectedly\n/m);
  const [, seconds] =
    /^ *The workspace agent gave it up after (\d+)s without an answer; a command that is to outlive this runs under nohup or in tmux$/m
      .exec(exit.stderr) ?? [];
  ok(Number(seconds) >= 18 && Number(seconds) <= 40, exit.stderr);
  // What came is the beginning, without a gap.
  ok(COUNTED.startsWith(exit.stdout), exit.stdout);
});
