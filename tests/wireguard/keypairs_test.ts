import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { Keypairs } from "../../lib/wireguard/keypairs.ts";
import { Session } from "../../lib/wireguard/session.ts";

function session(localIndex: number): Session {
  return new Session({
    keys: {
      sendKey: new Uint8Array(32).fill(1),
      receiveKey: new Uint8Array(32).fill(2),
      handshakeHash: new Uint8Array(32),
    },
    localIndex,
    remoteIndex: 0,
    isInitiator: true,
    createdAt: 0,
    rekeyAfterMessages: 100,
  });
}

type Step = readonly ["initiated" | "responded" | "confirm", number];

// What leaves, by index, and which one is current after each step; wireguard-go BeginSymmetricSession.
const ROWS: readonly {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly left: readonly number[][];
  readonly current: number | undefined;
}[] = [
  { name: "first, initiated", steps: [["initiated", 1]], left: [[]], current: 1 },
  { name: "first, responded", steps: [["responded", 1]], left: [[]], current: undefined },
  {
    name: "responded, then confirmed",
    steps: [["responded", 1], ["confirm", 1]],
    left: [[], []],
    current: 1,
  },
  {
    name: "renewed three times as initiator: two stay",
    steps: [["initiated", 1], ["initiated", 2], ["initiated", 3]],
    left: [[], [], [1]],
    current: 3,
  },
  {
    name: "renewed as responder: previous leaves at once, current when confirmed again",
    steps: [["initiated", 1], ["initiated", 2], ["responded", 3], ["confirm", 3]],
    left: [[], [], [1], []],
    current: 3,
  },
  {
    name: "a newer initiation of the peer replaces the unconfirmed session",
    steps: [["responded", 1], ["responded", 2]],
    left: [[], [1]],
    current: undefined,
  },
  {
    name: "crossing: the unconfirmed session becomes previous, current leaves",
    steps: [["initiated", 1], ["responded", 2], ["initiated", 3]],
    left: [[], [], [1]],
    current: 3,
  },
  {
    name: "a packet under current or previous confirms nothing",
    steps: [["initiated", 1], ["initiated", 2], ["confirm", 1], ["confirm", 2]],
    left: [[], [], [], []],
    current: 2,
  },
];

Deno.test("Keypairs move as wireguard-go's do (whitepaper §6.3)", async (t) => {
  for (const { name, steps, left, current } of ROWS) {
    await t.step(name, () => {
      const keypairs = new Keypairs();
      const sessions = new Map<number, Session>();
      const got = steps.map(([what, index]) => {
        const one = sessions.get(index) ?? session(index);
        sessions.set(index, one);
        const gone = what === "initiated"
          ? keypairs.installInitiated(one)
          : what === "responded"
          ? keypairs.installResponded(one)
          : keypairs.confirm(one) ?? [];
        return gone.map(({ localIndex }) => localIndex);
      });
      deepStrictEqual(got, left);
      strictEqual(keypairs.current?.localIndex, current);
    });
  }
});

Deno.test("Session.wipe() leaves no key and nothing to send with", () => {
  const one = session(1);
  one.wipe();
  deepStrictEqual([one.sendKey, one.receiveKey], [new Uint8Array(32), new Uint8Array(32)]);
  ok(!one.canSend(0));
});

Deno.test("Session: who renews, and when (whitepaper §6.2)", () => {
  const one = session(1);
  deepStrictEqual(
    [119_999, 120_000].map((now) => one.needsRekeyOnSend(now)),
    [false, true],
  );
  deepStrictEqual(
    [164_999, 165_000, 166_000].map((now) => one.takeRekeyOnReceive(now)),
    [false, true, false],
  );
  deepStrictEqual([179_999, 180_000].map((now) => one.canSend(now)), [true, false]);
  deepStrictEqual([one.takeCounter(), one.takeCounter(), one.takeCounter()], [0, 1, 2]);
});
