import assert from "node:assert/strict";
import { Backoff } from "../../../lib/tailnet/coordinator/backoff.ts";
import { classifyDialFailure } from "../../../lib/tailnet/coordinator/mod.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { refusal, World } from "./support.ts";

Deno.test("Backoff grows by 1.618 from nothing to 10 s, less a quarter at most", () => {
  const backoff = new Backoff(new SeededRandom(4));
  backoff.noteHeard();
  const full = [0, 81, 131, 212, 343, 554];
  for (const ms of full) {
    const delayMs = backoff.nextDelayMs();
    assert.ok(delayMs <= ms + 1 && delayMs >= 0.75 * ms - 1, `${delayMs} of ${ms}`);
  }
  for (let i = 0; i < 20; i++) backoff.nextDelayMs();
  const longest = backoff.nextDelayMs();
  assert.ok(longest >= 7_500 && longest <= 10_000);
  backoff.reset();
  assert.equal(backoff.nextDelayMs(), 0);
});

Deno.test("classifyDialFailure() knows verdicts from trouble (docs/protocol/coordinator.md#refusals)", async (t) => {
  const resume = [{ field: "resume_token", detail: "expired" }];
  const version = [{ field: "version", detail: "server is at version 2.3" }];
  const rows: [string, number, unknown, { permanent: boolean; text: string; token?: boolean }][] = [
    ["bad version", 400, { message: "Unknown", validations: version }, {
      permanent: true,
      text: "Unknown: server is at version 2.3",
    }],
    ["signed out", 401, { message: "You are signed out", detail: "" }, {
      permanent: true,
      text: "You are signed out",
    }],
    ["resume token", 401, { message: "Invalid resume token", validations: resume }, {
      permanent: false,
      text: "Invalid resume token: expired",
      token: true,
    }],
    ["origin", 403, "nope\n", { permanent: true, text: "nope" }],
    ["no agent", 404, { message: "Resource not found" }, {
      permanent: true,
      text: "Resource not found",
    }],
    ["browser only", 409, { message: "Non-browser" }, { permanent: true, text: "Non-browser" }],
    ["upgrade", 426, "x", { permanent: false, text: "x" }],
    ["rate limit", 429, "", { permanent: false, text: "HTTP status 429" }],
    ["database", 500, { message: "database not reachable" }, {
      permanent: true,
      text: "database not reachable",
    }],
    ["a proxy's 500", 500, "<html>oops", { permanent: false, text: "HTTP status 500" }],
    ["gateway", 502, "Bad Gateway", { permanent: false, text: "Bad Gateway" }],
  ];
  for (const [name, status, body, { permanent, text, token = false }] of rows) {
    await t.step(name, () => {
      const failure = classifyDialFailure({ kind: "refused", ...refusal(status, body) });
      assert.deepEqual(failure, {
        status,
        message: text,
        isResumeTokenRefused: token,
        isVersionRefused: name === "bad version",
        isPermanent: permanent,
      });
    });
  }
  const unreachable = classifyDialFailure({ kind: "unreachable", message: "no route" });
  assert.ok(!unreachable.isPermanent && unreachable.message === "no route");
});

Deno.test("a verdict on the first dial is final, behind trouble too", () => {
  for (const status of [400, 401, 403, 404, 409]) {
    const world = new World();
    const client = world.addClient();
    client.refusals.push(refusal(502), refusal(status, { message: "no" }));
    world.pass(60_000);
    assert.deepEqual(client.kinds(), [
      "dial",
      "hangUp",
      "disconnected",
      "dial",
      "hangUp",
      "failed",
    ]);
    assert.equal(client.take("failed")[0]?.failure?.status, status);
  }
});

Deno.test("after a connection no refusal is final", () => {
  const world = new World();
  const client = world.addClient();
  world.pass(10_000);
  for (const status of [400, 401, 403, 404, 409, 500]) {
    client.refusals.push(refusal(status, { message: "no" }));
  }
  client.take("dial");
  world.cut(client);
  world.pass(30_000);
  assert.equal(client.client.state, "connected");
  assert.equal(client.take("dial").length, 7);
});

Deno.test("trouble is tried again with growing pauses, at once on request", () => {
  const world = new World();
  const client = world.addClient();
  world.pass(10_000);
  client.take("dial");
  world.stopServer();
  world.pass(300_000);
  const retries = client.take("disconnected").map((e) => e.retryAt);
  const gaps = retries.map((at, i) => at - (retries[i - 1] ?? 0));
  assert.ok(retries.length > 30 && retries.length < 60);
  assert.ok(gaps.slice(-5).every((gap) => gap >= 7_500 && gap <= 10_000));
  world.isServerUp = true;
  client.client.handleWake(world.now);
  world.pass(0);
  assert.equal(client.client.state, "connected");
});

Deno.test("the next attempt is when it was said to be, heard of or never heard of", async (t) => {
  for (const isHeard of [false, true]) {
    await t.step(isHeard ? "heard of" : "never heard of", () => {
      const world = new World();
      world.isServerUp = isHeard;
      const client = world.addClient();
      world.pass(10_000);
      world.stopServer();
      client.events.splice(0);
      for (let attempt = 0; attempt < 12; attempt++) {
        world.pass(20_000);
        const told = client.events.splice(0);
        const retryAt = told.findLast((e) => e.kind === "disconnected")?.retryAt ?? NaN;
        if (retryAt <= world.now) continue; // due at this very instant
        world.pass(retryAt - world.now - 1);
        assert.ok(!client.kinds().includes("dial"), `dialled before ${retryAt}`);
        world.pass(1);
        assert.ok(client.kinds().includes("dial"), `not dialled at ${retryAt}`);
      }
    });
  }
});

Deno.test("a server that accepts and drops is not dialled without a pause", () => {
  const world = new World();
  const client = world.addClient();
  for (let second = 0; second < 60; second++) {
    world.settle();
    world.cut(client);
    world.pass(1_000);
  }
  assert.ok(client.take("dial").length < 40);
});

Deno.test("disconnect() while waiting or dialling ends at once", () => {
  const world = new World();
  world.isServerUp = false;
  const waiting = world.addClient();
  world.settle();
  waiting.client.disconnect(world.now);
  world.settle();
  assert.equal(waiting.kinds().at(-1), "closed");
  const dialling = world.addClient();
  dialling.client.disconnect(world.now);
  const kinds: string[] = [];
  for (let e = dialling.client.pollEvent(); e; e = dialling.client.pollEvent()) kinds.push(e.kind);
  assert.deepEqual(kinds, ["dial", "hangUp", "closed"]);
});

Deno.test("a websocket cut during a graceful end is the end", () => {
  const world = new World();
  const client = world.addClient();
  world.pass(10_000);
  client.client.disconnect(world.now);
  world.cut(client);
  world.pass(60_000);
  assert.equal(client.kinds().at(-1), "closed");
  assert.equal(client.peerIds.length, 1);
});
