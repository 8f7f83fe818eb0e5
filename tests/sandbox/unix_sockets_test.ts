/**
 * What the sandbox's SSH server does with unix sockets. Deno names each path of one in its permissions, so that tests, which
 * may use 127.0.0.1 only, run these in a process of their own.
 */
import { rejects, strictEqual } from "node:assert/strict";
import type { ByteStream } from "../../lib/base/stream.ts";
import { SYSTEM_SOCKETS } from "../../lib/io/local_sockets.ts";
import { createBytePipe } from "../support/byte_pipe.ts";
import { converse, openSsh, readAll, readLine, sandboxTest } from "./support.ts";
import { MAY_USE_SOCKETS, runWithSockets } from "../support/socket_process.ts";

const SHELL = { workspaces: [{ agents: [{ shell: "/bin/sh" }] }] };

if (Deno.build.os !== "windows" && MAY_USE_SOCKETS) {
  sandboxTest("direct-streamlocal and streamlocal-forward", async (sandbox) => {
    const folder = await Deno.makeTempDir();
    try {
      await using access = await openSsh(sandbox);
      const path = `${folder}/new/socket`;
      const incoming = Promise.withResolvers<ByteStream>();
      await access.ssh.listenUnix(path, (connection) => incoming.resolve(connection.accept()));
      const outgoing = await access.ssh.openUnix(path);
      await converse(outgoing, await incoming.promise);
      await access.ssh.unlistenUnix(path);
      await rejects(access.ssh.openUnix(path));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }, SHELL);

  sandboxTest(
    "agent forwarding leads from SSH_AUTH_SOCK to the client's agent",
    async (sandbox) => {
      const [near, far] = createBytePipe();
      await using access = await openSsh(sandbox, { dialAgent: () => Promise.resolve(near) });
      const session = await access.ssh.openSession({
        command: "echo $SSH_AUTH_SOCK; read line",
        forwardAgent: true,
      });
      const path = await readLine((into) => session.readStdout(into));
      const folder = path.slice(0, path.lastIndexOf("/"));
      strictEqual(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o700);
      const local = await SYSTEM_SOCKETS.connect({ kind: "unix", path });
      await converse(local, far);
      await session.closeStdin();
      await readAll((into) => session.readStdout(into));
      await readAll((into) => session.readStderr(into));
      await session.ended;
      await access[Symbol.asyncDispose]();
      await sandbox.stop();
      await rejects(Deno.stat(folder), Deno.errors.NotFound);
    },
    SHELL,
  );
}

Deno.test({
  name: "unix sockets, in a process that may use them",
  ignore: Deno.build.os === "windows" || MAY_USE_SOCKETS,
  fn: async () => void await runWithSockets(import.meta.url),
});
