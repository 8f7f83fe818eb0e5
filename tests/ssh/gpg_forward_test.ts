import assert from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { startGpgForward } from "../../lib/ssh/gpg_forward.ts";
import { isInstalled } from "../live/check.ts";
import { MemorySockets } from "../support/memory_sockets.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { ForwardingWorkspace } from "../support/ssh_forwarding.ts";
import { type TestSession, TestSshServer } from "../support/ssh_server.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const EMPTY = new Uint8Array(0);
const SOCKET = "/home/there/.gnupg/S.gpg-agent";

const hasGpg = Deno.build.os === "linux" && isInstalled("gpg") && isInstalled("git");

for (const kind of ["plain", "redirected"]) {
  Deno.test({
    name: hasGpg
      ? `GPG forwarding signs and commits there with a key that stays here, and leaves nothing behind: ${kind} socket`
      : `GPG forwarding with real GnuPG homes (skipped: needs Linux, gpg and git): ${kind} socket`,
    ignore: !hasGpg,
    fn: async () => {
      const scene = new URL("./scenes/gpg_scene.ts", import.meta.url).href;
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", "--allow-all", scene, kind],
      }).output();
      assert.equal(code, 0, decoder.decode(stderr));
      const seen = JSON.parse(decoder.decode(stdout));
      assert.match(seen.agentBefore, /^D \d+/);
      assert.match(seen.keys, /\[ultimate\] Hawser Test/);
      assert.match(
        seen.signed,
        /^-----BEGIN PGP SIGNED MESSAGE-----[^]*hello[^]*END PGP SIGNATURE/,
      );
      assert.match(seen.verified.stderr, /Good signature from "Hawser Test/);
      assert.equal(seen.commit.code, 0, seen.commit.stderr);
      assert.match(seen.commit.stderr, /Good signature/);
      assert.equal(seen.secrets, "");
      assert.equal(seen.restricted, "OK");
      // The workspace may ask about our agent or end it as little as any stranger.
      assert.match(seen.agentDuring, /Forbidden/);
      assert.match(seen.signedAgain, /more[^]*END PGP SIGNATURE/);
      assert.deepEqual(seen.listening, []);
      assert.equal(seen.agentAfter, "");
      assert.notEqual(seen.socketAfter, 0);
      assert.deepEqual(seen.said, []);
    },
  });
}

interface Scene {
  /** What the workspace's programs answer, by a part of their command. */
  readonly there?: Readonly<Record<string, { code: number; stdout?: string; stderr?: string }>>;
  readonly here?: Readonly<Record<string, { code: number; stdout?: string; stderr?: string }>>;
  readonly socketFile?: Uint8Array;
  readonly sockets?: MemorySockets;
}

const HERE = {
  "gpg --armor --export": { code: 0, stdout: "KEYS" },
  "gpg --export-ownertrust": { code: 0, stdout: "TRUST" },
  "gpgconf --list-dir agent-extra-socket": { code: 0, stdout: "C:\\gnupg\\S.gpg-agent.extra\n" },
  "gpgconf --launch gpg-agent": { code: 0 },
};

/** A forward whose programs on both sides are made up. */
async function start(scene: Scene) {
  const ran: string[] = [];
  const said: string[] = [];
  const sockets = scene.sockets ?? new MemorySockets();
  const workspace = new ForwardingWorkspace(sockets);
  const onSession = ({ command = "", channel }: TestSession) => {
    const isGuard = command.startsWith("sh -c");
    ran.push(isGuard ? "guard" : command);
    const answer =
      Object.entries(scene.there ?? {}).find(([part]) => command.includes(part))?.[1] ??
        (isGuard
          ? { code: 0, stdout: `Welcome!\nhawser-gpg-agent-socket=${SOCKET}\n`, stderr: "" }
          : { code: 0 });
    channel.write(answer.stdout ?? "");
    channel.stderr.write(answer.stderr ?? "");
    channel.resume();
    const leave = () => {
      channel.exit(answer.code);
      channel.close();
    };
    if (isGuard && answer.code === 0) channel.on("end", leave);
    else leave();
  };
  const server = await TestSshServer.start({ ...workspace.options, onSession });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  workspace.connection = await server.connected;
  const here: Scene["here"] = { ...HERE, ...scene.here };
  const starting = startGpgForward(connection, {
    os: "windows",
    sockets,
    run: (program, args) => {
      const command = [program, ...args].join(" ");
      const answer = here?.[command] ?? { code: 127, stderr: `${program}: not found` };
      return Promise.resolve({
        code: answer.code,
        stdout: encoder.encode(answer.stdout ?? ""),
        stderr: encoder.encode(answer.stderr ?? ""),
      });
    },
    readSocketFile: () => Promise.resolve(scene.socketFile ?? EMPTY),
    env: () => undefined,
    print: (line) => said.push(line),
  }, { workspaceOs: "linux" });
  return { starting, connection, workspace, ran, said, sockets };
}

