/** What is left of the keys of a session that ended: nothing. The objects are walked, private fields included. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { randomBytes } from "../../lib/base/core.ts";
import { precomputeBox } from "../../lib/crypto/box.ts";
import { loadAead, publicKey } from "../../lib/crypto/mod.ts";
import { DerpClient } from "../../lib/derp/mod.ts";
import { encodeServerInfo, encodeServerKey } from "../../lib/derp/login.ts";
import { WireguardDevice } from "../../lib/wireguard/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { bytesIn, type FoundBytes } from "../support/object_graph.ts";
import { World } from "./sim/world.ts";

/** Names under which secrets are kept. Public keys, nonces and indices are none. */
const SECRET =
  /private|secret|sendKey|receiveKey|staticShared|ephemeral$|cookie$|^#ck$|^#k$|^value$|^bytes$/i;
const KEY_BYTES = 32;

function isSecret({ name, path, bytes }: FoundBytes): boolean {
  if (!SECRET.test(name) && !/privateKeys\.\d+$/.test(path)) return false;
  return bytes.length > 0 && bytes.length <= KEY_BYTES && bytes.some((byte) => byte !== 0);
}

/** The same bytes anywhere, also in the middle of a larger array. */
function placesOf(secret: string, found: readonly FoundBytes[]): string[] {
  return found.filter(({ bytes }) => toHex(bytes).includes(secret)).map(({ path }) => path);
}

async function secretsOf(root: object, except: readonly object[] = []): Promise<FoundBytes[]> {
  return (await bytesIn(root, except)).filter(isSecret);
}

Deno.test("a session that is closed holds no key any more, wherever it was when it ended", async (t) => {
  const rows: { name: string; until: (world: World) => void; expects: readonly RegExp[] }[] = [
    {
      name: "reachable, after keys were renewed and the agent moved",
      until(world) {
        ok(world.until(() => world.client.session.isReachable, 20_000));
        world.pass(200_000);
        ok(world.client.session.isReachable);
      },
      expects: [
        /localStatic\.privateKey$/,
        /sendKey$/,
        /receiveKey$/,
        /#staticShared$/,
        /key\.bytes$/,
      ],
    },
    {
      name: "in the middle of a handshake with an agent that stands still",
      until(world) {
        ok(world.until(() => world.client.session.status().step === "handshake", 20_000));
        world.agent.isFrozen = true;
        world.pass(3_000);
      },
      expects: [/localStatic\.privateKey$/, /#ephemeral$/, /#ck$/, /#k$/],
    },
    { name: "before anything", until: () => {}, expects: [/localStatic\.privateKey$/] },
  ];
  for (const { name, until, expects } of rows) {
    await t.step(name, async () => {
      const world = new World();
      until(world);
      const { session } = world.client;
      const before = await secretsOf(session, [world.network]);
      for (const expected of expects) {
        ok(
          before.some(({ path }) => expected.test(path)),
          `${expected} of ${before.map((f) => f.path)}`,
        );
      }
      const secrets = new Set(before.map(({ bytes }) => toHex(bytes)));
      session.node.close();
      for (const { path, bytes } of before) ok(bytes.every((byte) => byte === 0), path);
      const after = await bytesIn(session, [world.network]);
      deepStrictEqual(after.filter(isSecret).map(({ path }) => path), []);
      for (const secret of secrets) deepStrictEqual(placesOf(secret, after), []);
    });
  }
});

Deno.test("a session that is closed at any moment of its beginning leaves no key behind", async () => {
  let hasSeenLogin = false;
  for (let ms = 0; ms <= 120; ms += 8) {
    const world = new World({ regions: [7], agentRegion: 7 });
    world.pass(ms);
    const { session } = world.client;
    const before = await secretsOf(session, [world.network]);
    hasSeenLogin ||= before.some(({ path }) => /#derp\.#state\.key\.bytes$/.test(path));
    session.node.close();
    for (const { path, bytes } of before) ok(bytes.every((byte) => byte === 0), `${path} at ${ms}`);
  }
  ok(hasSeenLogin);
});

Deno.test("the login at a relay leaves no key behind, whether it succeeds or not", async (t) => {
  await t.step("once the relay let us in", async () => {
    const world = new World();
    ok(world.until(() => world.client.session.isReachable, 20_000));
    const { relays } = world.client.session.node;
    deepStrictEqual(
      (await secretsOf(relays)).map(({ name }) => name).filter((n) => n === "bytes"),
      [],
    );
  });
  const random = new SeededRandom(7);
  const [privateKey, serverKey] = [randomBytes(random, 32), randomBytes(random, 32)];
  const introduced = async () => {
    const client = new DerpClient({ privateKey, publicKey: publicKey(privateKey), random });
    client.handleBytes(encodeServerKey(publicKey(serverKey)), 0);
    deepStrictEqual(client.pollEvent(), { kind: "introduced" });
    const [shared, ...others] = (await secretsOf(client))
      .filter(({ path }) => path.endsWith("key.bytes"));
    ok(shared !== undefined && others.length === 0);
    return { client, shared: shared.bytes };
  };
  await t.step("when it succeeds", async () => {
    const { client, shared } = await introduced();
    const key = precomputeBox(serverKey, publicKey(privateKey));
    ok(key !== undefined);
    client.handleBytes(encodeServerInfo(key, { version: 2 }, random), 1);
    strictEqual(client.pollEvent()?.kind, "ready");
    ok(shared.every((byte) => byte === 0));
  });
  await t.step("when it is given up halfway", async () => {
    const { client, shared } = await introduced();
    client.close();
    ok(shared.every((byte) => byte === 0));
    ok(!client.canSend);
  });
});

Deno.test("a device under load forgets its cookies when it is closed", async () => {
  const random = new SeededRandom(8);
  const aead = loadAead();
  const made = [0, 1].map(() =>
    new WireguardDevice({
      privateKey: randomBytes(random, 32),
      random,
      aead,
      wallMsAtZero: 0,
      underLoadAbovePerSecond: 0,
    })
  );
  const [a, b] = made;
  ok(a !== undefined && b !== undefined);
  const peer = a.addPeer({ publicKey: b.publicKey }, 0);
  b.addPeer({ publicKey: a.publicKey }, 0);
  a.initiate(peer, 0);
  const initiation = a.pollTransmit()?.datagram ?? new Uint8Array(0);
  const answer = b.handleDatagram(initiation, 1);
  ok(answer.kind === "none" && answer.reply !== undefined);
  a.handleDatagram(answer.reply, 2);
  const kept = [...await secretsOf(a), ...await secretsOf(b)];
  for (const name of ["value", "#secret", "privateKey", "#staticShared"]) {
    ok(kept.some((found) => found.name === name), name);
  }
  a.close();
  b.close();
  for (const { path, bytes } of kept) ok(bytes.every((byte) => byte === 0), path);
});
