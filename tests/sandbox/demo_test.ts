/** `hawser demo` as people run it: words, a tour, a deployment that stays up, and a shell in a terminal. */
import { match, ok, strictEqual } from "node:assert/strict";
import { PtyMaker } from "../../lib/sandbox/ssh/pty.ts";
import { startInTerminal } from "../../lib/sandbox/ssh/program.ts";
import { decode, encode } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url).pathname;

/** As `deno task demo` runs it, with the permissions of the task. */
const PERMISSIONS = taskPermissions();

function taskPermissions(): string[] {
  const { tasks }: { tasks: Record<string, string> } = JSON.parse(
    Deno.readTextFileSync(`${ROOT}deno.json`),
  );
  return (tasks["demo"] ?? "").split(" ").filter((word) => word.startsWith("--"));
}

function demo(args: readonly string[] = [], options: Deno.CommandOptions = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...PERMISSIONS, MAIN, "demo", ...args],
    stdin: "null",
    ...options,
    env: { CODER_URL: "http://127.0.0.1:1", CODER_SESSION_TOKEN: "not-this-one", NO_COLOR: "1" },
  });
}

/** What a serving demo tells to be set; its output is read no further. */
async function servedBy(serving: Deno.ChildProcess) {
  const reader = serving.stdout.getReader();
  let text = "";
  while (!/ProxyCommand=.*\n/.test(text)) {
    const { value } = await reader.read();
    ok(value !== undefined, text);
    text += decode(value);
  }
  const setting = (name: string) => new RegExp(`export ${name}=(\\S+)`).exec(text)?.[1] ?? "";
  return { reader, setting };
}

/** An SSH agent without keys, as far as it is asked for them: `SSH_AGENT_IDENTITIES_ANSWER` with none. */
const AGENT = `
  const listener = Deno.listen({ transport: "unix", path: Deno.args[0] });
  console.log("ready");
  for await (const connection of listener) {
    const request = new Uint8Array(5);
    if (await connection.read(request) === 5 && request[4] === 11) {
      await connection.write(Uint8Array.of(0, 0, 0, 5, 12, 0, 0, 0, 0));
    }
    connection.close();
  }`;
const ASK = `
  const agent = await Deno.connect({ transport: "unix", path: Deno.env.get("SSH_AUTH_SOCK") });
  await agent.write(Uint8Array.of(0, 0, 0, 1, 11));
  const answer = new Uint8Array(64);
  console.log(answer.subarray(0, await agent.read(answer)).join());`;

Deno.test("demo runs words; their output, errors and status are its own", async () => {
  const { code, stdout, stderr } = await demo([
    IS_UNIX ? "echo hi; echo oops >&2; exit 5" : "echo hi",
  ]).output();
  strictEqual(code, IS_UNIX ? 5 : 0, decode(stderr));
  match(decode(stdout), /^hi\r?\n$/);
  if (IS_UNIX) strictEqual(decode(stderr), "oops\n");
});

Deno.test("demo without words and terminal is a tour that ends with 0", async () => {
  const { code, stdout, stderr } = await demo().output();
  strictEqual(code, 0, decode(stdout) + decode(stderr));
  match(decode(stdout), /\$ hawser ssh dev[\s\S]*All of it worked/);
});

Deno.test("demo --help tells what it is", async () => {
  const { code, stdout } = await demo(["--help"]).output();
  strictEqual(code, 0);
  match(decode(stdout), /hawser demo \[flags\] \[command\][\s\S]*--serve/);
});

