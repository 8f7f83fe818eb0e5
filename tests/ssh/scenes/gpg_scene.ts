/**
 * GPG forwarding with real GnuPG homes on both sides; run by `gpg_forward_test.ts` as a program of its own, because unix sockets
 * need a permission that tests do not have. Prints one JSON object of what was seen.
 */
import { SystemClock } from "../../../lib/io/clock.ts";
import { readSocketFile, SYSTEM_SOCKETS } from "../../../lib/io/local_sockets.ts";
import { connectSsh } from "../../../lib/ssh/connection.ts";
import { startGpgForward } from "../../../lib/ssh/gpg_forward.ts";
import { runRemote } from "../../../lib/ssh/remote_command.ts";
import { ForwardingWorkspace } from "../../support/ssh_forwarding.ts";
import { runProgram } from "../../support/ssh_programs.ts";
import { TestSshServer } from "../../support/ssh_server.ts";

/** The home here is on a file system without sockets, so to speak: its socket is elsewhere. */
const isRedirected = Deno.args.includes("redirected");
const decoder = new TextDecoder();
const folder = await Deno.makeTempDir({ prefix: "hawser-gpg-" });
const homes = { here: `${folder}/here`, there: `${folder}/there` };
for (const home of Object.values(homes)) await Deno.mkdir(home, { mode: 0o700 });

async function here(program: string, args: readonly string[]) {
  const env = { GNUPGHOME: homes.here, HAWSER_SCENE: folder };
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
  }).output();
  return { code, stdout, stderr };
}

if (isRedirected) {
  await Deno.writeTextFile(
    `${homes.here}/S.gpg-agent.extra`,
    "%Assuan%\nsocket=${HAWSER_SCENE}/else where\n",
  );
}

const said: string[] = [];
const seen: Record<string, unknown> = { said };
try {
  const made = await here("gpg", [
    ...["--batch", "--passphrase", "", "--quick-gen-key", "Hawser Test <test@example.com>"],
    ...["ed25519", "sign", "0"],
  ]);
  if (made.code !== 0) throw new Error(decoder.decode(made.stderr));
  // The agent here does not run; the workspace's does, and holds the socket.
  await here("gpgconf", ["--kill", "gpg-agent"]);
  const workspace = new ForwardingWorkspace(SYSTEM_SOCKETS);
  const running = new Set<Promise<void>>();
  const server = await TestSshServer.start({
    ...workspace.options,
    onSession: (session) => {
      const program = runProgram(session, { GNUPGHOME: homes.there, HOME: folder });
      running.add(program);
    },
  });
  const connection = await connectSsh(server.stream, { clock: new SystemClock() });
  workspace.connection = await server.connected;
  const there = async (command: string) => await runRemote(connection, command);
  /** The process that answers the workspace's gpg; nothing when none does. */
  const askAgent = async () =>
    (await there("gpg-connect-agent --no-autostart 'getinfo pid' /bye")).stdout.split("\n")[0];
  await there("gpgconf --launch gpg-agent");
  seen.agentBefore = await askAgent();

  const forward = await startGpgForward(connection, {
    os: Deno.build.os,
    sockets: SYSTEM_SOCKETS,
    run: here,
    readSocketFile,
    env: (name) => name === "HAWSER_SCENE" ? folder : undefined,
    print: (line) => said.push(line),
  }, { workspaceOs: "linux" });
  seen.keys = (await there("gpg --list-keys")).stdout;
  seen.signed = (await there("echo hello | gpg --clearsign")).stdout;
  seen.verified = await there("echo again | gpg --sign | gpg --verify");
  seen.commit = await there(
    `cd ${folder} && git init -q repo && cd repo && git -c user.name=T -c user.email=test@example.com ` +
      "commit -q -S --allow-empty -m signed && git verify-commit HEAD",
  );
  seen.secrets = (await there(`ls ${homes.there}/private-keys-v1.d 2>/dev/null`)).stdout;
  seen.restricted =
    (await there("gpg-connect-agent --no-autostart 'getinfo restricted' /bye")).stdout;
  await there("gpgconf --kill gpg-agent");
  seen.agentDuring = await askAgent();
  // The agent here ends in mid-session: the next signature starts it again.
  await here("gpgconf", ["--kill", "gpg-agent"]);
  seen.signedAgain = (await there("echo more | gpg --clearsign")).stdout;

  await forward.close();
  seen.listening = workspace.listening;
  seen.agentAfter = await askAgent();
  seen.socketAfter = (await there("ls $(gpgconf --list-dir agent-socket)")).code;
  await connection.close();
  await Promise.all(running);
} finally {
  for (const home of Object.values(homes)) {
    await new Deno.Command("gpgconf", { args: ["--kill", "all"], env: { GNUPGHOME: home } })
      .output();
  }
  await Deno.remove(folder, { recursive: true });
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(seen)));
