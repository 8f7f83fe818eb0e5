import assert from "node:assert/strict";
import { messageOf } from "../../lib/base/errors.ts";
import { readSocketFile, SYSTEM_SOCKETS } from "../../lib/io/local_sockets.ts";
import type { LocalTarget } from "../../lib/base/sockets.ts";
import { untilStreamRefused } from "../support/until_refused.ts";

const ANY: LocalTarget = { kind: "tcp", host: "127.0.0.1", port: 0 };

Deno.test("SYSTEM_SOCKETS joins two ends by TCP, with half-closes and an end", async () => {
  const listener = await SYSTEM_SOCKETS.listen(ANY);
  const client = await SYSTEM_SOCKETS.connect(listener.target);
  const server = await listener.accept();
  assert(server !== undefined);
  const buffer = new Uint8Array(10);
  await client.write(new TextEncoder().encode("ping"));
  await client.closeWrite();
  assert.equal(await server.read(buffer), 4);
  assert.equal(await server.read(buffer), null);
  await server.write(new TextEncoder().encode("pong"));
  await server.closeWrite();
  assert.equal(await client.read(buffer), 4);
  assert.equal(await client.read(buffer), null);
  assert.deepEqual(await client.closed, { kind: "closed" });
  assert.deepEqual(await server.closed, { kind: "closed" });
  listener.close();
  assert.equal(await listener.accept(), undefined);
});

Deno.test("SYSTEM_SOCKETS says in words why it failed", async () => {
  const listener = await SYSTEM_SOCKETS.listen(ANY);
  await assert.rejects(SYSTEM_SOCKETS.listen(listener.target), {
    message: /^listen on 127\.0\.0\.1:\d+: address already in use$/,
  });
  listener.close();
  const refused = await untilStreamRefused(() => SYSTEM_SOCKETS.connect(listener.target));
  assert.match(messageOf(refused), /^dial 127\.0\.0\.1:\d+: connection refused$/);
  await assert.rejects(SYSTEM_SOCKETS.connect({ kind: "unix", path: "/tmp/nobody.sock" }), {
    message: /^dial \/tmp\/nobody\.sock: not permitted: Requires net access/,
  });
});

Deno.test("SYSTEM_SOCKETS says when a path is too long for a socket, in bytes", async () => {
  const path = `/tmp/${"ü".repeat(60)}`;
  const limit = Deno.build.os === "darwin" ? 103 : 107;
  const text = `${path}: the path of a socket may have ${limit} bytes at most, this one has 125`;
  await assert.rejects(SYSTEM_SOCKETS.connect({ kind: "unix", path }), { message: `dial ${text}` });
  await assert.rejects(SYSTEM_SOCKETS.listen({ kind: "unix", path }), {
    message: `listen on ${text}`,
  });
});

Deno.test("SYSTEM_SOCKETS gives up on abort, and reading ends with it", async () => {
  const listener = await SYSTEM_SOCKETS.listen(ANY);
  const client = await SYSTEM_SOCKETS.connect(listener.target);
  const server = await listener.accept();
  const reading = client.read(new Uint8Array(1));
  client.abort("enough");
  await assert.rejects(reading, { name: "StreamError", message: "enough" });
  await assert.rejects(client.write(new Uint8Array(1)), { name: "StreamError" });
  assert.equal((await client.closed).kind, "aborted");
  server?.abort();
  listener.close();
  const signal = AbortSignal.abort(new Error("no more"));
  await assert.rejects(SYSTEM_SOCKETS.connect(ANY, signal), { message: "no more" });
});

Deno.test({
  name: "SYSTEM_SOCKETS listens on unix sockets, takes over a dead one and cleans up",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    // A program of its own: tests may not use unix sockets, whose permission names each path.
    const folder = await Deno.makeTempDir();
    const path = `${folder}/s.sock`;
    const sockets = new URL("../../lib/io/local_sockets.ts", import.meta.url).href;
    const program = `
      import { readSocketFile, SYSTEM_SOCKETS } from ${JSON.stringify(sockets)};
      const target = { kind: "unix", path: ${JSON.stringify(path)} };
      const said = [];
      const fails = async (work) => said.push(await work.then(() => "worked", (e) => e.message));
      await fails(SYSTEM_SOCKETS.connect(target));
      const first = await SYSTEM_SOCKETS.listen(target);
      await fails(SYSTEM_SOCKETS.listen(target));
      const dead = Deno.renameSync(target.path, target.path + "x");
      first.close();
      Deno.renameSync(target.path + "x", target.path);
      const second = await SYSTEM_SOCKETS.listen(target);
      const client = await SYSTEM_SOCKETS.connect(target);
      const server = await second.accept();
      await client.write(new Uint8Array([1, 2, 3]));
      said.push(await server.read(new Uint8Array(9)));
      client.abort();
      server.abort();
      const pipe = await SYSTEM_SOCKETS.connect({ kind: "pipe", path: target.path });
      const other = await second.accept();
      await pipe.write(new Uint8Array([4, 5]));
      await pipe.closeWrite();
      const buffer = new Uint8Array(9);
      said.push(await other.read(buffer), await other.read(buffer));
      await other.write(new Uint8Array([6, 7, 8, 9]));
      await other.closeWrite();
      said.push(await pipe.read(buffer.subarray(0, 3)), await pipe.read(buffer), await pipe.read(buffer));
      said.push((await pipe.closed).kind);
      second.close();
      await fails(Deno.lstat(target.path));
      console.log(JSON.stringify(said));
    `;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--ext=ts", program],
    }).output();
    await Deno.remove(folder, { recursive: true });
    const text = new TextDecoder().decode(stdout);
    assert(text !== "", new TextDecoder().decode(stderr));
    const said = JSON.parse(text);
    assert.equal(said[0], `dial ${path}: no such file or directory`);
    assert.equal(said[1], `listen on ${path}: address already in use`);
    assert.equal(said[2], 3);
    assert.deepEqual(
      said.slice(3, 9),
      [2, null, 3, 1, null, "closed"],
      "through Node's layer, as named pipes go",
    );
    assert.match(said[9], /No such file/);
  },
});

Deno.test("readSocketFile() reads small files, the beginning of long ones, and nothing that may never end", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/small`, "%Assuan%\n");
    assert.equal(new TextDecoder().decode(await readSocketFile(`${folder}/small`)), "%Assuan%\n");
    await Deno.writeFile(`${folder}/long`, new Uint8Array(100_000));
    assert.equal((await readSocketFile(`${folder}/long`)).length, 512);
    await assert.rejects(readSocketFile(`${folder}/none`), {
      message: `open ${folder}/none: no such file or directory`,
    });
    await assert.rejects(readSocketFile(folder), { message: `open ${folder}: not a file` });
    if (Deno.build.os === "windows") return;
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
    await assert.rejects(readSocketFile(`${folder}/pipe`), {
      message: `open ${folder}/pipe: not a file`,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
