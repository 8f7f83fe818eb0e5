/** Either end stopped, as by a lid that is closed or a host that is paused, and gone on. */
import { strictEqual } from "node:assert/strict";
import { awayTest, countingTest, pass } from "./counting.ts";

countingTest("stopped: output goes on after 5 s of the program", async ({ session }) => {
  session.kill("SIGSTOP");
  await pass(5_000);
  session.kill("SIGCONT");
});

countingTest("stopped: output goes on after 20 s of server and agent", async ({ peer }) => {
  peer.kill("SIGSTOP");
  await pass(20_000);
  peer.kill("SIGCONT");
});

awayTest(
  "stopped: an idle session goes on after 20 s of the program, and as long without a server",
  async ({ desk, proxy }) => {
    await using session = desk.startProgram([desk.workspace, "cat"], { limitMs: 120_000 });
    await session.write("one\n");
    await session.stdout.until(/one\n/);
    session.kill("SIGSTOP");
    await pass(20_000);
    session.kill("SIGCONT");
    await session.write("two\n");
    await session.stdout.until(/two\n/);
    await pass(2_000); // it is idle once the agent knows that we have its last
    await proxy.kill();
    await pass(20_000);
    proxy.revive();
    await session.write("three\n");
    await session.stdout.until(/three\n/);
    const exit = await session.feed([]);
    strictEqual(exit.code, 0, exit.stderr);
    strictEqual(exit.stdout, "one\ntwo\nthree\n");
  },
);
