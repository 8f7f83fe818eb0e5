import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { DrpcClientCall, DrpcError, DrpcServerCall, isUnimplemented } from "../../lib/drpc/mod.ts";
import type { DrpcEvent, DrpcStream } from "../../lib/drpc/mod.ts";
import { YamuxSession } from "../../lib/yamux/mod.ts";

const NONE = new Uint8Array(0);
const REFRESH = "/coder.tailnet.v2.Tailnet/RefreshResumeToken";
const COORDINATE = "/coder.tailnet.v2.Tailnet/Coordinate";

function hexOf(text: string): string {
  return toHex(new TextEncoder().encode(text));
}

function drain(call: DrpcStream): DrpcEvent[] {
  const events: DrpcEvent[] = [];
  for (let e = call.pollEvent(); e !== undefined; e = call.pollEvent()) events.push(e);
  return events;
}

/** Carries what both have to say. */
function settle(client: DrpcClientCall, server: DrpcServerCall): void {
  const toServer = client.pollTransmit();
  if (toServer !== undefined) server.handleBytes(toServer);
  const toClient = server.pollTransmit();
  if (toClient !== undefined) client.handleBytes(toClient);
}

Deno.test("a unary call has the bytes that are on record, inside yamux too (docs/protocol/coordinator.md#calls-by-example)", () => {
  const call = new DrpcClientCall(REFRESH);
  call.send(NONE);
  call.closeSend();
  const bytes = call.pollTransmit() ?? NONE;
  assert.equal(toHex(bytes), "0301012c" + hexOf(REFRESH) + "05010200" + "0d010300");
  const session = new YamuxSession({ role: "client" }, 0);
  session.openStream(0).write(bytes);
  assert.equal(
    toHex(session.pollTransmit() ?? NONE),
    "000100010000000100000000" + "000000000000000100000038" + toHex(bytes),
  );
});

Deno.test("a stream call has the bytes that are on record (docs/protocol/coordinator.md#calls-by-example)", () => {
  const call = new DrpcClientCall(COORDINATE);
  call.send(fromHex("1a120a103a5b2a46b6af43658859479cedf5c885"));
  const opening = call.pollTransmit() ?? NONE;
  assert.equal(opening.length, 64);
  assert.equal(
    toHex(opening),
    "03010124" + hexOf(COORDINATE) + "050102141a120a103a5b2a46b6af43658859479cedf5c885",
  );
  call.send(NONE);
  call.send(NONE);
  call.pollTransmit();
  call.send(fromHex("1200"));
  assert.equal(toHex(call.pollTransmit() ?? NONE), "050105021200");
  call.close();
  assert.equal(toHex(call.pollTransmit() ?? NONE), "0b010600");
});

Deno.test("unary: question, answer, CloseSend", () => {
  const client = new DrpcClientCall(REFRESH);
  const server = new DrpcServerCall();
  client.send(fromHex("01"));
  client.closeSend();
  settle(client, server);
  assert.deepEqual(drain(server), [
    { kind: "invoke", rpc: REFRESH },
    { kind: "message", message: fromHex("01") },
    { kind: "closeSend" },
  ]);
  server.send(fromHex("02"));
  server.closeSend();
  settle(client, server);
  assert.deepEqual(drain(client), [
    { kind: "message", message: fromHex("02") },
    { kind: "closeSend" },
  ]);
  client.close();
  settle(client, server);
  assert.deepEqual(drain(server), [{ kind: "ended", how: { kind: "closed" } }]);
});

Deno.test("Close ends both directions: nothing more is sent or told", () => {
  const client = new DrpcClientCall(COORDINATE);
  const server = new DrpcServerCall();
  settle(client, server);
  server.close();
  settle(client, server);
  assert.ok(client.isEnded);
  client.send(fromHex("01"));
  client.closeSend();
  client.close();
  assert.equal(client.pollTransmit(), undefined);
  assert.equal(client.unsentBytes, 0);
  client.handleEnd();
  assert.deepEqual(drain(client), [{ kind: "ended", how: { kind: "closed" } }]);
});

Deno.test("errors carry code and text; unknown RPCs are told by either (docs/protocol/coordinator.md#errors-of-calls)", () => {
  const rows = [
    { fail: (s: DrpcServerCall) => s.fail(12n, "no"), code: 12n, text: "no", unknown: true },
    {
      fail: (s: DrpcServerCall) => s.failUnknownRpc("/a/B"),
      code: 0n,
      text: 'protocol error: unknown rpc: "/a/B"',
      unknown: true,
    },
    { fail: (s: DrpcServerCall) => s.fail(5n, "über"), code: 5n, text: "über", unknown: false },
  ];
  for (const { fail, code, text, unknown } of rows) {
    const client = new DrpcClientCall("/a/B");
    const server = new DrpcServerCall();
    settle(client, server);
    fail(server);
    settle(client, server);
    const [event] = drain(client);
    assert.deepEqual(event, { kind: "ended", how: { kind: "error", code, text } });
    assert.equal(event?.kind === "ended" && isUnimplemented(event.how), unknown);
  }
});

Deno.test("cancel, end of transport and metadata", () => {
  const cancelled = new DrpcServerCall();
  cancelled.handleBytes(fromHex("0f010101aa" + "0301020161" + "89010300"));
  assert.deepEqual(drain(cancelled).map((e) => e.kind), ["invoke", "ended"]);
  const cut = new DrpcClientCall("/a/B");
  cut.handleBytes(fromHex("0501"));
  cut.handleEnd();
  assert.deepEqual(drain(cut), [{ kind: "ended", how: { kind: "transportEnded" } }]);
});

Deno.test("packets out of order end the call with DrpcError", () => {
  const rows: [string, DrpcStream, string][] = [
    ["message before Invoke", new DrpcServerCall(), "05010100"],
    ["Invoke at a client", new DrpcClientCall("/a/B"), "0301010161"],
    ["Invoke twice", new DrpcServerCall(), "0301010161" + "0301020161"],
    ["message behind CloseSend", new DrpcClientCall("/a/B"), "0d010100" + "05010200"],
    ["another stream", new DrpcClientCall("/a/B"), "05020100"],
    ["short error", new DrpcClientCall("/a/B"), "07010103aabbcc"],
  ];
  for (const [name, call, hex] of rows) {
    assert.throws(() => call.handleBytes(fromHex(hex)), DrpcError, name);
  }
});

Deno.test("a message cut at every byte is the same message", () => {
  const client = new DrpcClientCall("/a/B");
  client.send(fromHex("0102030405"));
  client.closeSend();
  const bytes = client.pollTransmit() ?? NONE;
  for (let cut = 0; cut <= bytes.length; cut++) {
    const server = new DrpcServerCall();
    server.handleBytes(bytes.subarray(0, cut));
    server.handleBytes(bytes.subarray(cut));
    assert.deepEqual(drain(server).map((e) => e.kind), ["invoke", "message", "closeSend"]);
  }
});
