/**
 * Sessions in the SSH connection that the holder of a shared tunnel keeps, as processes see them. Deno names each path of a unix socket
 * in its permissions, so that tests, which may use 127.0.0.1 only, run these in a process of their own.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import { MAY_USE_SOCKETS, runWithSockets } from "../support/socket_process.ts";
import { Said, type User, userAt } from "./shared_support.ts";

const IS_LINUX = Deno.build.os === "linux";
const BY_NAME = "GET /users/{user}/workspace/{workspacename}";
const USED = /uses the shared SSH connection/;
/** Or there is none this time, as on a machine that has too much to do. */
const OFFERED = /a session is offered|no shared (?:SSH connection|tunnel) {2}/;
const TUNNEL_USED = /net: uses the shared tunnel/;

/** A file in which a command leaves a line each time that it runs. */
class Counter {
  readonly #path: string;

  constructor(user: User) {
    this.#path = `${user.home}/ran`;
    Deno.writeTextFileSync(this.#path, "");
  }

  get command(): string {
    return `echo ran >> ${this.#path}`;
  }

  get count(): number {
    return Deno.readTextFileSync(this.#path).split("\n").length - 1;
  }
}

if (MAY_USE_SOCKETS && IS_LINUX) {
  Deno.test("the second run has its session in the connection that is held, and ends as one of its own", async (t) => {
    await using user = await userAt();
    await user.leave();
    const agent = user.sandbox.workspace.agent();
    const told = await user.runHeld(["ssh", "myworkspace", "echo out; echo err >&2; exit 7"]);
    deepStrictEqual([told.code, told.stdout], [7, "out\n"]);
    match(told.stderr, /^err$/m);
    match(told.stderr, USED);
    await t.step("a signal's end", async () => {
      const words = ["ssh", "myworkspace", "kill -TERM $$"];
      const own = await user.run(["--no-shared-tunnel", ...words]);
      ok(own.code !== 0);
      strictEqual((await user.runHeld(words)).code, own.code);
    });
    const { came } = agent.sshClients;
    await t.step("a terminal", async () => {
      const { stdout } = await user.runHeld(["ssh", "-t", "myworkspace", "test -t 0 && echo tty"]);
      match(stdout, /^tty\r?\n/);
    });
    await t.step("input to its end, and much output", async () => {
      const child = user.spawn(["ssh", "myworkspace", "wc -c; head -c 3000000 /dev/zero"]);
      const said = new Said(child);
      const writer = child.stdin.getWriter();
      await writer.write(new Uint8Array(3_000_000));
      writer.releaseLock();
      strictEqual(await said.end(), 0);
      match(said.stdout, /^\s*3000000\n/);
      ok(said.stdout.length >= 3_000_000);
    });
    strictEqual(agent.sshClients.came, came, "one connection for all of them");
  });

  Deno.test("what the options ask of a connection is done in one of their own", async (t) => {
    await using user = await userAt();
    await user.leave();
    await user.runHeld(["ssh", "myworkspace", "true"]);
    const rows = [
      ["--env", "A=B"],
      ["-L", "0:localhost:9"],
      ["-R", "0:localhost:9"],
      ["-D", "0"],
      ["--keepalive-interval=30s"],
    ];
    for (const options of rows) {
      await t.step(options.join(" "), async () => {
        const told = await user.runShared(["ssh", ...options, "myworkspace", "echo own"]);
        strictEqual(told.stdout, "own\n", told.stderr);
        match(told.stderr, TUNNEL_USED);
        doesNotMatch(told.stderr, USED);
      });
    }
    await t.step("-A", async () => {
      // There is no agent here, which is for a connection of its own to find out.
      const told = await user.runShared(["ssh", "-A", "myworkspace", "echo own"]);
      match(told.stderr, /forward agent: no SSH agent found/);
      doesNotMatch(told.stderr, USED);
    });
    await t.step("--stdio", async () => {
      const raw = user.spawn(["ssh", "--stdio", "myworkspace"]);
      const said = new Said(raw);
      await said.waitFor(/SSH-2\.0-/);
      doesNotMatch(said.text, USED);
      strictEqual(await said.end(), 0);
    });
  });

  Deno.test("each judges the host key by his own rules, before anything runs", async () => {
    await using user = await userAt();
    await user.leave();
    await user.runHeld(["ssh", "myworkspace", "true"]);
    const ran = new Counter(user);
    const known = `${user.home}/known`;
    const run = (...options: string[]) =>
      user.runHeld(["ssh", "--known-hosts", known, ...options, "myworkspace", ran.command]);
    const strict = await run("--host-key-check=yes");
    strictEqual(strict.code, 255);
    strictEqual(ran.count, 0, strict.stderr);
    strictEqual((await run()).code, 0);
    strictEqual(ran.count, 1);
    const pinned = await Deno.readTextFile(known);
    strictEqual((await run("--host-key-check=yes")).code, 0);
    // Another key under the same names, of the same type.
    const other = pinned.replaceAll(
      /(AAAA\S{40})(\S)/g,
      (_, head, char) => head + (char === "x" ? "y" : "x"),
    );
    await Deno.writeTextFile(known, other);
    const changed = await run();
    strictEqual(changed.code, 255);
    match(changed.stderr, /host key/i);
    strictEqual(ran.count, 2);
    strictEqual(await Deno.readTextFile(known), other);
  });

  Deno.test("nothing runs before the deployment has answered, nor when it says no", async (t) => {
    await using user = await userAt();
    await user.leave();
    await user.runHeld(["ssh", "myworkspace", "true"]);
    const { api } = user.sandbox;
    const ran = new Counter(user);
    await t.step("it takes its time", async () => {
      const answer = Promise.withResolvers<undefined>();
      api.override(BY_NAME, () => answer.promise, { times: 1 });
      const child = user.spawn(["ssh", "myworkspace", ran.command]);
      const said = new Said(child);
      await said.waitFor(OFFERED);
      strictEqual(ran.count, 0);
      answer.resolve(undefined);
      strictEqual(await said.end(), 0);
      strictEqual(ran.count, 1);
    });
    const rows = [
      { name: "no such workspace", status: 404, said: "Not here" },
      { name: "signed out", status: 401, said: "Sign in" },
      { name: "not allowed", status: 403, said: "Forbidden" },
    ];
    for (const { name, status, said } of rows) {
      await t.step(name, async () => {
        api.override(BY_NAME, failureAnswer(status, said), { times: 1 });
        const told = await user.run(["ssh", "myworkspace", ran.command]);
        strictEqual(told.code, 1, told.stderr);
        ok(told.stderr.includes(said), told.stderr);
        strictEqual(ran.count, 1);
      });
    }
    await t.step("stopped", async () => {
      await user.sandbox.workspace.buildToEnd("stop");
      const told = await user.run(["ssh", "--disable-autostart", "myworkspace", ran.command]);
      strictEqual(told.code, 1, told.stderr);
      strictEqual(ran.count, 1);
    });
    await t.step("built anew, with another agent", async () => {
      await user.sandbox.workspace.buildToEnd("start");
      const told = await user.run(["ssh", "myworkspace", ran.command]);
      strictEqual(told.code, 0, told.stderr);
      doesNotMatch(told.stderr, USED);
      strictEqual(ran.count, 2);
    });
  });

  Deno.test("a connection that the workspace ended is made anew for the next", async () => {
    await using user = await userAt();
    await user.leave();
    await user.runHeld(["ssh", "myworkspace", "true"]);
    user.sandbox.workspace.agent().cutSshClients();
    const told = await user.run(["ssh", "myworkspace", "echo on"]);
    deepStrictEqual([told.code, told.stdout], [0, "on\n"], told.stderr);
    match((await user.runHeld(["ssh", "myworkspace", "true"])).stderr, USED);
  });

  Deno.test("a holder that is stopped begins nothing, then or later; the command runs once", async () => {
    await using user = await userAt();
    await user.leave();
    await user.runHeld(["ssh", "myworkspace", "true"]);
    const ran = new Counter(user);
    const answer = Promise.withResolvers<undefined>();
    user.sandbox.api.override(BY_NAME, () => answer.promise, { times: 1 });
    const child = user.spawn(["ssh", "myworkspace", ran.command]);
    const said = new Said(child);
    await said.waitFor(OFFERED);
    for (const pid of user.holders()) Deno.kill(pid, "SIGSTOP");
    answer.resolve(undefined);
    strictEqual(await said.end(), 0);
    doesNotMatch(said.text, USED);
    strictEqual(ran.count, 1);
    for (const pid of user.holders()) Deno.kill(pid, "SIGCONT");
    match((await user.runHeld(["ssh", "myworkspace", "true"])).stderr, USED);
    strictEqual(ran.count, 1);
  });

  Deno.test("a holder that is killed while a command runs: 255, in words, and it is not run again", async () => {
    await using user = await userAt();
    await user.leave();
    await user.runHeld(["ssh", "myworkspace", "true"]);
    const ran = new Counter(user);
    const child = user.spawn(["ssh", "myworkspace", `${ran.command}; echo begun; cat`]);
    const said = new Said(child);
    await said.waitFor(/begun/);
    const wasHeld = USED.test(said.text);
    for (const pid of user.holders()) Deno.kill(pid, "SIGKILL");
    strictEqual(await said.ended(), 255);
    match(said.text, /The process that held the shared tunnel has gone/);
    ok(wasHeld || TUNNEL_USED.test(said.text));
    await child.stdin.abort();
    strictEqual(ran.count, 1);
  });
}

Deno.test({
  name: "shared SSH connections, in a process that may use sockets",
  ignore: !IS_LINUX || MAY_USE_SOCKETS,
  fn: async () => void await runWithSockets(import.meta.url),
});
