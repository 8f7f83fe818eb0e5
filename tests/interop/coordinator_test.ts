/** Coordinators that go away, forget and refuse: sessions go on, and the client comes back to it. */
import { download, Echoes, expectNextSession, upload } from "./disturbances.ts";
import type { Peer } from "./peer.ts";
import { siteTest } from "./site.ts";

/** Gives commands, and waits until both clients of `Echoes` have dialled the coordinator again. */
async function disturbAndWait(peer: Peer, ...lines: readonly string[]): Promise<void> {
  const before = await peer.stats();
  for (const line of lines) await peer.command(line);
  await peer.until(
    "both clients dial the coordinator again",
    (now) => now.coordinate_dials >= before.coordinate_dials + 2 && now.coordinate_sockets >= 2,
  );
}

siteTest("coordinator: sessions survive its restart", {}, async ({ desk, peer }) => {
  await using echoes = await Echoes.open(desk);
  await peer.command("restart-coordinator");
  await echoes.answer();
  await echoes.end();
  await expectNextSession(desk);
});

siteTest("coordinator: clients come back after restarts and cuts", {}, async ({ desk, peer }) => {
  await using echoes = await Echoes.open(desk);
  await disturbAndWait(peer, "cut-coordinator");
  await echoes.answer();
  await disturbAndWait(peer, "restart-coordinator");
  await echoes.answer();
  await disturbAndWait(peer, "forget-resume-tokens", "cut-coordinator");
  await echoes.answer();
  await echoes.end();
  await expectNextSession(desk);
});

siteTest("coordinator: transfers lose nothing when it is cut", {}, async ({ desk, peer }) => {
  const cuts = ["cut-coordinator", "restart-coordinator"].map((line) => () => peer.command(line));
  await upload(desk, cuts);
  await download(desk, cuts);
});

siteTest(
  "coordinator: sessions survive when relay and coordinator restart together",
  { peer: ["--relay-only"] },
  async ({ desk, peer }) => {
    await using echoes = await Echoes.open(desk);
    await peer.command("restart-coordinator");
    await peer.command("restart-relay");
    await echoes.answer();
    await echoes.end();
  },
);

siteTest(
  "coordinator: transfers lose nothing when it forgets its tokens",
  {},
  async ({ desk, peer }) => {
    const forget = async () => {
      await peer.command("forget-resume-tokens");
      await peer.command("cut-coordinator");
    };
    await upload(desk, [forget, forget]);
    await download(desk, [forget]);
  },
);
