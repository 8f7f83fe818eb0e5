/** Sessions in the SSH connection that the holder of a tunnel keeps: what passes between a program and whoever has it run. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import { StreamError } from "../../lib/base/stream.ts";
import { FLOW_BYTES } from "../../lib/sharing/session_message.ts";
import { readAll, type TestSession } from "../support/ssh_server.ts";
import { answer, echo, Machine, outcome, settle, utf8 } from "./held_scene.ts";

const DUMPED_NO_CORE = false;

Deno.test("sessions of several programs run in one SSH connection, each to its own end", async () => {
  await using machine = await Machine.start({ onSession: answer });
  for (const command of ["tea", "coffee"]) {
    deepStrictEqual(await outcome(await machine.begin(command)), {
      stdout: `out of ${command}`,
      stderr: "err",
      end: { kind: "exit", code: 7 },
    });
  }
  strictEqual((await outcome(await machine.begin())).stdout, "out of a shell");
  strictEqual(machine.connections.length, 1);
});

Deno.test("the SSH connection is there before the first session when sessions are expected", async () => {
  await using machine = await Machine.start({ onSession: answer }, { keepsSsh: true });
  await settle();
  strictEqual(machine.connections.length, 1);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  strictEqual(machine.connections.length, 1);
});

Deno.test("the server's host key is told before anything runs", async () => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const { hostKey } = await machine.offer();
  strictEqual(machine.hostKey.split(" ")[1], btoa(String.fromCharCode(...hostKey)));
  strictEqual(count, 0);
});

Deno.test("input, its end, the terminal, its size, signals and breaks reach the program", async () => {
  const seen = Promise.withResolvers<TestSession>();
  await using machine = await Machine.start({
    onSession: (session) => {
      seen.resolve(session);
      echo(session);
    },
  });
  const offered = await machine.offer();
  const pty = { term: "xterm", size: { columns: 80, rows: 24 } };
  const session = await offered.start({ command: "cat", pty });
  ok(session !== undefined);
  session.resize({ columns: 100, rows: 50 });
  session.signal("INT");
  session.sendBreak();
  await session.write(utf8("hello"));
  await session.closeStdin();
  deepStrictEqual(await outcome(session), {
    stdout: "hello",
    stderr: "",
    end: { kind: "exit", code: 0 },
  });
  const { pty: given, windowChanges, signals } = await seen.promise;
  deepStrictEqual([given?.term, given?.cols, given?.rows], ["xterm", 80, 24]);
  deepStrictEqual(windowChanges.map(({ cols, rows }) => [cols, rows]), [[100, 50]]);
  deepStrictEqual(signals, ["INT"]);
});

Deno.test("a program that was killed ends with its signal", async () => {
  await using machine = await Machine.start({
    onSession: ({ channel }) => {
      channel.exit("TERM", DUMPED_NO_CORE, "");
      channel.close();
    },
  });
  deepStrictEqual((await outcome(await machine.begin("x"))).end, { kind: "signal", name: "TERM" });
});

Deno.test("bytes beyond all buffers pass both ways, in order", async () => {
  await using machine = await Machine.start({ onSession: echo });
  const session = await machine.begin("cat");
  const bytes = new Uint8Array(6 * FLOW_BYTES + 17).map((_, at) => at * 7 + (at >> 8));
  const writing = session.write(bytes).then(() => session.closeStdin());
  const [back] = await Promise.all([
    readAll((into) => session.readStdout(into)),
    readAll((into) => session.readStderr(into)),
    writing,
  ]);
  strictEqual(back.length, bytes.length);
  ok(back.every((byte, at) => byte === bytes[at]));
  deepStrictEqual(await session.ended, { kind: "exit", code: 0 });
});

Deno.test("a program that reads nothing holds up its input alone: signals pass, and others go on", async () => {
  const signals: string[][] = [];
  await using machine = await Machine.start({
    onSession: (session) => {
      if (session.command !== "deaf") return answer(session);
      session.channel.pause();
      signals.push(session.signals);
    },
  });
  const session = await machine.begin("deaf");
  let taken = 0;
  const typing = (async () => {
    for (;;) {
      await session.write(new Uint8Array(65_536));
      taken += 65_536;
    }
  })();
  typing.catch(() => {}); // it ends with the session
  let before: number;
  do {
    before = taken;
    await settle();
  } while (taken > before);
  session.signal("INT");
  await settle();
  deepStrictEqual(signals, [["INT"]]);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  session.abort();
  await rejects(typing, StreamError);
});

Deno.test("what nobody reads is not asked of the workspace any more", async () => {
  let written = 0;
  await using machine = await Machine.start({
    onSession: (session) => {
      if (session.command !== "yes") return answer(session);
      const write = () => {
        written += 65_536;
        if (session.channel.write(new Uint8Array(65_536))) setTimeout(write, 0);
        else session.channel.once("drain", write);
      };
      write();
    },
  });
  const session = await machine.begin("yes");
  let before: number;
  do {
    before = written;
    await settle();
  } while (written > before);
  ok(written < 8 * 1024 * 1024, `${written}`);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  session.abort();
  deepStrictEqual(await session.ended, { kind: "aborted" });
});

Deno.test("whoever leaves takes the program's channel along", async () => {
  const closed = Promise.withResolvers<void>();
  await using machine = await Machine.start({
    onSession: ({ channel }) => void channel.on("close", () => closed.resolve()).resume(),
  });
  const session = await machine.begin("sleep");
  session.abort();
  await closed.promise;
});

Deno.test("what the workspace refuses is told in its words, and the next one is served", async () => {
  await using machine = await Machine.start({ acceptPty: false, onSession: answer });
  const pty = { term: "xterm", size: { columns: 80, rows: 24 } };
  await rejects(
    (await machine.offer()).start({ pty }),
    (error) => error instanceof UserError && error.message === "request pty: request refused",
  );
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
});

Deno.test("a request that does not fit, or asks for more, is for a connection of one's own", async (t) => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const rows = [
    { name: "long", request: { command: "x".repeat(65_536) } },
    { name: "variables", request: { env: [["A", "B"]] as const } },
    { name: "an agent", request: { forwardAgent: true } },
  ];
  for (const { name, request } of rows) {
    await t.step(name, async () => {
      strictEqual(await (await machine.offer()).start(request), undefined);
    });
  }
  await settle();
  strictEqual(count, 0);
});
