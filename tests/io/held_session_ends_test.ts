/** Holders of sessions that are stopped, end, or have no room: what their users hear, and that nothing is run twice. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { AGENT_SSH_PORT } from "../../lib/tailnet/agent_ports.ts";
import { answer, echo, Machine, outcome, settle, utf8 } from "./held_scene.ts";

Deno.test("a holder that is stopped before the start is done without in 80 ms, and begins nothing when it goes on", async () => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const offered = await machine.offer();
  machine.holder.stop();
  const starting = offered.start({ command: "once" });
  await machine.pass(80);
  strictEqual(await starting, undefined);
  machine.holder.resume();
  await settle();
  strictEqual(count, 0);
});

Deno.test("a holder that is stopped before it is asked has no session for us, nor a port", async () => {
  await using machine = await Machine.start({ onSession: answer });
  const tunnel = await machine.attach();
  machine.holder.stop();
  const asking = tunnel.openHeldSession();
  await machine.pass(80);
  match(String(await asking), /does not answer within 80 ms/);
  // At once, through a tunnel of our own.
  await tunnel.openTcp(AGENT_SSH_PORT);
});

Deno.test("a holder that is stopped while a command runs: it is lost, in words, and not run again", async () => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const session = await machine.begin("once");
  machine.holder.stop();
  await machine.pass(5_000);
  await machine.pass(15_000);
  deepStrictEqual(await session.ended, {
    kind: "lost",
    message: "The process that holds the shared tunnel does not answer within 15000 ms",
  });
  machine.holder.resume();
  await settle();
  strictEqual(count, 1);
});

Deno.test("a session that is silent for long goes on while its holder lives", async () => {
  await using machine = await Machine.start({ onSession: echo });
  const session = await machine.begin("cat");
  for (let minute = 0; minute < 5; minute++) await machine.pass(60_000);
  await session.write(utf8("still here"));
  await session.closeStdin();
  strictEqual((await outcome(session)).stdout, "still here");
});

Deno.test("a holder that ends says why to whoever has a session, and offers none", async () => {
  await using machine = await Machine.start({ onSession: () => {} });
  const tunnel = await machine.attach();
  const session = await machine.begin("sleep");
  const offered = await machine.offer();
  machine.ending.abort();
  await offered.closed;
  deepStrictEqual((await outcome(session)).end, {
    kind: "lost",
    message: "The process that held the shared tunnel was ended",
  });
  strictEqual(typeof await tunnel.openHeldSession(), "string");
});

Deno.test("an SSH connection that is lost: sessions say so, offers are off, and the next one is made anew", async () => {
  await using machine = await Machine.start({
    onSession: (session) => session.command === "tea" ? answer(session) : undefined,
  });
  const session = await machine.begin("sleep");
  const offered = await machine.offer();
  machine.connections[0]?.abort();
  await offered.closed;
  strictEqual(await offered.start({ command: "tea" }), undefined);
  strictEqual((await outcome(session)).end.kind, "lost");
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  strictEqual(machine.connections.length, 2);
});

Deno.test("a workspace without an SSH server offers no session, and says why", async () => {
  await using machine = await Machine.start({}, { servers: 0 });
  const tunnel = await machine.attach();
  strictEqual(await tunnel.openHeldSession(), "refused");
});

Deno.test("a workspace that does not answer offers no session within a second", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const first = machine.agents.ports.get(AGENT_SSH_PORT);
  machine.agents.ports.set(AGENT_SSH_PORT, () => {
    const stream = first?.();
    ok(stream !== undefined);
    return {
      closed: stream.closed,
      read: () => Promise.race([stream.closed.then(() => null), new Promise<null>(() => {})]),
      write: (bytes) => stream.write(bytes),
      closeWrite: () => stream.closeWrite(),
      abort: (message) => stream.abort(message),
    };
  });
  const asking = tunnel.openHeldSession();
  await machine.pass(1_000);
  match(String(await asking), /SSH server does not answer within 1000 ms/);
});

Deno.test("fifteen sessions are held at once and no more; one that has ended makes room", async () => {
  await using machine = await Machine.start({ onSession: echo });
  const sessions = [];
  for (let i = 0; i < 15; i++) sessions.push(await machine.begin("cat"));
  const tunnel = await machine.attach();
  strictEqual(await tunnel.openHeldSession(), "15 sessions are held already");
  await sessions[0]?.closeStdin();
  await sessions[0]?.ended;
  await settle();
  ok(typeof await tunnel.openHeldSession() !== "string");
});

Deno.test("an offer that nobody takes is taken back", async () => {
  await using machine = await Machine.start({ onSession: answer });
  const offered = await machine.offer();
  await settle();
  machine.clock.advance(30_000);
  await offered.closed;
  strictEqual(await offered.start({ command: "tea" }), undefined);
});