Deno.test({
  name: "demo --serve stays up for other terminals until it is interrupted",
  ignore: !IS_UNIX,
  fn: async () => {
    await using serving = demo(["--serve"], { stdout: "piped", stderr: "piped" }).spawn();
    const { reader, setting } = await servedBy(serving);
    const env = {
      CODER_URL: setting("CODER_URL"),
      CODER_SESSION_TOKEN: setting("CODER_SESSION_TOKEN"),
      CODER_CONFIG_DIR: setting("CODER_CONFIG_DIR"),
    };
    for (
      const [workspace, said] of [["dev", /^$/], [
        "stopped",
        /Workspace was stopped, starting/,
      ]] as const
    ) {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-all", MAIN, "ssh", workspace, "echo served; exit 4"],
        stdin: "null",
        env,
      }).output();
      strictEqual(code, 4, decode(stderr));
      strictEqual(decode(stdout), "served\n");
      match(decode(stderr), said);
    }
    serving.kill("SIGINT");
    await reader.cancel();
    strictEqual((await serving.status).code, 0);
    match(await new Response(serving.stderr).text(), /Stopping/);
  },
});

Deno.test({
  name: "demo --serve shows the keys of an SSH agent over there, with the permissions of the task",
  ignore: !IS_UNIX,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const socket = `${folder}/agent`;
    // A program of its own: what a test may do with unix sockets depends on how it is run.
    const agent = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--ext=ts", AGENT, socket],
      stdout: "piped",
    }).spawn();
    await using serving = demo(["--serve"], { stdout: "piped", stderr: "null" }).spawn();
    try {
      const ready = agent.stdout.getReader();
      ok((await ready.read()).value !== undefined);
      await ready.cancel();
      const { reader, setting } = await servedBy(serving);
      // What `ssh-add -l` does, for machines without it: asks for the list, prints what comes.
      const ask = `${Deno.execPath()} eval --ext=ts '${ASK}'`;
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-all", MAIN, "ssh", "-A", "dev", ask],
        stdin: "null",
        env: {
          CODER_URL: setting("CODER_URL"),
          CODER_SESSION_TOKEN: setting("CODER_SESSION_TOKEN"),
          CODER_CONFIG_DIR: setting("CODER_CONFIG_DIR"),
          SSH_AUTH_SOCK: socket,
        },
      }).output();
      strictEqual(decode(stdout), "0,0,0,5,12,0,0,0,0\n", decode(stderr));
      strictEqual(code, 0);
      serving.kill("SIGINT");
      await reader.cancel();
    } finally {
      agent.kill("SIGKILL");
      await agent.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "demo whose output nobody reads to the end goes quietly, like any program before head",
  ignore: !IS_UNIX,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const words = [Deno.execPath(), "run", ...PERMISSIONS, MAIN, "demo"];
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", `{ "$@" 2>err; echo $? >code; } | head -n 1`, "sh", ...words],
      cwd: folder,
      stdin: "null",
    }).output();
    const [code, err] = ["code", "err"].map((name) => Deno.readTextFileSync(`${folder}/${name}`));
    await Deno.remove(folder, { recursive: true });
    match(decode(stdout), /^A demo deployment runs .*\n$/);
    strictEqual(err, "");
    strictEqual(code, "141\n");
  },
});

Deno.test({
  name: "demo in a terminal is a shell",
  ignore: !IS_UNIX,
  fn: async () => {
    using maker = new PtyMaker();
    const program = startInTerminal({
      argv: [Deno.execPath(), "run", ...PERMISSIONS, MAIN, "demo"],
      env: { SHELL: "/bin/sh", NO_COLOR: "1" },
      directory: ROOT,
    }, { maker, size: { columns: 70, rows: 20 }, term: "xterm" });
    let seen = "";
    const until = async (wanted: RegExp) => {
      while (!wanted.test(seen)) {
        const bytes = await program.readOutput();
        ok(bytes !== null, seen);
        seen += decode(bytes);
      }
    };
    await program.write(encode("stty size; echo in $((2 * 21)) $CODER_WORKSPACE_NAME\r"));
    await until(/20 70[\s\S]*in 42 dev/);
    await program.write(encode("exit 3\r"));
    while (await program.readOutput() !== null);
    strictEqual(await program.status, 3);
    await program.ended;
  },
});
