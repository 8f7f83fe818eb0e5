/** OpenSSH with `ssh --stdio` as its ProxyCommand: login, commands, streams, and who ends when. */
import { match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { randomBytes, sha256 } from "../data.ts";
import { withoutWaits } from "../waits.ts";

export const OPENSSH_CHECKS: readonly Check[] = [
  {
    name: "logs in and runs a command, its two outputs kept apart and nothing added",
    run: async (desk) => {
      const exit = await desk.ssh("echo out; echo err >&2");
      strictEqual(exit.stdout, "out\n");
      strictEqual(withoutWaits(exit.stderr), "err\n");
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "hands on the exit status",
    run: async (desk) => {
      strictEqual((await desk.ssh("exit 7")).code, 7);
      strictEqual((await desk.ssh("kill -9 $$")).code, 255);
    },
  },
  {
    name: "hands the end of input to the command",
    run: async (desk) => {
      const data = randomBytes(300_000);
      await using ssh = desk.startSsh(["workspace", "sha256sum"]);
      const exit = await ssh.feed([data]);
      match(exit.stdout, new RegExp(`^${sha256(data)}\\b`));
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "carries output that comes after the end of input",
    run: async (desk) => {
      await using ssh = desk.startSsh(["workspace", "cat >/dev/null; head -c 100000 /dev/zero"]);
      const exit = await ssh.feed(["first\n"].map((text) => new TextEncoder().encode(text)));
      strictEqual(exit.bytes, 100_000);
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "gives a terminal with -tt and none without",
    run: async (desk) => {
      const ask = "test -t 0 && echo tty || echo none";
      strictEqual((await desk.ssh(ask)).stdout.trim(), "none");
      const exit = await desk.run(["ssh", "-F", desk.configPath, "-tt", "workspace", ask]);
      strictEqual(exit.stdout.trim(), "tty");
    },
  },
  {
    name: "ends by itself when OpenSSH is killed",
    run: async (desk) => {
      await using ssh = desk.startSsh(["workspace", "echo up; cat"]);
      await ssh.stdout.until(/up\n/);
      const began = performance.now();
      ssh.kill("SIGKILL");
      const exit = await ssh.exit();
      strictEqual(exit.signal, "SIGKILL");
      ok(performance.now() - began < 10_000, "The proxy outlived OpenSSH by more than 10 s");
    },
  },
  {
    name: "ends the command in the workspace when OpenSSH is killed",
    run: async (desk) => {
      const pid = await desk.remote("pid");
      await using ssh = desk.startSsh(["workspace", `echo $$ >${pid}; echo up; cat; true`]);
      await ssh.stdout.until(/up\n/);
      ssh.kill("SIGKILL");
      await ssh.exit();
      // Its `cat` saw the end of input, or agents before v2.25 ended it: the connection was closed, not left to a keepalive.
      const waiting =
        `i=0; while kill -0 $(cat ${pid}); do test $i = 50 && exit 1; i=$((i+1)); sleep 0.1; done 2>/dev/null`;
      await desk.mustSsh(waiting);
    },
  },
  {
    name: "finds the workspace by the names that config-ssh wrote, with and without patterns",
    run: async (desk) => {
      const path = desk.local("config-ssh");
      await Deno.writeTextFile(path, "Host somewhere-else\n\tUser nobody");
      for (const flags of [[], ["--no-wildcard"]]) {
        const names = ["--ssh-host-prefix=wildly.", "--hostname-suffix=wild"];
        const options = ["-o", "User=tester", "-o", "BatchMode=yes", "-o", "IdentityAgent=none"];
        const written = await desk.runCommand(
          ["config-ssh", "--yes", "--ssh-config-file", path, ...names, ...options, ...flags],
        );
        strictEqual(written.code, 0, written.stderr);
        for (const host of [`wildly.${desk.workspace}`, `${desk.workspace}.wild`]) {
          const exit = await desk.run(["ssh", "-F", path, host, "echo over there"]);
          strictEqual(exit.stdout, "over there\n", exit.stderr);
          strictEqual(exit.code, 0);
        }
      }
      ok((await Deno.readTextFile(path)).startsWith("Host somewhere-else\n\tUser nobody\n# ---"));
    },
  },
  {
    name: "makes one line of an unknown workspace",
    run: async (desk) => {
      const proxy = desk.programCommand("--stdio", "no-such-workspace");
      const exit = await desk.run(
        ["ssh", "-F", desk.configPath, "-o", `ProxyCommand=${proxy}`, "workspace", "true"],
      );
      notStrictEqual(exit.code, 0);
      strictEqual(exit.stdout, "");
      match(exit.stderr, /Resource not found or you do not have access/);
    },
  },
];
