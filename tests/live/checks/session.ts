/** Sessions of the program's own: `ssh <workspace> <command>`, without OpenSSH. */
import { match, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { Bulk, MEGABYTE, randomBytes, sha256 } from "../data.ts";
import { withoutWaits } from "../waits.ts";

const BULK_BYTES = 64 * MEGABYTE;
const BULK_LIMIT_MS = 120_000;

export const SESSION_CHECKS: readonly Check[] = [
  {
    name: "runs a command, its two outputs kept apart and nothing added",
    run: async (desk) => {
      const exit = await desk.runProgram([desk.workspace, "echo out; echo err >&2"]);
      strictEqual(exit.stdout, "out\n");
      strictEqual(withoutWaits(exit.stderr), "err\n");
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "joins the words of a command with single spaces",
    run: async (desk) => {
      const exit = await desk.runProgram([
        desk.workspace,
        "--",
        "printf",
        "'%s.'",
        "a  b",
        "'c  d'",
      ]);
      strictEqual(exit.stdout, "a.b.c  d.");
    },
  },
  {
    name: "hands the end of input to the command",
    run: async (desk) => {
      const data = randomBytes(300_000);
      await using program = desk.startProgram([desk.workspace, "sha256sum; echo end"]);
      const exit = await program.feed([data]);
      match(exit.stdout, new RegExp(`^${sha256(data)}\\b.*\\nend\\n$`));
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "ends when the command ends, though input stays open",
    run: async (desk) => {
      await using program = desk.startProgram([desk.workspace, "echo bye"], { limitMs: 20_000 });
      const exit = await program.exit();
      strictEqual(exit.stdout, "bye\n");
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "hands on the exit status; 255 for a command that was killed",
    run: async (desk) => {
      const codes = [1, 3, 254].map(async (code) => {
        strictEqual((await desk.runProgram([desk.workspace, `exit ${code}`])).code, code);
      });
      await Promise.all(codes);
      // Coder's agents report status 255, never exit-signal.
      strictEqual((await desk.runProgram([desk.workspace, "kill -9 $$"])).code, 255);
    },
  },
  {
    name: "exits with 128 + n when signal n ends it",
    run: async (desk) => {
      for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
        await using program = desk.startProgram([desk.workspace, "echo up; cat"]);
        await program.stdout.until(/up\n/);
        program.kill(signal);
        const exit = await program.exit();
        strictEqual(exit.code, code, `${signal}: ${exit.stderr}`);
      }
    },
  },
  {
    name: "gives a command a terminal with -t and none without",
    run: async (desk) => {
      const ask = "test -t 0 && echo tty || echo none";
      strictEqual((await desk.runProgram([desk.workspace, ask])).stdout.trim(), "none");
      strictEqual((await desk.runProgram(["-t", desk.workspace, ask])).stdout.trim(), "tty");
    },
  },
  {
    name: "sets variables with -e",
    run: async (desk) => {
      const exit = await desk.runProgram([
        "-e",
        "FOO=a b,BAR=c",
        desk.workspace,
        'echo "$FOO/$BAR"',
      ]);
      strictEqual(exit.stdout, "a b/c\n");
    },
  },
  {
    name: "carries 64 MB into a command",
    run: async (desk) => {
      const bulk = new Bulk(BULK_BYTES);
      const options = { limitMs: BULK_LIMIT_MS };
      await using program = desk.startProgram([desk.workspace, "sha256sum"], options);
      const exit = await program.feed(bulk);
      match(exit.stdout, new RegExp(`^${bulk.sha256}\\b`));
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "carries 64 MB out of a command",
    run: async (desk) => {
      const file = await desk.remote("bulk");
      const command =
        `head -c ${BULK_BYTES} /dev/urandom >${file}; sha256sum <${file} >&2; cat ${file}; rm ${file}`;
      await using program = desk.startProgram(
        [desk.workspace, command],
        { isBulk: true, stdin: "null", limitMs: BULK_LIMIT_MS },
      );
      const exit = await program.exit();
      strictEqual(exit.bytes, BULK_BYTES);
      // Behind what is said of waits that took long.
      ok(exit.stderr.split("\n").some((line) => line.startsWith(exit.sha256)), exit.stderr);
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "carries 64 MB both ways at once",
    run: async (desk) => {
      const bulk = new Bulk(BULK_BYTES);
      await using program = desk.startProgram(
        [desk.workspace, "cat"],
        { isBulk: true, limitMs: BULK_LIMIT_MS },
      );
      const exit = await program.feed(bulk);
      strictEqual(exit.bytes, BULK_BYTES);
      strictEqual(exit.sha256, bulk.sha256);
    },
  },
  {
    name: "waits for a slow reader, and keeps what it has not read",
    run: async (desk) => {
      // Nobody reads for a while: the window closes all the way back to the command, then opens again.
      const pipe = `(sleep 3; sha256sum; echo read) <fifo & exec ${
        desk.programCommand(desk.workspace, "cat")
      } >fifo`;
      const folder = desk.local("slow");
      await Deno.mkdir(folder);
      await desk.must(["mkfifo", `${folder}/fifo`]);
      const bulk = new Bulk(BULK_BYTES / 2);
      await using shell = desk.start(["sh", "-c", pipe], { cwd: folder, limitMs: BULK_LIMIT_MS });
      const exit = await shell.feed(bulk);
      match(exit.stdout, new RegExp(`^${bulk.sha256}\\b`));
      ok(exit.stdout.endsWith("read\n"));
    },
  },
];
