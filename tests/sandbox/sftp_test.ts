/** The sandbox's sftp over real files, by ssh2's client. */
import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { equalBytes } from "../../lib/base/bytes.ts";
import { randomBytes } from "../../lib/base/core.ts";
import type { Sandbox } from "../../lib/sandbox/mod.ts";
import { ByteStreamDuplex } from "../../lib/ssh/duplex.ts";
import { loadSsh2 } from "../../lib/ssh/ssh2_load.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { dialTo, encode, sandboxTest } from "./support.ts";

type Done = (error: Error | undefined, value: never) => void;

/** The part of ssh2's client that is used here. */
interface Client {
  connect(options: { sock: Duplex; username: string; authHandler: string[] }): void;
  on(event: string, listener: (value: Error) => void): this;
  sftp(done: (error: Error | undefined, sftp: SftpCalls) => void): void;
  end(): void;
}

type SftpCalls = Readonly<Record<string, (...args: unknown[]) => void>>;

interface Access extends AsyncDisposable {
  /** One request; its answer. */
  ask(name: string, ...args: unknown[]): Promise<unknown>;
}

async function openSftp(sandbox: Sandbox): Promise<Access> {
  await loadSsh2();
  const module: { default: new () => Client } = await import("ssh2/lib/client.js");
  const tunnel = dialTo(sandbox);
  const sock = new ByteStreamDuplex(await tunnel.openTcp(1));
  const client = new module.default();
  const closed = new Promise<void>((resolve) => client.on("close", () => resolve()));
  const sftp = await new Promise<SftpCalls>((resolve, reject) => {
    client.on("error", reject).on(
      "ready",
      () => client.sftp((error, calls) => error ? reject(error) : resolve(calls)),
    );
    client.connect({ sock, username: "x", authHandler: ["none"] });
  });
  return {
    ask: (name, ...args) =>
      new Promise((resolve, reject) => {
        const done: Done = (error, value) => error ? reject(error) : resolve(value);
        sftp[name]?.(...args, done);
      }),
    async [Symbol.asyncDispose]() {
      client.end();
      await closed;
      await tunnel.close();
    },
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return Object.entries(value ?? {}).find(([key]) => key === name)?.[1];
}

sandboxTest("sftp: files and folders from their making to their end", async (sandbox) => {
  const folder = await Deno.makeTempDir();
  try {
    await using access = await openSftp(sandbox);
    const { ask } = access;
    const path = `${folder}/file`;
    const blob = randomBytes(new SeededRandom(9), 300_000);
    await ask("writeFile", path, Buffer.from(blob));
    ok(equalBytes(await Deno.readFile(path), blob));
    const read = await ask("readFile", path);
    ok(read instanceof Uint8Array && equalBytes(read, blob));
    await ask("appendFile", path, "tail");
    strictEqual(fieldOf(await ask("stat", path), "size"), blob.length + 4);
    await ask("rename", path, `${folder}/other`);
    await ask("mkdir", `${folder}/sub`);
    const list = await ask("readdir", folder);
    ok(Array.isArray(list));
    deepStrictEqual(list.map((entry) => fieldOf(entry, "filename")).sort(), ["other", "sub"]);
    match(
      String(fieldOf(list.find((entry) => fieldOf(entry, "filename") === "sub"), "longname")),
      /^d/,
    );
    strictEqual(await ask("realpath", `${folder}/sub/..`), await Deno.realPath(folder));
    await ask("rmdir", `${folder}/sub`);
    await ask("unlink", `${folder}/other`);
    deepStrictEqual([...Deno.readDirSync(folder)], []);
    await rejects(ask("stat", `${folder}/nothing`), /No such file/);
    await rejects(ask("readFile", `${folder}/nothing`), /No such file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

sandboxTest("sftp: handles, modes, times, links and relative paths", async (sandbox) => {
  const folder = sandbox.workspace.agent().spec.directory ?? "";
  try {
    await using access = await openSftp(sandbox);
    const { ask } = access;
    const handle = await ask("open", "new", "wx");
    await ask("write", handle, Buffer.from("0123456789"), 0, 10, 0);
    await ask("write", handle, Buffer.from("xy"), 0, 2, 4);
    await ask("close", handle);
    strictEqual(await Deno.readTextFile(`${folder}/new`), "0123xy6789");
    await rejects(ask("open", "new", "wx"), /exists|Failure/i);
    await rejects(ask("close", handle), /handle|Failure/i);
    if (Deno.build.os !== "windows") {
      await ask("chmod", "new", 0o640);
      strictEqual(((await Deno.stat(`${folder}/new`)).mode ?? 0) & 0o777, 0o640);
      await ask("symlink", "new", "link");
      strictEqual(await ask("readlink", "link"), "new");
      strictEqual(Number(fieldOf(await ask("lstat", "link"), "mode")) & 0o170000, 0o120000);
    }
    await ask("utimes", "new", 1_000_000_000, 1_000_000_001);
    strictEqual(fieldOf(await ask("stat", "new"), "mtime"), 1_000_000_001);
    strictEqual((await Deno.readFile(`${folder}/new`)).length, encode("0123xy6789").length);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}, { workspaces: [{ agents: [{ directory: Deno.makeTempDirSync() }] }] });
