import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Attempts } from "../../../lib/tailnet/coordinator/attempts.ts";
import type { DisconnectReason } from "../../../lib/tailnet/coordinator/dial_failure.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const WALL_MS = 1_700_000_000_000;
const SILENT: DisconnectReason = { kind: "unreachable", message: "connection refused" };

function attempts(): Attempts {
  return new Attempts({ protocol: "v2", random: new SeededRandom(1), wallMsAtZero: WALL_MS });
}

function refusal(status: number, body: unknown): DisconnectReason {
  return { kind: "refused", status, body: new TextEncoder().encode(JSON.stringify(body)) };
}

Deno.test("Attempts: a server that is not reached is tried again and counted, until it is heard", () => {
  const life = attempts();
  const delays: (readonly [number, number])[] = [];
  for (let i = 0; i < 4; i++) {
    const verdict = life.judgeDial(SILENT);
    ok(verdict.kind === "retry");
    delays.push([verdict.delayMs, verdict.failedAttempts]);
  }
  deepStrictEqual(delays, [[1_000, 1], [2_000, 2], [5_000, 3], [5_000, 4]]);
  strictEqual(life.lastFailure, "connection refused");
  life.noteHeard();
  const verdict = life.judgeDial(SILENT);
  ok(verdict.kind === "retry");
  deepStrictEqual([verdict.delayMs, verdict.failedAttempts], [0, 0]);
});

Deno.test("Attempts: a refusal is final before the first connection, and trouble after it", () => {
  const refused = refusal(404, { message: "No such agent" });
  const first = attempts();
  const verdict = first.judgeDial(refused);
  ok(verdict.kind === "giveUp");
  deepStrictEqual([verdict.message, verdict.failure?.status], ["No such agent", 404]);
  const later = attempts();
  later.noteConnected();
  strictEqual(later.judgeDial(refused).kind, "retry");
});

Deno.test("Attempts: a version that is refused is answered with the other one, at once and once", () => {
  const life = attempts();
  const refused = refusal(400, {
    message: "Unknown version",
    validations: [{ field: "version", detail: "unsupported" }],
  });
  const verdict = life.judgeDial(refused);
  ok(verdict.kind === "retry");
  deepStrictEqual([verdict.delayMs, life.protocol], [0, "v1"]);
  strictEqual(life.judgeDial(refused).kind, "giveUp");
});

Deno.test("Attempts: a resume token is good until it expires, or is refused, which costs no wait", () => {
  const life = attempts();
  strictEqual(life.resumeToken(0), undefined);
  life.noteResumeToken({ token: "t", expiresAtMs: WALL_MS + 60_000 });
  deepStrictEqual([life.resumeToken(59_999), life.resumeToken(60_000)], ["t", undefined]);
  life.noteConnected();
  const verdict = life.judgeDial(refusal(401, {
    message: "Workspace agent coordination",
    validations: [{ field: "resume_token", detail: "invalid" }],
  }));
  ok(verdict.kind === "retry");
  deepStrictEqual([verdict.delayMs, life.resumeToken(0)], [0, undefined]);
});

Deno.test("Attempts: what the server calls permanent ends the life with its connection", () => {
  const life = attempts();
  life.noteConnected();
  life.notePermanentError("the agent was deleted");
  const verdict = life.judgeConnection("websocket closed", 60_000);
  ok(verdict.kind === "giveUp");
  deepStrictEqual([verdict.message, verdict.failure], ["the agent was deleted", undefined]);
});
