/** The whole program as a process on standard streams that are not what one expects: non-blocking, full, unreadable. Linux. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { ConnStream } from "../../lib/io/conn_stream.ts";
import { type Program, startInTerminal } from "../../lib/sandbox/ssh/program.ts";
import { PtyMaker } from "../../lib/sandbox/ssh/pty.ts";
import { within, withoutWaits } from "../support/command_host.ts";
import { commandTest, type Desk } from "./support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const LAUNCHER = new URL("../support/nonblocking.ts", import.meta.url).pathname;
const DENO = [Deno.execPath(), "run", "-q", "--no-check", "--no-prompt"];
/** As the README names them. */
const HAWSER = [
  ...DENO,
  ...["--unstable-net", "--allow-net", "--allow-env", "--allow-read", "--allow-write"],
  ...["--allow-run", "--allow-sys", MAIN],
];
const LAUNCH = [...DENO, "--allow-ffi", "--allow-run", LAUNCHER];
const decoder = new TextDecoder();

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function environment(desk: Desk): Promise<Record<string, string>> {
  const folder = await desk.sandbox.folder();
  return {
    ...desk.env,
    HOME: folder,
    // Another home is another cache: what is loaded already must not be asked for anew.
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`,
    CODER_CONFIG_DIR: folder,
    CODER_NO_VERSION_WARNING: "true",
    NO_COLOR: "1",
  };
}

/** Runs a line of shell in which `hawser` is the program, and `nonblocking KIND FDS hawser` the program on such streams. */
async function shell(desk: Desk, line: string): Promise<Ran> {
  const quote = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  const hawser = `hawser() { ${quote(HAWSER)} "$@"; }`;
  const nonblocking = `nonblocking() { kind=$1 fds=$2; shift 3; ${quote(LAUNCH)} "$kind" "$fds" ${
    quote(HAWSER)
  } "$@"; }`;
  const running = new Deno.Command("/bin/sh", {
    args: ["-c", `${hawser}; ${nonblocking}; ${line}`],
    env: await environment(desk),
    stdin: "null",
  }).output();
  const { code, stdout, stderr } = await within(running, () => line, 60_000);
  return { code, stdout: decoder.decode(stdout), stderr: withoutWaits(decoder.decode(stderr)) };
}

/** As `seq 1 count` prints it. */
function numbers(count: number): string {
  let text = "";
  for (let line = 1; line <= count; line++) text += `${line}\n`;
  return text;
}

function sameText(got: string, wanted: string): void {
  strictEqual(got.length, wanted.length);
  ok(got === wanted, "the text differs");
}

const linuxTest: typeof commandTest = (name, body, options) => {
  if (Deno.build.os === "linux") commandTest(name, body, options);
};

for (const kind of ["pipe", "socket"] as const) {
  linuxTest(`A command's output arrives whole on a non-blocking ${kind}`, async (desk) => {
    const line =
      `nonblocking ${kind} 1 hawser ssh myworkspace 'seq 1 1200000; exit 3'; echo status $?`;
    const { stdout, stderr } = await shell(desk, line);
    strictEqual(stderr, "");
    sameText(stdout, `${numbers(1_200_000)}status 3\n`);
  });
}

linuxTest("A command's errors arrive whole on a non-blocking pipe", async (desk) => {
  const { code, stderr } = await shell(
    desk,
    "nonblocking pipe 2 hawser ssh myworkspace 'seq 1 400000 >&2'",
  );
  strictEqual(code, 0);
  sameText(stderr, numbers(400_000));
});

linuxTest("Help arrives whole on a non-blocking pipe that is full", async (desk) => {
  const plain = await shell(desk, "hawser ssh --help");
  ok(plain.stdout.length > 4_096);
  const { code, stdout } = await shell(desk, "nonblocking pipe 1 hawser ssh --help");
  strictEqual(code, 0);
  sameText(stdout, plain.stdout);
});

linuxTest("-W arrives whole on a non-blocking pipe", async (desk) => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sent = "0123456789abcdef\n".repeat(300_000);
  const serving = (async () => {
    using connection = await listener.accept();
    const bytes = new TextEncoder().encode(sent);
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  })();
  const port = listener.addr.port;
  const { code, stdout, stderr } = await shell(
    desk,
    `nonblocking pipe 1 hawser ssh -W 127.0.0.1:${port} myworkspace`,
  );
  await serving;
  deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
  sameText(stdout, sent);
});