Deno.test("GPG forwarding refuses Windows workspaces", async () => {
  const server = await TestSshServer.start();
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  const host = {
    os: "linux",
    sockets: new MemorySockets(),
    run: () => Promise.reject(new Error("not reached")),
    readSocketFile: () => Promise.reject(new Error("not reached")),
    env: () => undefined,
    print: () => {},
  };
  await assert.rejects(startGpgForward(connection, host, { workspaceOs: "windows" }), {
    message: "GPG forwarding is not supported for Windows workspaces",
  });
  await connection.close();
});

Deno.test("GPG forwarding says which step failed, and undoes what it did there", async (t) => {
  const rows = [
    {
      name: "no gpg here",
      scene: { here: { "gpg --armor --export": { code: 2, stderr: "gpg: broken" } } },
      message:
        "export local public keys from GPG: `gpg --armor --export` failed: stderr: gpg: broken",
    },
    {
      name: "agent here does not start",
      scene: { here: { "gpgconf --launch gpg-agent": { code: 1, stderr: "no pinentry" } } },
      message:
        "get local GPG agent socket: `gpgconf --launch gpg-agent` failed: stderr: no pinentry",
    },
    {
      name: "no gpg there",
      scene: { there: { "sh -c": { code: 1, stderr: "gpgconf: not found in the workspace" } } },
      message: "upload GPG public keys and ownertrust to workspace: " +
        "check if agent socket is running: gpgconf: not found in the workspace",
    },
    {
      name: "import fails",
      scene: { there: { "--import": { code: 2, stderr: "gpg: no valid OpenPGP data found." } } },
      message:
        "upload GPG public keys and ownertrust to workspace: import public keys into workspace: " +
        "`gpg --batch --no-autostart --status-fd 1 --import` failed: stderr: gpg: no valid OpenPGP data found.",
    },
  ];
  for (const { name, scene, message } of rows) {
    await t.step(name, async () => {
      const { starting, connection, workspace } = await start(scene);
      await assert.rejects(starting, { name: "UserError", message });
      assert.deepEqual(workspace.listening, []);
      await connection.close();
    });
  }
});

Deno.test("GPG forwarding goes on after one bad key among good ones", async () => {
  const stdout = "[GNUPG:] IMPORT_RES 3 0 2 0 0 0 0 0 0 0 0 0 0 0 0\n";
  const { starting, connection, workspace } = await start({
    there: { "--import": { code: 2, stdout } },
  });
  const forward = await starting;
  assert.deepEqual(workspace.listening, [SOCKET]);
  await forward.close();
  assert.deepEqual(workspace.listening, []);
  await connection.close();
});

for (const kind of ["windows", "cygwin"] as const) {
  Deno.test(`GPG forwarding on Windows shows the agent its cookie first (${kind} socket file)`, async () => {
    const sockets = new MemorySockets();
    const agent = await sockets.listen({ kind: "tcp", host: "127.0.0.1", port: 4_711 });
    const nonce = new Uint8Array(16).fill(0x0a);
    const file = kind === "windows"
      ? concatBytes(encoder.encode("4711\n"), nonce)
      : encoder.encode("!<socket >4711 s 0A0A0A0A-0A0A0A0A-0A0A0A0A-0A0A0A0A");
    const { starting, connection } = await start({ sockets, socketFile: file });
    const forward = await starting;
    const program = await sockets.connect({ kind: "unix", path: SOCKET });
    const served = await agent.accept();
    assert(served !== undefined);
    const buffer = new Uint8Array(100);
    assert.equal(await served.read(buffer), 16);
    assert.deepEqual(buffer.slice(0, 16), nonce);
    if (kind === "cygwin") {
      await served.write(nonce);
      assert.equal(await served.read(buffer), 12);
      await served.write(new Uint8Array(12));
    }
    await served.write(encoder.encode("OK Pleased to meet you\n"));
    assert.equal(await program.read(buffer), 23);
    assert.match(decoder.decode(buffer), /^OK Pleased/);
    await forward.close();
    agent.close();
    await connection.close();
  });
}

Deno.test("GPG forwarding tells a socket file it cannot read", async () => {
  const sockets = new MemorySockets();
  const { starting, connection, said } = await start({
    sockets,
    socketFile: encoder.encode("x\n"),
  });
  const forward = await starting;
  const program = await sockets.connect({ kind: "unix", path: SOCKET });
  await assert.rejects(async () => {
    if (await program.read(new Uint8Array(1)) === null) throw new Error("closed");
  });
  assert.match(
    said[0] ?? "",
    /^Dial local address C:\\gnupg\\S\.gpg-agent\.extra: parse gpg-agent-extra socket file ".*": line 1: /,
  );
  await forward.close();
  await connection.close();
});
