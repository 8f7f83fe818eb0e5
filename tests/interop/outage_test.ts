/** The client's link away for seconds while the workspace goes on writing: no number is lost or doubled. */
import { strictEqual } from "node:assert/strict";
import { isInstalled, testWith } from "../live/check.ts";
import { Desk } from "../live/desk.ts";
import { CutProxy } from "./cut_proxy.ts";
import { Peer } from "./peer.ts";
import { PEER_NEEDS } from "./site.ts";

const NUMBERS = 90;
const COUNTER = `i=0; while [ $i -lt ${NUMBERS} ]; do echo $i; i=$((i+1)); sleep 0.2; done`;

const missing = PEER_NEEDS.filter((program) => !isInstalled(program));

for (const cutMs of [4_500, 8_000, 10_000]) {
  testWith(
    `outage: output goes on after ${cutMs / 1_000} s without a link`,
    missing,
    async () => {
      await using peer = await Peer.start(["--relay-only"]);
      await using proxy = new CutProxy(new URL(peer.info.url));
      await using desk = await Desk.open({ ...peer.deployment, url: proxy.url });
      await using session = desk.startProgram([desk.workspace, COUNTER], { limitMs: 60_000 });
      await session.stdout.until(/^9$/m);
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, cutMs));
      proxy.mend();
      const exit = await session.exit();
      strictEqual(exit.code, 0, exit.stderr);
      strictEqual(exit.stdout, Array.from({ length: NUMBERS }, (_, i) => `${i}\n`).join(""));
    },
  );
}
