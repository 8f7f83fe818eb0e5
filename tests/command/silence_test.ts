/** An agent that does not answer for a while, seen by commands that have no screen of a program's: each says so, and goes on. */
import { deepStrictEqual, doesNotMatch, match, strictEqual } from "node:assert/strict";
import { AgentPort } from "../../lib/sandbox/mod.ts";
import type { CommandOptions, CommandRun } from "../support/command_host.ts";
import { freePort } from "../support/free_port.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { commandTest, type Desk, TERMINAL } from "./support.ts";

const NO_ANSWER = /No answer from "myworkspace" since \d\d:\d\d:\d\d/;
const LOOPBACK = "127.0.0.1";

/** Clocks of commands hurry, that of the network does not: three seconds are three there. */
const HURRIED: CommandOptions = { clock: new HurryingClock(20) };

function freeze(desk: Desk) {
  desk.sandbox.workspace.agent().silence();
}

function thaw(desk: Desk) {
  desk.sandbox.workspace.agent().hear();
}

commandTest(
  "A command on a terminal has a line under the cursor while nothing answers",
  async (desk) => {
    await using run = desk.start(["myworkspace", "cat"], { terminal: TERMINAL });
    await run.type("one\n");
    await run.stdout.waitFor("one\n");
    freeze(desk);
    await run.type("two\n");
    await run.stdout.waitFor(NO_ANSWER);
    // It is typed on as lines: no escape is heard.
    doesNotMatch(run.stdout.text, /leaves/);
    thaw(desk);
    // The line is deleted, the cursor back.
    await run.stdout.waitFor("\x1b[M\x1b8two\n");
    await run.typeEnd();
    const { code, stderr } = await run.result();
    deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
  },
);

commandTest(
  "A command whose output goes elsewhere says it on standard error, if people see that",
  async (desk) => {
    for (const stderrIsTerminal of [true, false]) {
      await using run = desk.start(["myworkspace", "cat"], {
        ...HURRIED,
        stderrIsTerminal,
        keepsWaits: true,
      });
      await run.type("one\n");
      await run.stdout.waitFor("one\n");
      freeze(desk);
      await run.type("two\n");
      if (stderrIsTerminal) await run.stderr.waitFor(NO_ANSWER);
      thaw(desk);
      await run.stdout.waitFor("two\n");
      await run.typeEnd();
      const { code, stdout, stderr } = await run.result();
      deepStrictEqual({ code, stdout, stderr }, { code: 0, stdout: "one\ntwo\n", stderr: "" });
    }
  },
);

commandTest("-N says it, and that it is over", async (desk) => {
  using service = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const serving = (async () => {
    const conn = await service.accept();
    await conn.readable.pipeTo(conn.writable).catch(() => {}); // the forward ends with the command
  })();
  const port = await freePort();
  const forward = `${LOOPBACK}:${port}:${LOOPBACK}:${service.addr.port}`;
  await using run = desk.start(["-N", "-L", forward, "myworkspace"], HURRIED);
  using connection = await connected(port);
  await exchanged(connection, "one");
  freeze(desk);
  const two = exchanged(connection, "two");
  await run.stderr.waitFor(NO_ANSWER);
  thaw(desk);
  strictEqual(await two, "two");
  await run.stderr.waitFor(/^"myworkspace" answers again, after \d+s$/m);
  run.raise("SIGTERM");
  strictEqual((await run.result()).code, 143);
  await serving;
});

commandTest("port-forward says it, and that it is over", async (desk) => {
  const port = await freePort();
  await using run = desk.startAny(
    ["port-forward", "myworkspace", "--tcp", `${LOOPBACK}:${port}:${AgentPort.echo}`],
    HURRIED,
  );
  await run.stderr.waitFor("Ready!\n");
  using connection = await Deno.connect({ hostname: LOOPBACK, port });
  await exchanged(connection, "one");
  freeze(desk);
  const two = exchanged(connection, "two");
  await run.stderr.waitFor(NO_ANSWER);
  thaw(desk);
  strictEqual(await two, "two");
  await run.stderr.waitFor(/^"myworkspace" answers again, after \d+s$/m);
});

commandTest("cp says it, goes on, and has every byte", async (desk) => {
  const folder = await Deno.makeTempDir({ prefix: "hawser-silence-" });
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const file = await Deno.open(`${folder}/from`, { create: true, write: true });
  for (let i = 0; i < 800; i++) await file.write(bytes);
  file.close();
  await using run = await startCopy(desk, folder, HURRIED);
  freeze(desk);
  await run.stderr.waitFor(NO_ANSWER);
  thaw(desk);
  const { code, stderr } = await run.result();
  strictEqual(code, 0, stderr);
  match(stderr, /Copied 1 file, 52\.4 MB\n$/);
  deepStrictEqual(await Deno.readFile(`${folder}/to`), await Deno.readFile(`${folder}/from`));
  await Deno.remove(folder, { recursive: true });
});

commandTest("cp whose agent is gone says so, and how it is gone on", async (desk) => {
  const folder = await Deno.makeTempDir({ prefix: "hawser-silence-" });
  await Deno.writeFile(`${folder}/from`, new Uint8Array(100_000_000));
  await using run = await startCopy(desk, folder);
  await desk.sandbox.workspace.agent().restart({ graceful: false });
  const { code, stderr } = await run.result();
  strictEqual(code, 255, stderr);
  match(
    stderr,
    /SSH connection ended unexpectedly\n.+; the same command goes on with what has arrived\n$/,
  );
  await Deno.remove(folder, { recursive: true });
});

/** Copies `from` to `to` in that folder, and is in the middle of it. */
async function startCopy(
  desk: Desk,
  folder: string,
  options: CommandOptions = {},
): Promise<CommandRun> {
  using watching = Deno.watchFs(folder);
  const run = desk.startAny(["cp", `${folder}/from`, `myworkspace:${folder}/to`], options);
  for await (const { kind, paths } of watching) {
    if (kind === "modify" && paths.some((path) => path.endsWith(".hawser-part"))) break;
  }
  return run;
}

async function connected(port: number): Promise<Deno.TcpConn> {
  for (;;) {
    try {
      return await Deno.connect({ hostname: LOOPBACK, port });
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** What the echo of the workspace makes of a text. */
async function exchanged(connection: Deno.Conn, text: string): Promise<string> {
  await connection.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}
