/** Standard streams that are not what one expects: non-blocking, full. Both are Linux's own. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Check } from "../check.ts";
import { denoRun, type Desk } from "../desk.ts";
import { fromFileUrl, shellQuote } from "../names.ts";
import type { Exit } from "../process.ts";
import { withoutWaits } from "../waits.ts";

const LAUNCHER = fromFileUrl(new URL("../../support/nonblocking.ts", import.meta.url));
const COUNT = 3_000_000;

/** The program under test on streams that somebody made non-blocking; `fds` as `0,1`. */
function nonblocking(desk: Desk, fds: string, args: readonly string[]): string {
  const launcher = [...denoRun(), "--allow-ffi", LAUNCHER, "pipe", fds].map(shellQuote).join(" ");
  // The launcher becomes the program, which must be named by its path. OpenSSH puts `exec` before it all.
  const script = `p=$(command -v "$1"); shift; exec ${launcher} "$p" "$@"`;
  return `sh -c ${shellQuote(script)} sh ${desk.programCommand(...args)}`;
}

function shell(desk: Desk, line: string, options: { isBulk?: boolean } = {}): Promise<Exit> {
  return desk.run(["sh", "-c", line], options);
}

/** The checksum of `seq 1 count`. */
function sequenceSha256(count: number): string {
  const hash = createHash("sha256");
  for (let line = 1; line <= count;) {
    let text = "";
    for (const end = Math.min(count, line + 9_999); line <= end; line++) text += `${line}\n`;
    hash.update(text);
  }
  return hash.digest("hex");
}

const LINUX_CHECKS: readonly Check[] = [
  {
    name: "lose nothing of a command's output when they are non-blocking",
    run: async (desk) => {
      const line = nonblocking(desk, "1", [desk.workspace, `seq 1 ${COUNT}`]);
      const exit = await shell(desk, line, { isBulk: true });
      strictEqual(exit.code, 0, exit.stderr);
      strictEqual(exit.sha256, sequenceSha256(COUNT), `${exit.bytes} bytes`);
    },
  },
  {
    name: "lose nothing of OpenSSH's output when its ProxyCommand's are non-blocking",
    run: async (desk) => {
      const proxy = nonblocking(desk, "0,1", ["--stdio", desk.workspace]).replaceAll("%", "%%");
      const exit = await desk.run([
        ...["ssh", "-F", desk.configPath, "-o", `ProxyCommand=${proxy}`, "workspace"],
        `seq 1 ${COUNT}`,
      ], { isBulk: true });
      strictEqual(exit.code, 0, exit.stderr);
      strictEqual(exit.sha256, sequenceSha256(COUNT), `${exit.bytes} bytes`);
    },
  },
  {
    name: "tell a disk that is full, with 1",
    run: async (desk) => {
      const command = desk.programCommand(desk.workspace, "head -c 1000000 /dev/zero");
      const exit = await shell(desk, `${command} >/dev/full`);
      match(exit.stderr, /error: .*no space left on device\n/);
      strictEqual(exit.code, 1);
    },
  },
  {
    name: "tell a disk that is full under --stdio, with 1",
    run: async (desk) => {
      const exit = await shell(
        desk,
        `${desk.programCommand("--stdio", desk.workspace)} >/dev/full`,
      );
      match(exit.stderr, /error: .*no space left on device\n/);
      strictEqual(exit.code, 1);
    },
  },
];

export const STREAMS_CHECKS: readonly Check[] = [
  ...(Deno.build.os === "linux" ? LINUX_CHECKS : []),
  {
    name: "end a command whose reader has gone with 141, without a word",
    run: async (desk) => {
      const command = desk.programCommand(desk.workspace, "yes");
      const exit = await shell(desk, `{ ${command}; echo "status $?" >&2; } | head -n 1`);
      deepStrictEqual([exit.stdout, withoutWaits(exit.stderr)], ["y\n", "status 141\n"]);
    },
  },
  {
    name: "give a probe with --stdio the greeting, and a wrong name its error",
    run: async (desk) => {
      for (const input of ["", "SSH-2.0-probe\r\n"]) {
        await using probe = desk.startProgram(["--stdio", desk.workspace]);
        const good = await probe.feed([new TextEncoder().encode(input)]);
        ok(good.stdout.startsWith("SSH-2.0-"), good.stdout);
        deepStrictEqual([good.code, withoutWaits(good.stderr)], [0, ""]);
        await using wrong = desk.startProgram(["--stdio", "no-such-workspace"]);
        // It may have ended before it read anything.
        await wrong.write(input).catch(() => {});
        await wrong.closeInput();
        const bad = await wrong.exit();
        match(bad.stderr, /Resource not found or you do not have access to this resource/);
        deepStrictEqual([bad.code, bad.stdout], [1, ""]);
      }
    },
  },
];
