/**
 * `--shared-tunnel` as processes see it: what is left behind, used, in the way, and gone. Deno names each path of a unix socket in
 * its permissions, so that tests, which may use 127.0.0.1 only, run these in a process of their own.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { Said, userAt } from "./shared_support.ts";
import { MAY_USE_SOCKETS, runWithSockets } from "../support/socket_process.ts";

const IS_LINUX = Deno.build.os === "linux";
const IS_WINDOWS = Deno.build.os === "windows";

const USED = /net: uses the shared tunnel/;
const LEFT = /net: a tunnel is left to those who come next/;

if (MAY_USE_SOCKETS && !IS_WINDOWS) {
  Deno.test("the first run leaves its tunnel to the next ones; logging out ends it", async () => {
    await using user = await userAt();
    match(await user.leave(), LEFT);
    strictEqual((Deno.lstatSync(user.folder).mode ?? 0) & 0o777, 0o700);
    strictEqual((Deno.lstatSync(user.socket).mode ?? 0) & 0o777, 0o600);

    const second = await user.runShared(["ssh", "myworkspace", "echo out; echo err >&2; exit 7"]);
    strictEqual(second.stdout, "out\n");
    strictEqual(second.code, 7);
    match(second.stderr, /^err$/m);
    match(second.stderr, USED);

    const own = await user.run(["--no-shared-tunnel", "ssh", "myworkspace", "echo own"]);
    strictEqual(own.stdout, "own\n");
    doesNotMatch(own.stderr, /shared tunnel/);

    // A forwarded stream, as OpenSSH's bytes are.
    const raw = user.spawn(["ssh", "--stdio", "myworkspace"]);
    const said = new Said(raw);
    await said.waitFor(/SSH-2\.0-/);
    match(said.text, /net: (?:uses the|no) shared tunnel/);
    strictEqual(await said.end(), 0);

    const { code } = await user.run(["logout", "--yes"]);
    strictEqual(code, 0);
    deepStrictEqual(user.sockets(), []);
  });

  Deno.test("whoever is somebody else, or asks for something else, has a tunnel of his own", async (t) => {
    await using user = await userAt();
    await user.leave();
    const rows = [
      { name: "another account", env: { CODER_SESSION_TOKEN: user.sandbox.sessions.begin() } },
      { name: "another header", env: { CODER_HEADER: "X-Test=1" } },
      { name: "another proxy", env: { NO_PROXY: "somewhere.example" } },
    ];
    for (const { name, env } of rows) {
      await t.step(name, async () => {
        match(await user.leave(env), LEFT);
      });
    }
    strictEqual(user.sockets().length, 1 + rows.length);
    match((await user.runShared(["ssh", "myworkspace", "true"])).stderr, USED);
  });

  Deno.test("what is not as it should be is left alone, and a line says so", async (t) => {
    await using user = await userAt();
    await user.leave();
    const { socket, folder } = user;
    const rows = [
      {
        name: "a socket that others may use",
        begin: () => Deno.chmod(socket, 0o666),
        end: () => Deno.chmod(socket, 0o600),
        problem: /no shared tunnel {2}problem="others may use it \(mode 666\)"/,
      },
      {
        name: "a folder that others may use",
        begin: () => Deno.chmod(folder, 0o755),
        end: () => Deno.chmod(folder, 0o700),
        problem: /problem="others may use it \(mode 755\)"/,
      },
      {
        name: "a link in the place of the folder",
        begin: async () => {
          await Deno.rename(folder, `${folder}.real`);
          await Deno.symlink(`${folder}.real`, folder);
        },
        end: async () => {
          await Deno.remove(folder);
          await Deno.rename(`${folder}.real`, folder);
        },
        problem: /problem="not a folder"/,
      },
      {
        name: "a link in the place of the socket",
        begin: async () => {
          await Deno.rename(socket, `${folder}/elsewhere`);
          await Deno.symlink(`${folder}/elsewhere`, socket);
        },
        end: () => Deno.rename(`${folder}/elsewhere`, socket),
        problem: /problem="not a socket"/,
      },
      {
        name: "a file in the place of the socket",
        begin: async () => {
          await Deno.rename(socket, `${folder}/elsewhere`);
          await Deno.writeTextFile(socket, "");
        },
        end: () => Deno.rename(`${folder}/elsewhere`, socket),
        problem: /problem="not a socket"/,
      },
    ];
    for (const { name, begin, end, problem } of rows) {
      await t.step(name, async () => {
        await begin();
        const told = await user.run(["ssh", "myworkspace", "echo own"]);
        await end();
        strictEqual(told.stdout, "own\n");
        strictEqual(told.code, 0);
        match(told.stderr, problem);
        doesNotMatch(told.stderr, USED);
      });
    }
    await t.step("a folder of somebody else", async () => {
      if (Deno.uid() !== 0) return; // only root can give things away
      await Deno.chown(folder, 65_534, 65_534);
      const told = await user.run(["ssh", "myworkspace", "echo own"]);
      await Deno.chown(folder, 0, 0);
      strictEqual(told.stdout, "own\n");
      match(told.stderr, /problem="it belongs to the user 65534"/);
    });
    match((await user.runShared(["ssh", "myworkspace", "true"])).stderr, USED);
  });

  Deno.test("where there is no place for a socket, there is no shared tunnel", async (t) => {
    await using user = await userAt();
    const long = `${user.home}/${"long/".repeat(20)}`;
    const file = `${user.home}/file`;
    await Deno.writeTextFile(file, "");
    const rows = [
      {
        name: "a path that is too long",
        XDG_CACHE_HOME: long,
        problem: /the path of a socket may/,
      },
      { name: "a file in the way", XDG_CACHE_HOME: file, problem: /not a directory|file exists/ },
    ];
    for (const { name, XDG_CACHE_HOME, problem } of rows) {
      await t.step(name, async () => {
        const told = await user.run(["ssh", "myworkspace", "echo own"], { XDG_CACHE_HOME });
        strictEqual(told.stdout, "own\n");
        match(told.stderr, problem);
        match(told.stderr, /no shared tunnel {2}problem="there is no folder for it"/);
      });
    }
  });

  Deno.test("sixteen sockets fill the folder, unless nobody listens on them any more", async () => {
    await using user = await userAt();
    Deno.mkdirSync(user.folder, { recursive: true, mode: 0o700 });
    const paths = Array.from({ length: 16 }, (_, i) => `${user.folder}/${i}`);
    const before = Deno.umask(0o177);
    const listeners = paths.map((path) => Deno.listen({ transport: "unix", path }));
    Deno.umask(before);
    match(await user.leave(), /no tunnel is left {2}problem="16 tunnels are held already"/);
    // The files stay, as those of processes that were killed.
    for (const listener of listeners) listener.close();
    match(await user.leave(), LEFT);
    ok(!paths.includes(user.socket));
  });

  Deno.test("hold-tunnel says what is wrong with what it is told, and ends", async (t) => {
    await using user = await userAt();
    const rows = [
      { name: "nothing", told: new Uint8Array(0), word: /cut off/ },
      {
        name: "a beginning",
        told: Uint8Array.of(0, 0, 1, 0, 0x7b),
        word: /1 bytes instead of 256/,
      },
      { name: "no JSON", told: Uint8Array.of(0, 0, 0, 1, 0x7b), word: /they are not JSON/ },
      {
        name: "no settings",
        told: Uint8Array.of(0, 0, 0, 2, 0x7b, 0x7d),
        word: /folder is not what/,
      },
    ];
    for (const { name, told, word } of rows) {
      await t.step(name, async () => {
        const child = user.spawn(["hold-tunnel"]);
        const writer = child.stdin.getWriter();
        await writer.write(told);
        await writer.close();
        const { code, stdout } = await child.output();
        strictEqual(code, 1);
        match(new TextDecoder().decode(stdout), word);
      });
    }
  });
}

if (MAY_USE_SOCKETS && IS_LINUX) {
  Deno.test("a holder that is stopped is done without, and used again when it goes on", async () => {
    await using user = await userAt();
    await user.leave();
    const [pid, ...others] = user.holders();
    ok(pid !== undefined && others.length === 0);
    Deno.kill(pid, "SIGSTOP");
    const told = await user.run(["ssh", "myworkspace", "echo own"]);
    strictEqual(told.stdout, "own\n");
    match(told.stderr, /no shared tunnel {2}problem="The process .* does not answer within 80 ms"/);
    Deno.kill(pid, "SIGCONT");
    match((await user.runShared(["ssh", "myworkspace", "true"])).stderr, USED);
  });

  Deno.test("a holder that is killed while bytes flow: the session says so, and the next run leaves another", async () => {
    await using user = await userAt();
    await user.leave();
    const child = user.spawn(["ssh", "myworkspace", "while :; do echo more; done"]);
    const said = new Said(child);
    await said.waitFor(/(?:more\n){1000}/);
    // Whatever machine this is: the session that is cut is one that went through it.
    if (!USED.test(said.text)) {
      child.kill("SIGKILL");
      await said.end();
      return;
    }
    for (const pid of user.holders()) Deno.kill(pid, "SIGKILL");
    strictEqual(await said.ended(), 255);
    match(said.text, /The process that held the shared tunnel has gone/);
    await child.stdin.abort();
    strictEqual(user.sockets().length, 1, "it could remove nothing");
    const next = await user.leave();
    match(next, /no shared tunnel yet {2}problem="its holder has gone"/);
    match(next, LEFT);
    match((await user.runShared(["ssh", "myworkspace", "true"])).stderr, USED);
  });

  Deno.test("a holder that is ended says so to whoever uses it, and takes its socket away", async () => {
    await using user = await userAt();
    await user.leave();
    const child = user.spawn(["ssh", "myworkspace", "cat"]);
    const said = new Said(child);
    await said.waitFor(/session started/);
    if (!USED.test(said.text)) {
      strictEqual(await said.end(), 0);
      return;
    }
    for (const pid of user.holders()) Deno.kill(pid, "SIGTERM");
    strictEqual(await said.ended(), 255);
    match(said.text, /The process that held the shared tunnel was ended/);
    deepStrictEqual(user.sockets(), []);
    await child.stdin.abort();
  });

  Deno.test("a holder whose token was revoked takes nobody new, and ends with whom it has", async () => {
    await using user = await userAt();
    await user.leave();
    const child = user.spawn(["ssh", "myworkspace", "cat"]);
    const said = new Said(child);
    await said.waitFor(/session started/);
    user.sandbox.sessions.end(user.sandbox.token);
    user.sandbox.coordinator.restart();
    await user.until(() => user.sockets().length === 0);
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("still here\n"));
    writer.releaseLock();
    await said.waitFor(/still here\n/);
    strictEqual(await said.end(), 0);
    await user.until(() => user.holders().length === 0);
  });

  Deno.test("of several that begin at once one leaves its tunnel; many at once use it", async () => {
    await using user = await userAt();
    const first = await Promise.all(Array.from({ length: 3 }, () => user.leave()));
    for (const told of first) {
      match(told, /tunnel is left|uses the shared tunnel|no shared tunnel {2}/);
    }
    strictEqual(user.sockets().length, 1);
    match((await user.runShared(["ssh", "myworkspace", "true"])).stderr, USED);
    const many = await Promise.all(
      Array.from(
        { length: 5 },
        (_, i) => user.run(["ssh", "myworkspace", `echo ${i}; exit ${i}`]),
      ),
    );
    for (const [i, { code, stdout, stderr }] of many.entries()) {
      strictEqual(stdout, `${i}\n`, stderr);
      strictEqual(code, i, stderr);
    }
    strictEqual(user.holders().length, 1);
  });
}

Deno.test({
  name: "shared tunnels, in a process that may use sockets",
  ignore: IS_WINDOWS || MAY_USE_SOCKETS,
  fn: async () => void await runWithSockets(import.meta.url),
});
