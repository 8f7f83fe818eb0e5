/** One connection to one relay, fed by hand: what goes out when, and what no longer does. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { generatePrivateKey, publicKey } from "../../lib/crypto/mod.ts";
import { DerpSwitchboard, type DerpSwitchboardOptions } from "../../lib/derp/mod.ts";
import { RelayLink, type RelayTransport } from "../../lib/tailnet/relay_link.ts";
import {
  encodeFrame,
  HttpUpgradeServer,
  Opcode,
  WebsocketConnection,
} from "../../lib/websocket/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const random = new SeededRandom(7);
const PEER = new Uint8Array(32).fill(9);

function newLink(transport: RelayTransport): RelayLink {
  const nodePrivateKey = generatePrivateKey(random);
  return new RelayLink({
    region: 1,
    transport,
    path: "/derp",
    headers: [],
    nodePrivateKey,
    nodePublicKey: publicKey(nodePrivateKey),
    random,
  });
}

/** Frames of a relay that is reached by websocket or raw, as it sends them. */
function fromRelay(transport: RelayTransport, bytes: Uint8Array): Uint8Array {
  return transport === "websocket" ? encodeFrame({ role: "server", random }, bytes) : bytes;
}

/** Everything the link wants written, in one array per write. */
function taken(link: RelayLink): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (let batch = link.takeBatch(); batch; batch = link.takeBatch()) batches.push(batch.slice());
  return batches;
}

/** A link that the relay let in. */
function readyLink(
  transport: RelayTransport,
  info?: DerpSwitchboardOptions["info"],
): RelayLink {
  const link = newLink(transport);
  link.open("relay.test");
  const upgrade = new HttpUpgradeServer();
  for (const bytes of taken(link)) upgrade.handleBytes(bytes);
  const privateKey = generatePrivateKey(random);
  const switchboard = new DerpSwitchboard({
    privateKey,
    publicKey: publicKey(privateKey),
    random,
    ...(info === undefined ? {} : { info }),
  });
  const line = switchboard.connect(0);
  const out = new Uint8Array(70_000);
  const give = (bytes: Uint8Array) => {
    link.handleBytes(bytes, 0);
    while (link.pollEvent(0) !== undefined);
  };
  const websocket = new WebsocketConnection({ role: "server", random });
  give(upgrade.accept(transport === "websocket" ? { protocol: "derp" } : {}));
  for (let round = 0; round < 3; round++) {
    for (let n = line.pollTransmit(out); n > 0; n = line.pollTransmit(out)) {
      give(fromRelay(transport, out.slice(0, n)));
    }
    for (const bytes of taken(link)) {
      if (transport === "upgrade") switchboard.handleBytes(line, bytes, 0);
      else {
        websocket.handleBytes(bytes);
        for (let m = websocket.pollMessage(); m; m = websocket.pollMessage()) {
          if (m.kind === "binary") switchboard.handleBytes(line, m.bytes, 0);
        }
      }
    }
  }
  ok(link.isReady);
  return link;
}

Deno.test("RelayLink asks for nothing before it is opened, and is opened once", () => {
  const link = newLink("upgrade");
  deepStrictEqual(taken(link), []);
  link.open("a.test");
  strictEqual(taken(link).length, 1);
  throws(() => link.open("b.test"), TypeError);
});

Deno.test("RelayLink takes no packet before the relay let it in", () => {
  const link = newLink("upgrade");
  ok(!link.sendPacket(PEER, new Uint8Array(10), 0));
  link.open("a.test");
  ok(!link.sendPacket(PEER, new Uint8Array(10), 0));
});

Deno.test("RelayLink: once it is over, packets that were gathered go nowhere", () => {
  for (const transport of ["upgrade", "websocket"] as const) {
    const link = readyLink(transport);
    ok(link.sendPacket(PEER, new Uint8Array(100), 0));
    if (transport === "websocket") {
      const close = encodeFrame(
        { role: "server", random, opcode: Opcode.close },
        new Uint8Array([3, 232]),
      );
      link.handleBytes(close, 0);
    } else {
      link.handleTimeout(60_000); // silence
      link.handleTimeout(120_000);
    }
    while (link.pollEvent(120_000) !== undefined);
    ok(link.closedReason !== undefined);
    ok(!link.isReady);
    ok(taken(link).every((bytes) => bytes.length < 20), "a packet left");
  }
});

Deno.test("RelayLink: batches fill up to 64 KB, refuse more, and are whole frames", () => {
  const link = readyLink("upgrade");
  const packet = new Uint8Array(1_312);
  let count = 0;
  while (link.sendPacket(PEER, packet, 0)) count++;
  strictEqual(count, Math.floor(65_536 / (37 + 1_312)));
  ok(!link.hasRoom(packet.length));
  deepStrictEqual(taken(link).map((bytes) => bytes.length), [count * (37 + 1_312)]);
  ok(link.hasRoom(packet.length));
});

Deno.test("RelayLink keeps to the rate that the relay announced, and counts what it drops", () => {
  const link = readyLink("upgrade", {
    version: 2,
    tokenBucketBytesPerSecond: 1_000,
    tokenBucketBytesBurst: 2_000,
  });
  const packet = new Uint8Array(900);
  strictEqual(link.overRate, 0);
  const sent = [0, 0, 0, 0].filter((now) => link.sendPacket(PEER, packet, now)).length;
  strictEqual(sent, 2);
  strictEqual(link.overRate, 2);
  ok(link.sendPacket(PEER, packet, 1_000));
});

Deno.test("RelayLink cuts off a relay that floods it with pings and reads nothing", () => {
  const link = readyLink("websocket");
  const ping = encodeFrame({ role: "server", random, opcode: Opcode.ping }, new Uint8Array(125));
  for (let i = 0; i < 5_000 && link.closedReason === undefined; i++) {
    link.handleBytes(ping.slice(), 0);
    while (link.pollEvent(0) !== undefined);
  }
  strictEqual(link.closedReason, "does not read what we send");
});
