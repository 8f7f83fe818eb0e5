/** Users and holders of sessions that say what may not be said. */
import { ok, rejects, strictEqual } from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import type { LocalListener } from "../../lib/base/sockets.ts";
import { StreamError } from "../../lib/base/stream.ts";
import { FramedSocket, greetClient } from "../../lib/io/framed_socket.ts";
import { callHolder } from "../../lib/io/holder_call.ts";
import { askForSession } from "../../lib/io/offered_session.ts";
import { Tasks } from "../../lib/io/tasks.ts";
import { FrameType } from "../../lib/sharing/frame.ts";
import { encodeRequest, encodeTaken, Flow, FLOW_BYTES } from "../../lib/sharing/session_message.ts";
import { answer, Machine, outcome, utf8 } from "./held_scene.ts";

Deno.test("a program that says what may not be said is hung up on, and others are served on", async (t) => {
  let count = 0;
  await using machine = await Machine.start({
    onSession: (session) => {
      count++;
      session.command === "tea" ? answer(session) : session.channel.pause();
    },
  });
  const request = encodeRequest({ command: "x" });
  ok(request !== undefined);
  const rows: { readonly name: string; readonly say: (socket: FramedSocket) => Promise<void> }[] = [
    {
      name: "a start without a request",
      say: (socket) => socket.send(FrameType.start),
    },
    {
      name: "a request that is none",
      say: (socket) => socket.send(FrameType.request, utf8("{")),
    },
    {
      name: "more input than may come",
      say: async (socket) => {
        await start(socket);
        for (let at = 0; at <= 2 * FLOW_BYTES + 4 * 1024 * 1024; at += 65_536) {
          await socket.send(FrameType.data, new Uint8Array(65_536));
        }
      },
    },
    {
      name: "more taken than was sent",
      say: async (socket) => {
        await start(socket);
        await socket.send(FrameType.taken, encodeTaken(Flow.output, 1));
      },
    },
    {
      name: "a signal that is none",
      say: async (socket) => {
        await start(socket);
        await socket.send(FrameType.signal, utf8("IN\u0000T"));
      },
    },
  ];
  const start = async (socket: FramedSocket) => {
    await socket.send(FrameType.request, request);
    strictEqual((await socket.next())?.type, FrameType.opening);
    await socket.send(FrameType.start);
    strictEqual((await socket.next())?.type, FrameType.started);
  };
  for (const { name, say } of rows) {
    await t.step(name, async () => {
      const socket = await callHolder(machine.place, new AbortController().signal);
      await socket.send(FrameType.session);
      strictEqual((await socket.next())?.type, FrameType.opening);
      strictEqual((await socket.next())?.type, FrameType.offered);
      await say(socket).catch((error) => ok(error instanceof StreamError, String(error)));
      strictEqual(await socket.next(), undefined);
      socket.close();
    });
  }
  strictEqual(count, 3);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
});

/** A holder by hand, which answers in its own way from the offer on. */
async function serveRaw(
  machine: Machine,
  listener: LocalListener,
  say: (socket: FramedSocket) => Promise<void>,
): Promise<void> {
  const stream = await listener.accept();
  ok(stream !== undefined);
  const socket = new FramedSocket(stream);
  await greetClient(socket, machine.place);
  strictEqual((await socket.next())?.type, FrameType.session);
  await socket.send(FrameType.opening);
  await say(socket);
}

Deno.test("a holder that says what may not be said loses the session, and fills nothing", async (t) => {
  await using machine = await Machine.start();
  const rows: { readonly name: string; readonly say: (socket: FramedSocket) => Promise<void> }[] = [
    {
      name: "more output than may come",
      say: async (socket) => {
        for (let at = 0; at <= FLOW_BYTES; at += 65_536) {
          await socket.send(FrameType.data, new Uint8Array(65_536));
        }
      },
    },
    {
      name: "more taken than was sent",
      say: (socket) => socket.send(FrameType.taken, encodeTaken(Flow.input, 1)),
    },
    {
      name: "a flow that is none",
      say: (socket) => socket.send(FrameType.taken, encodeTaken(Flow.output, 1)),
    },
    { name: "an end that is none", say: (socket) => socket.send(FrameType.exited, utf8("{}")) },
    { name: "no end", say: (socket) => Promise.resolve(socket.close()) },
  ];
  for (const { name, say } of rows) {
    await t.step(name, async () => {
      const listener = await machine.sockets.listen({ kind: "unix", path: `/run/${name}` });
      const serving = serveRaw(machine, listener, async (socket) => {
        await socket.send(FrameType.offered, Uint8Array.of(1));
        strictEqual((await socket.next())?.type, FrameType.request);
        await socket.send(FrameType.opening);
        strictEqual((await socket.next())?.type, FrameType.start);
        await socket.send(FrameType.started);
        await say(socket);
      });
      const tasks = new Tasks(() => {});
      const offered = await askForSession({
        place: { ...machine.place, at: listener.target },
        meter: { bytesIn: 0, bytesOut: 0 },
        tasks,
      });
      const session = await offered.start({ command: "x" });
      ok(session !== undefined);
      strictEqual((await session.ended).kind, "lost");
      await serving;
      await tasks.ended();
      listener.close();
    });
  }
});

Deno.test("once the start was sent, a holder that goes is an end and no reason to run it again", async () => {
  await using machine = await Machine.start();
  const listener = await machine.sockets.listen({ kind: "unix", path: "/run/gone" });
  const serving = serveRaw(machine, listener, async (socket) => {
    await socket.send(FrameType.offered, Uint8Array.of(1));
    await socket.next();
    await socket.send(FrameType.opening);
    await socket.next();
    socket.close();
  });
  const offered = await askForSession({
    place: { ...machine.place, at: listener.target },
    meter: { bytesIn: 0, bytesOut: 0 },
    tasks: new Tasks(() => {}),
  });
  await rejects(
    offered.start({ command: "x" }),
    (error) =>
      error instanceof UserError && error.exitCode === 255 &&
      error.message === "SSH connection ended unexpectedly" &&
      error.hint === "The process that held the shared tunnel has gone",
  );
  await serving;
  listener.close();
});