linuxTest("--stdio carries SSH over non-blocking streams both ways", async (desk) => {
  const child = new Deno.Command(LAUNCH[0] ?? "", {
    args: [...LAUNCH.slice(1), "pipe", "0,1", ...HAWSER, "ssh", "--stdio", "myworkspace"],
    env: await environment(desk),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const [reader, writer] = [child.stdout.getReader(), child.stdin.getWriter()];
  let rest = new Uint8Array(0);
  const stream = new ConnStream({
    async read(into) {
      if (rest.length === 0) rest = (await reader.read()).value ?? rest;
      const count = Math.min(into.length, rest.length);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return count === 0 ? null : count;
    },
    async write(bytes) {
      await writer.write(bytes.slice());
      return bytes.length;
    },
    closeWrite: () => writer.close(),
    close: () => void writer.close().catch(() => {}),
  });
  const ssh = await connectSsh(stream, { clock: new SystemClock() });
  const session = await ssh.openSession({ command: "cat; seq 1 1200000" });
  const up = numbers(300_000);
  const sending = session.write(new TextEncoder().encode(up)).then(() => session.closeStdin());
  const parts: string[] = [];
  const textDecoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  for (let n = await session.readStdout(buffer); n !== null; n = await session.readStdout(buffer)) {
    parts.push(textDecoder.decode(buffer.subarray(0, n), { stream: true }));
  }
  await sending;
  sameText(parts.join(""), up + numbers(1_200_000));
  await ssh.close();
  strictEqual((await child.status).code, 0);
  await reader.cancel();
});

linuxTest("Input that comes late on a non-blocking pipe is waited for", async (desk) => {
  const { stdout } = await shell(
    desk,
    "{ hawser ssh myworkspace true; echo late; } | nonblocking pipe 0 hawser ssh myworkspace cat; echo status $?",
  );
  strictEqual(stdout, "late\nstatus 0\n");
});

linuxTest("A terminal that was made non-blocking shows all of it", async (desk) => {
  using maker = new PtyMaker();
  const program: Program = startInTerminal({
    argv: [...LAUNCH, "pipe", "0,1,2", ...HAWSER, "ssh", "myworkspace", "seq 1 60000; echo LAST"],
    env: await environment(desk),
    directory: await desk.sandbox.folder(),
  }, { maker, size: { columns: 80, rows: 24 }, term: "xterm-256color" });
  try {
    let text = "";
    const textDecoder = new TextDecoder();
    for (
      let bytes = await within(program.readOutput(), () => `more than ${text.slice(-80)}`);
      bytes !== null;
      bytes = await within(program.readOutput(), () => `more than ${text.slice(-80)}`)
    ) text += textDecoder.decode(bytes, { stream: true });
    // On a slow machine, words of ours about what is waited for stand before the output.
    const output = text.slice(text.indexOf("1\r\n2\r\n3\r\n"));
    sameText(output.replaceAll("\r\n", "\n"), `${numbers(60_000)}LAST\n`);
  } finally {
    program.kill();
    await program.ended;
  }
});

const NO_SPACE = "error: write to standard output: no space left on device\n";

for (
  const { name, args } of [
    { name: "a command", args: "ssh myworkspace 'head -c 1000000 /dev/zero'" },
    { name: "a command of few words", args: "ssh myworkspace 'echo x'" },
    { name: "a shell", args: "ssh -t myworkspace" },
    { name: "--stdio", args: "ssh --stdio myworkspace" },
    { name: "help", args: "ssh --help" },
    { name: "the version", args: "--version" },
  ]
) {
  linuxTest(`A full disk under ${name} is told, with 1`, async (desk) => {
    const { stdout, stderr } = await shell(desk, `hawser ${args} >/dev/full; echo status $?`);
    strictEqual(stdout, "status 1\n");
    ok(stderr.endsWith(NO_SPACE), stderr);
    match(stderr, /^Encountered an error running "hawser/);
  });
}

linuxTest("A full disk under -W is told, with 1", async (desk) => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.write(new TextEncoder().encode("greeting"));
    await connection.read(new Uint8Array(1));
  })();
  const { port } = listener.addr;
  const { stdout, stderr } = await shell(
    desk,
    `hawser ssh -W 127.0.0.1:${port} myworkspace >/dev/full; echo status $?`,
  );
  await serving;
  strictEqual(stdout, "status 1\n");
  ok(stderr.endsWith(NO_SPACE), stderr);
});

linuxTest("A full disk under a command's errors ends it with 1", async (desk) => {
  const { stdout } = await shell(
    desk,
    "hawser ssh myworkspace 'echo x >&2; sleep 600' 2>/dev/full; echo status $?",
  );
  strictEqual(stdout, "status 1\n");
});

linuxTest("A reader that has gone is no failure: 141, and not a word", async (desk) => {
  for (const args of ["ssh myworkspace yes", "ssh --help", "ssh myworkspace 'yes >&2' 2>&1"]) {
    const { stdout, stderr } = await shell(
      desk,
      `{ hawser ${args}; echo status $? >&3; } 3>&2 | head -n 0`,
    );
    deepStrictEqual({ args, stdout, stderr }, { args, stdout: "", stderr: "status 141\n" });
  }
});

linuxTest("Input that cannot be read is told, with 1, in every mode", async (desk) => {
  for (const args of ["ssh myworkspace cat", "ssh --stdio myworkspace"]) {
    const { stdout, stderr } = await shell(desk, `hawser ${args} </; echo status $?`);
    match(stdout, /status 1\n$/);
    ok(stderr.endsWith("error: read standard input: is a directory\n"), stderr);
  }
});

linuxTest("A signal ends the program whose output and errors nobody reads", async (desk) => {
  const child = new Deno.Command(HAWSER[0] ?? "", {
    args: [...HAWSER.slice(1), "ssh", "-v", "myworkspace", "yes"],
    env: await environment(desk),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = child.stderr.getReader();
  let said = "";
  while (!said.includes("session started")) {
    said += decoder.decode((await within(errors.read(), () => `a start: ${said}`)).value);
  }
  const output = child.stdout.getReader();
  await output.read(); // then the pipe fills up
  child.kill("SIGTERM");
  const { code } = await within(child.status, () => "the end after SIGTERM");
  strictEqual(code, 143);
  await Promise.all([output.cancel(), errors.cancel()]);
});
