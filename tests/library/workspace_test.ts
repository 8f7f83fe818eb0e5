/** The library against the sandbox: what `lib/mod.ts` gives, and nothing else. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { ApiError, openWorkspace, type OpenWorkspaceOptions, UserError } from "../../lib/mod.ts";
import { AgentPort, type Sandbox } from "../../lib/sandbox/mod.ts";
import { decode, encode, readAll, sandboxTest } from "../sandbox/support.ts";

const open = (sandbox: Sandbox, over: Partial<OpenWorkspaceOptions> = {}) =>
  openWorkspace({
    deploymentUrl: new URL(sandbox.url),
    token: sandbox.token,
    workspace: { name: sandbox.workspaces[0]?.name ?? "" },
    env: () => undefined,
    ...over,
  });

sandboxTest(
  "run() gives both outputs, the status, and feeds the input",
  async (sandbox) => {
    await using workspace = await open(sandbox);
    const told = await workspace.run("cat; echo err >&2; exit 7", { input: "in\n" });
    deepStrictEqual([told.code, told.signal], [7, undefined]);
    deepStrictEqual([decode(told.stdout), decode(told.stderr)], ["in\n", "err\n"]);
    const killed = await workspace.run("kill -TERM $$");
    // As agents tell it: they name no signal.
    deepStrictEqual([killed.code, killed.signal], [255, undefined]);
    const many = await Promise.all(Array.from({ length: 8 }, (_, i) => workspace.run(`echo ${i}`)));
    deepStrictEqual(many.map(({ stdout }) => decode(stdout)), many.map((_, i) => `${i}\n`));
    // A program that reads nothing has not failed.
    const deaf = await workspace.run("exit 0", { input: new Uint8Array(3_000_000) });
    strictEqual(deaf.code, 0);
  },
);

sandboxTest(
  "run() gives up output without an end, and a command that nobody wants",
  async (sandbox) => {
    await using workspace = await open(sandbox);
    await rejects(workspace.run("yes", { maxOutputBytes: 100_000 }), {
      message: "The command wrote more than 100000 bytes",
    });
    const stop = new AbortController();
    const running = workspace.run("sleep 1000", { signal: stop.signal });
    const reason = new Error("enough");
    stop.abort(reason);
    await rejects(running, reason);
    await rejects(workspace.run("true", { signal: stop.signal }), reason);
    strictEqual((await workspace.run("true")).code, 0, "the next one runs");
  },
);

sandboxTest("openTcp() and openUdp() lead to ports of the workspace", async (sandbox) => {
  await using workspace = await open(sandbox);
  const stream = await workspace.openTcp(AgentPort.echo);
  await stream.write(encode("over TCP"));
  await stream.closeWrite();
  strictEqual(decode(await readAll((into) => stream.read(into))), "over TCP");
  const flow = await workspace.openUdp(AgentPort.echo);
  strictEqual(flow.send(encode("over UDP")), "queued");
  strictEqual(decode(await flow.receive() ?? new Uint8Array()), "over UDP");
  flow.close();
  strictEqual(await flow.receive(), undefined);
  ok((await workspace.tunnel.ping()) !== undefined);
});

sandboxTest("openFiles() writes, lists, reads and removes", async (sandbox) => {
  const folder = await Deno.makeTempDir();
  try {
    await using workspace = await open(sandbox);
    using files = await workspace.openFiles();
    const [path, data] = [`${folder}/a file`, Uint8Array.from({ length: 300_000 }, (_, i) => i)];
    await files.mkdir(`${folder}/sub`);
    await files.write(path, data);
    deepStrictEqual(await files.stat(path), { kind: "file", sizeBytes: data.length });
    deepStrictEqual((await files.list(folder)).map(({ name }) => name).toSorted(), [
      "a file",
      "sub",
    ]);
    deepStrictEqual(await files.read(path), data);
    await rejects(files.read(path, { maxBytes: 1_000 }), { message: /has more than 1000 bytes$/ });
    await files.write(path, encode("short"));
    strictEqual(decode(await files.read(path)), "short");
    await files.remove(path);
    strictEqual(await files.stat(path), undefined);
    await rejects(files.read(path), Error);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

sandboxTest(
  "openWorkspace() says which name is wrong, and lets a stopped workspace be",
  async (sandbox) => {
    const [workspace] = sandbox.workspaces;
    ok(workspace !== undefined);
    const { name } = workspace;
    await rejects(open(sandbox, { workspace: { name: "nobody" } }), (error) => {
      ok(error instanceof ApiError);
      strictEqual(error.status, 404);
      return true;
    });
    await rejects(open(sandbox, { workspace: { name, agent: "other" } }), {
      message: /^Workspace ".*" has no agent "other"; it has "/,
    });
    await rejects(open(sandbox, { token: "wrong" }), (error) => {
      ok(error instanceof ApiError);
      strictEqual(error.status, 401);
      return true;
    });
    await rejects(open(sandbox, { signal: AbortSignal.abort(new Error("no")) }), { message: "no" });
    await workspace.buildToEnd("stop");
    await rejects(open(sandbox), (error) => {
      ok(error instanceof UserError);
      match(error.message, /has no agent: it does not run$/);
      return true;
    });
  },
);

sandboxTest("a host key that is refused is told, and close() is idempotent", async (sandbox) => {
  const workspace = await open(sandbox, {
    verifyHostKey: () => Promise.reject(new UserError("not this key")),
  });
  await rejects(workspace.run("true"), { message: /not this key/ });
  await workspace.close();
  await workspace.close();
  await rejects(workspace.openTcp(AgentPort.echo), { name: "TunnelError" });
});
