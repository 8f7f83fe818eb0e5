/** How much a relay link gathers for one write. */
import { ok, strictEqual } from "node:assert/strict";
import { RelayLink, type RelayTransport } from "../../lib/tailnet/relay_link.ts";
import { HttpUpgradeServer, WebsocketConnection } from "../../lib/websocket/mod.ts";
import { PRIVATE_KEY_A, PUBLIC_KEY_A, PUBLIC_KEY_B } from "../derp/vectors.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const PACKET_BYTES = 1_308;

/** Fills a batch of a link that was let in, until there is no room; what is written then. */
function fullBatch(transport: RelayTransport): Uint8Array {
  const random = new SeededRandom(1);
  const link = new RelayLink({
    region: 1,
    transport,
    path: "/derp",
    headers: [],
    nodePrivateKey: PRIVATE_KEY_A,
    nodePublicKey: PUBLIC_KEY_A,
    random,
  });
  link.open("relay.example");
  const server = new HttpUpgradeServer();
  const request = server.handleBytes(link.takeBatch() ?? new Uint8Array(0));
  const protocol = request?.protocols[0];
  link.handleBytes(server.accept(protocol === undefined ? {} : { protocol }), 0);
  while (link.hasRoom(PACKET_BYTES)) ok(link.commitPacket(PUBLIC_KEY_B, PACKET_BYTES, 0));
  return link.takeBatch()?.slice() ?? new Uint8Array(0);
}

Deno.test("a batch is a message below 32 KiB in a websocket, which servers read no longer ones of", () => {
  const reader = new WebsocketConnection({ role: "server", random: new SeededRandom(2) });
  reader.handleBytes(fullBatch("websocket"));
  const message = reader.pollMessage();
  ok(message?.kind === "binary");
  ok(message.bytes.length < 32 * 1024, `${message.bytes.length} bytes`);
  ok(message.bytes.length > 32 * 1024 - 2 * PACKET_BYTES, `${message.bytes.length} bytes`);
  strictEqual(reader.pollMessage(), undefined);
});

Deno.test("a batch on a plain connection is of about 64 KB", () => {
  const batch = fullBatch("upgrade");
  ok(batch.length > 65_536 - 2 * PACKET_BYTES, `${batch.length} bytes`);
});
