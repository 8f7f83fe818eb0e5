/** A signal while a command waits for a deployment that does not answer: the exit code of whoever a signal ended, and no word. At a question: a no. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { commandTest } from "./support.ts";
import { denoDir } from "../support/deno_dir.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const LIMIT_MS = 20_000;
const TOKEN = "abcdefghij-0123456789012345678901";

const COMMANDS: readonly (readonly string[])[] = [
  ["whoami"],
  ["login", "--token", TOKEN],
  ["logout", "--yes"],
  ["list"],
  ["show", "dev"],
  ["start", "dev"],
  ["stop", "dev", "--yes"],
  ["restart", "dev", "--yes"],
  ["logs", "dev"],
  ["ports", "dev"],
  ["cp", "dev:file", "."],
  ["port-forward", "dev", "--tcp", "18080:80"],
  ["open", "vscode", "dev"],
  ["open", "app", "dev"],
  ["ping", "dev"],
  ["speedtest", "dev"],
  ["netcheck"],
  ["doctor"],
  ["support"],
  ["config-ssh", "--yes"],
];

/** Its own answer, the official command's: whoever breaks off a connection that is being made. */
const SSH = ["ssh", "dev"];

/** Runs until it has asked, then raises `signal`; how it ended, and what it said. */
async function interrupt(
  words: readonly string[],
  signal: Deno.Signal,
): Promise<{ readonly code: number; readonly said: string }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const home = await Deno.makeTempDir({ prefix: "hawser-interrupted-" });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--frozen", "-A", MAIN, ...words],
    clearEnv: true,
    env: {
      HOME: home,
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: denoDir(),
      DENO_NO_UPDATE_CHECK: "1",
      CODER_URL: `http://127.0.0.1:${listener.addr.port}`,
      ...(words[0] === "login" ? {} : { CODER_SESSION_TOKEN: TOKEN }),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const output = child.output();
  const asked: Deno.Conn[] = [];
  try {
    const conn = await Promise.race([listener.accept(), output.then(() => undefined)]);
    if (conn !== undefined) {
      asked.push(conn);
      await conn.read(new Uint8Array(1));
      child.kill(signal);
    }
    const { code, stdout, stderr } = await output;
    return { code, said: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } finally {
    clearTimeout(limit);
    for (const conn of asked) conn.close();
    await Deno.remove(home, { recursive: true });
  }
}

if (Deno.build.os !== "windows") {
  Deno.test("Ctrl-C ends every command that waits with 130, silently; ssh with 1", async () => {
    const codes: Record<string, unknown> = {};
    for (const words of [...COMMANDS, SSH]) {
      codes[words.join(" ")] = await interrupt(words, "SIGINT");
    }
    const expected = [...COMMANDS, SSH].map((words) => [
      words.join(" "),
      { code: words === SSH ? 1 : 130, said: "" },
    ]);
    deepStrictEqual(codes, Object.fromEntries(expected));
  });

  Deno.test("so do SIGTERM and SIGHUP with 143 and 129", async () => {
    const rows = [["SIGTERM", 143], ["SIGHUP", 129]] as const;
    for (const [signal, code] of rows) {
      for (const words of [["whoami"], ["list"]]) {
        deepStrictEqual(await interrupt(words, signal), { code, said: "" });
      }
    }
  });
}

const QUESTIONS: readonly (readonly [words: readonly string[], question: RegExp])[] = [
  [["stop", "myworkspace"], /Confirm stop workspace\? \(yes\/no\) $/],
  [["restart", "myworkspace"], /Restart workspace\? \(yes\/no\) $/],
  [["logout"], /Are you sure you want to log out\? \(yes\/no\) $/],
  [["config-ssh"], /Continue\? \(yes\/no\) $/],
];

for (const [words, question] of QUESTIONS) {
  commandTest(
    `${words[0]}: Ctrl-C at the question is a no, as to the official command`,
    async (desk) => {
      await using run = desk.startAny(words, { terminal: { columns: 80, rows: 24 } });
      await run.stdout.waitFor(question);
      ok(run.raise("SIGINT"));
      const { code, stdout } = await run.result();
      deepStrictEqual([code, stdout.endsWith("(yes/no) \n")], [1, true]);
    },
  );
}
