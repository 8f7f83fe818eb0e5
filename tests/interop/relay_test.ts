/** Relays that refuse, restart and cut: which way is taken, and that no byte is lost over it. */
import { ok, strictEqual } from "node:assert/strict";
import {
  type Disturbances,
  download,
  Echoes,
  exchange,
  expectNextSession,
  upload,
} from "./disturbances.ts";
import type { Peer } from "./peer.ts";
import { type Site, siteTest } from "./site.ts";

const RELAY_ONLY = { peer: ["--relay-only"] };

function cuts(site: Site): Disturbances {
  return ["restart-relay", "cut-relay", "restart-relay"].map((line) => () =>
    site.peer.command(line)
  );
}

/** Each session dials once, and a second time where it was refused, of which the next ones know: a link that ends and is dialled again is not seen otherwise. */
async function expectDials(peer: Peer, count: number): Promise<void> {
  strictEqual((await peer.stats()).requests["GET /derp"], count);
}

siteTest("relay: works over relays alone", RELAY_ONLY, async ({ desk, peer }) => {
  await upload(desk, []);
  await download(desk, []);
  await expectDials(peer, 2);
  const stats = await peer.stats();
  ok(!stats.direct, "There is a direct path");
  ok(stats.relay.bytes_received > 150_000_000, "The bytes did not cross the relay");
});

siteTest(
  "relay: takes a websocket where Upgrade: DERP is refused",
  { peer: ["--relay-only", "--websocket-only"] },
  async ({ desk, peer }) => {
    await expectNextSession(desk);
    await upload(desk, []);
    await download(desk, []);
    await expectDials(peer, 4);
  },
);

siteTest(
  "relay: takes a websocket where the deployment says so",
  { peer: ["--relay-only", "--force-websockets"] },
  async ({ desk, peer }) => {
    await expectNextSession(desk);
    await upload(desk, []);
    await download(desk, []);
    await expectDials(peer, 3);
  },
);

siteTest("relay: sessions survive its restart", RELAY_ONLY, async ({ desk, peer }) => {
  await using echoes = await Echoes.open(desk);
  for (const line of ["restart-relay", "cut-relay", "restart-relay"]) {
    await peer.command(line);
    await echoes.answer();
  }
  await echoes.end();
  await expectNextSession(desk);
});

siteTest("relay: an upload loses nothing when it is cut", RELAY_ONLY, async (site) => {
  await upload(site.desk, cuts(site));
});

siteTest("relay: a download loses nothing when it is cut", RELAY_ONLY, async (site) => {
  await download(site.desk, cuts(site));
});

siteTest("relay: bytes both ways lose nothing when it is cut", RELAY_ONLY, async (site) => {
  await exchange(site.desk, cuts(site));
});

siteTest(
  "relay: websockets lose nothing when they are cut",
  { peer: ["--relay-only", "--websocket-only"] },
  async (site) => {
    await exchange(site.desk, cuts(site));
  },
);

siteTest("relay: bytes both ways follow it where it moves", RELAY_ONLY, async ({ desk, peer }) => {
  await exchange(desk, [() => peer.command("move-relay"), () => peer.command("cut-relay")]);
});

siteTest("relay: sessions follow it where it moves", RELAY_ONLY, async ({ desk, peer }) => {
  await using echoes = await Echoes.open(desk);
  await peer.command("move-relay");
  await echoes.answer();
  await peer.command("cut-relay");
  await echoes.answer();
  await echoes.end();
  await expectNextSession(desk);
});
