import assert from "node:assert/strict";
import { concatBytes, toHex } from "../../../lib/base/bytes.ts";
import { CoordinatorSession } from "../../../lib/tailnet/coordinator/mod.ts";
import type { SessionEvent } from "../../../lib/tailnet/coordinator/mod.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type { CoordinatorServerSession } from "../../../lib/tailnet/coordinator/server_mod.ts";
import { binaryPayloads, captureTest, parseWire } from "../../support/captures.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testNode, testUuid } from "../support.ts";
import { AGENT_ID, MAP } from "./support.ts";

const CAPTURE = "coder-v2.36.0/wire/coordinate-v2.jsonl";
const CAPTURED_AGENT = "2f53a9b3-05b9-4a5b-80a6-64dd44560209";

function drain(session: CoordinatorSession): SessionEvent[] {
  const events: SessionEvent[] = [];
  for (let e = session.pollEvent(); e !== undefined; e = session.pollEvent()) events.push(e);
  return events;
}

function bytesOf(session: CoordinatorSession | CoordinatorServerSession): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let b = session.pollTransmit(); b !== undefined; b = session.pollTransmit()) chunks.push(b);
  return concatBytes(...chunks);
}

/** A session and the bytes that a server answered its opening with. */
function opened(): { readonly session: CoordinatorSession; readonly answer: Uint8Array } {
  const server = new CoordinatorServer({
    derpMap: MAP,
    grantResumeToken: () => ({ token: "t", refreshInMs: 1000, expiresAtMs: 5 }),
  });
  const role = { kind: "client", agentId: AGENT_ID } as const;
  const end = server.openSession({ peerId: testUuid(8), role }, 0);
  const session = new CoordinatorSession({ tunnels: [AGENT_ID], node: testNode(5) }, 0);
  end.handleBytes(bytesOf(session), 0);
  return { session, answer: bytesOf(end) };
}

/** As the official client, which opens all calls at once: ours asks for maps and tokens later. */
function sessionWithAllCalls(): CoordinatorSession {
  const session = new CoordinatorSession({ tunnels: [CAPTURED_AGENT] }, 0);
  session.handleTimeout(session.pollTimeout() ?? 0);
  return session;
}

captureTest("a session understands what a real server said, however it is cut", CAPTURE, (text) => {
  const bytes = concatBytes(...binaryPayloads(parseWire(text), "<"));
  for (let seed = 0; seed < 50; seed++) {
    const random = new SeededRandom(seed);
    const session = sessionWithAllCalls();
    bytesOf(session);
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random.below(seed === 0 ? 1 : 100);
      session.handleBytes(bytes.subarray(at, end), 0);
      at = end;
    }
    const events = drain(session);
    assert.deepEqual(
      events.map((e) => e.kind === "peerUpdate" ? e.update.kind : e.kind),
      ["node", "derpMap", "resumeToken", "readyForHandshake", "ended"],
    );
    const [first] = events;
    assert.ok(first?.kind === "peerUpdate" && first.update.kind === "node");
    assert.equal(first.update.node.preferredDerp, 999);
    assert.equal(first.update.peerId, CAPTURED_AGENT);
  }
});

captureTest("a session opens its calls with the bytes of the official client", CAPTURE, (text) => {
  const theirs = toHex(concatBytes(...binaryPayloads(parseWire(text), ">")));
  const ours = toHex(bytesOf(sessionWithAllCalls()));
  const coordinate = ours.slice(72, 72 + 2 * (12 + 64)); // behind three SYN frames
  assert.ok(coordinate.startsWith("000000000000000100000040"));
  assert.ok(theirs.includes(coordinate));
  assert.ok(theirs.includes(ours.slice(-2 * (12 + 56))), "RefreshResumeToken");
});

Deno.test("a websocket that dies at any byte leaves events in order and no error", () => {
  const length = opened().answer.length;
  for (let cut = 0; cut <= length; cut++) {
    const { session, answer } = opened();
    session.handleBytes(answer.subarray(0, cut), 0);
    const kinds = drain(session).map((e) => e.kind);
    assert.deepEqual(kinds, ["derpMap", "resumeToken"].slice(0, kinds.length));
    assert.ok(!session.isEnded);
  }
});

Deno.test("handleBytes() throws nothing: damage ends the session, or is not noticed", () => {
  let ends = 0;
  for (let seed = 0; seed < 400; seed++) {
    const random = new SeededRandom(seed);
    const { session, answer } = opened();
    const damaged = answer.slice();
    for (let i = 0; i < 3; i++) damaged[random.below(damaged.length)] = random.below(256);
    session.handleBytes(damaged, 0);
    const events = drain(session);
    if (events.at(-1)?.kind === "ended") ends++;
    assert.equal(events.at(-1)?.kind === "ended", session.isEnded);
    bytesOf(session);
    session.handleBytes(answer, 0);
    session.handleTimeout(session.pollTimeout() ?? 0);
  }
  assert.ok(ends > 100);
});

Deno.test("a server core survives damage as well", () => {
  for (let seed = 0; seed < 400; seed++) {
    const random = new SeededRandom(seed);
    const server = new CoordinatorServer({ derpMap: MAP });
    const role = { kind: "client", agentId: AGENT_ID } as const;
    const end = server.openSession({ peerId: testUuid(8), role }, 0);
    const bytes = bytesOf(new CoordinatorSession({ tunnels: [AGENT_ID], node: testNode(5) }, 0));
    for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
    end.handleBytes(bytes, 0);
    bytesOf(end);
    end.handleDisconnected(1);
    assert.equal(server.peerCount, 0, `seed ${seed}`);
  }
});

Deno.test("a coordinator that reads nothing is given up before memory is", () => {
  const { session } = opened();
  for (let i = 0; i < 20_000 && !session.isEnded; i++) session.updateSelf(testNode(i), 0);
  assert.ok(session.isEnded);
  assert.deepEqual(drain(session).at(-1), {
    kind: "ended",
    end: { kind: "failed", message: "the coordinator reads nothing" },
  });
});

Deno.test("however soon the server wants a token to be asked for again, it is asked every ten seconds at most", () => {
  for (const [refreshInMs, atMost, atLeast] of [[1e-6, 7, 6], [1, 7, 6], [1e300, 1, 1]] as const) {
    let grants = 0;
    const server = new CoordinatorServer({
      derpMap: MAP,
      grantResumeToken: () => {
        grants++;
        return { token: "t", refreshInMs: Math.min(refreshInMs, 1e15), expiresAtMs: 5 };
      },
    });
    const role = { kind: "client", agentId: AGENT_ID } as const;
    const end = server.openSession({ peerId: testUuid(8), role }, 0);
    const session = new CoordinatorSession({ tunnels: [AGENT_ID], node: testNode(5) }, 0);
    for (let now = 0; now < 60_001; now += 1) {
      if ((session.pollTimeout() ?? Infinity) <= now) session.handleTimeout(now);
      end.handleBytes(bytesOf(session), now);
      const answer = bytesOf(end);
      if (answer.length > 0) session.handleBytes(answer, now);
    }
    assert.ok(grants <= atMost && grants >= atLeast, `${grants} grants at ${refreshInMs} ms`);
    assert.ok((session.pollTimeout() ?? Infinity) < 25 * 3_600_000);
  }
});
