/** One connection to one relay, fed by hand: what goes out when, and what no longer does. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { generatePrivateKey, publicKey } from "../../lib/crypto/mod.ts";
import { DerpSwitchboard, type DerpSwitchboardOptions } from "../../lib/derp/mod.ts";
import { FrameType } from "../../lib/derp/frame.ts";
import { encodeServerKey } from "../../lib/derp/login.ts";
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
    targets: [],
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
  for (let batch = link.takeBatch(); batch; batch = link.takeBatch()) {
    batches.push(batch.bytes.slice());
    batch.release();
  }
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
    while (link.pollEvent() !== undefined);
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
  ok(!link.send(PEER, new Uint8Array(10), 0));
  link.open("a.test");
  ok(!link.send(PEER, new Uint8Array(10), 0));
});

Deno.test("RelayLink: what is sent as soon as the relay has greeted us leaves behind our name", () => {
  for (const transport of ["upgrade", "websocket"] as const) {
    const link = newLink(transport);
    link.open("relay.test");
    const upgrade = new HttpUpgradeServer();
    for (const bytes of taken(link)) upgrade.handleBytes(bytes);
    link.handleBytes(upgrade.accept(transport === "websocket" ? { protocol: "derp" } : {}), 0);
    const greeting = encodeServerKey(publicKey(generatePrivateKey(random)));
    link.handleBytes(fromRelay(transport, greeting), 0);
    strictEqual(link.pollEvent()?.kind, "introduced");
    ok(link.send(PEER, new Uint8Array(100), 0));
    while (link.pollEvent() !== undefined);
    const websocket = new WebsocketConnection({ role: "server", random });
    const sent: Uint8Array[] = [];
    for (const bytes of taken(link)) {
      if (transport === "upgrade") sent.push(bytes);
      else websocket.handleBytes(bytes);
      if (transport === "websocket") {
        for (let m = websocket.pollMessage(); m; m = websocket.pollMessage()) {
          if (m.kind === "binary") sent.push(m.bytes.slice());
        }
      }
    }
    const all = concatBytes(...sent);
    const infoBytes = 5 + new DataView(all.buffer, all.byteOffset).getUint32(1);
    deepStrictEqual([all[0], all[infoBytes]], [FrameType.clientInfo, FrameType.sendPacket]);
  }
});

Deno.test("RelayLink: once it is over, packets that were gathered go nowhere", () => {
  for (const transport of ["upgrade", "websocket"] as const) {
    const link = readyLink(transport);
    ok(link.send(PEER, new Uint8Array(100), 0));
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
    while (link.pollEvent() !== undefined);
    ok(link.closedReason !== undefined);
    ok(!link.isReady);
    ok(taken(link).every((bytes) => bytes.length < 20), "a packet left");
  }
});

Deno.test("RelayLink: batches fill up to 64 KB, refuse more, and are whole frames", () => {
  const link = readyLink("upgrade");
  const packet = new Uint8Array(1_312);
  let count = 0;
  while (link.send(PEER, packet, 0)) count++;
  strictEqual(count, Math.floor(65_536 / (37 + 1_312)));
  strictEqual(link.slot(packet.length), undefined);
  deepStrictEqual(taken(link).map((bytes) => bytes.length), [count * (37 + 1_312)]);
  ok(link.slot(packet.length) !== undefined);
});

Deno.test("RelayLink keeps to the rate that the relay announced", () => {
  const link = readyLink("upgrade", {
    version: 2,
    tokenBucketBytesPerSecond: 1_000,
    tokenBucketBytesBurst: 2_000,
  });
  const packet = new Uint8Array(900);
  const sent = [0, 0, 0, 0].filter((now) => link.send(PEER, packet, now)).length;
  strictEqual(sent, 2);
  ok(link.send(PEER, packet, 1_000));
});

Deno.test("RelayLink cuts off a relay that floods it with pings and reads nothing", () => {
  const link = readyLink("websocket");
  const ping = encodeFrame({ role: "server", random, opcode: Opcode.ping }, new Uint8Array(125));
  for (let i = 0; i < 5_000 && link.closedReason === undefined; i++) {
    link.handleBytes(ping.slice(), 0);
    while (link.pollEvent() !== undefined);
  }
  strictEqual(link.closedReason, "does not read what we send");
});

Deno.test("RelayLink fills one batch while the other is being written, and waits while both are full", () => {
  const link = readyLink("websocket");
  const packet = new Uint8Array(1_312);
  const fill = () => {
    let count = 0;
    while (link.send(PEER, packet.fill(count), 0)) count++;
    return count;
  };
  const perBatch = fill();
  const first = link.takeBatch();
  const written = first?.bytes.slice();
  strictEqual(fill(), perBatch);
  strictEqual(fill(), 0);
  deepStrictEqual(first?.bytes, written); // nobody touched it meanwhile
  first?.release();
  const second = link.takeBatch();
  ok(second !== undefined && second !== first);
  strictEqual(fill(), perBatch); // the first one again
  second.release();
});

Deno.test("RelayLink: a host that is none ends the link, whatever is wrong with it", () => {
  for (const host of ["bad host", "a@b", "ünï☃", "evil\r\nX-Injected: 1", "", "a/b"]) {
    const link = newLink("upgrade");
    link.open(host);
    strictEqual(link.closedReason, "has a host name that is none");
    deepStrictEqual(taken(link), []);
  }
});

Deno.test("RelayPath: a slot that is not committed is as if it had not been asked for", () => {
  const link = readyLink("upgrade");
  const path = link.pathTo(PEER);
  ok(path.isReady);
  path.slot(1_000)?.buffer.fill(1);
  const slot = path.slot(3);
  slot?.buffer.set([7, 8, 9], slot.offset);
  ok(path.commit(3, 0));
  const [batch] = taken(link);
  deepStrictEqual([...batch?.subarray(-3) ?? []], [7, 8, 9]);
  strictEqual(batch?.length, 37 + 3);
  deepStrictEqual(path.where, { kind: "relay", regionId: 1 });
});
