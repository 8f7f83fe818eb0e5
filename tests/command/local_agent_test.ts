/**
 * The local SSH agent: how it is named, and what is said when it is not there. Deno names each path of a unix socket in its
 * permissions, so that tests, which may use 127.0.0.1 only, run these in a process of their own.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { commandTest, Home, HOME_FORMS } from "./support.ts";

const IS_WINDOWS = Deno.build.os === "windows";
const mayUseSockets = (await Deno.permissions.query({ name: "net" })).state === "granted";

if (mayUseSockets && !IS_WINDOWS) {
  for (const form of HOME_FORMS) {
    commandTest(`${form} in the path of an SSH agent`, async (desk) => {
      await using home = new Home(desk);
      using _agent = Deno.listen({ transport: "unix", path: `${home.folder}/agent` });
      const told = await home.run([
        "-A",
        ...[
          "--identity-agent",
          `${form}/agent`,
          "myworkspace",
          'test -S "$SSH_AUTH_SOCK" && echo in',
        ],
      ]);
      deepStrictEqual(told, { code: 0, stdout: "in\n", stderr: "" });
    });
  }

  commandTest(
    "$NAME and ${NAME} alone name an agent's socket, as IdentityAgent has it",
    async (desk) => {
      await using home = new Home(desk);
      const path = `${home.folder}/agent`;
      using _agent = Deno.listen({ transport: "unix", path });
      for (const text of ["$SOCK", "${SOCK}", "SSH_AUTH_SOCK"]) {
        const args = ["-A", "--identity-agent", text, "myworkspace", 'test -S "$SSH_AUTH_SOCK"'];
        strictEqual((await home.run(args, { SOCK: path, SSH_AUTH_SOCK: path })).code, 0, text);
      }
    },
  );

  commandTest(
    "An agent that is not there is told, and what to do, before anything runs",
    async (desk) => {
      const long = `/tmp/${"long/".repeat(30)}agent`;
      const limit = Deno.build.os === "darwin" ? 103 : 107;
      const rows = [
        {
          env: {},
          lines: [
            "error: forward agent: no SSH agent found: SSH_AUTH_SOCK is not set",
            "Start one with: eval $(ssh-agent), or name its socket with --identity-agent",
          ],
        },
        {
          env: { SSH_AUTH_SOCK: "/nowhere/agent" },
          lines: [
            "error: forward agent: dial /nowhere/agent: no such file or directory",
            "Is the SSH agent at /nowhere/agent running? Try: ssh-add -l",
          ],
        },
        {
          env: { SSH_AUTH_SOCK: long },
          lines: [
            `error: forward agent: dial ${long}: the path of a socket may have ${limit} bytes at most, ` +
            `this one has ${long.length}`,
            "Give the agent a shorter path, for example: eval $(ssh-agent -a ~/.ssh/agent)",
          ],
        },
      ];
      for (const { env, lines } of rows) {
        const result = await desk.run(["-A", "myworkspace", "echo in"], { env });
        strictEqual(result.code, 1);
        strictEqual(result.stdout, "");
        deepStrictEqual(result.stderr.trimEnd().split("\n").slice(1), lines);
      }
      // Asked for by a variable or a configuration for all: a warning, and the session.
      const { stdout, stderr } = await desk.run(["myworkspace", "echo in"], {
        env: { CODER_SSH_FORWARD_AGENT: "true", SSH_AUTH_SOCK: long },
      });
      strictEqual(stdout, "in\n");
      match(
        stderr,
        /^forward agent: dial .*: the path of a socket may have .*; going on without\n$/,
      );
    },
  );
}

Deno.test({
  name: "the local SSH agent, in a process that may use sockets",
  ignore: IS_WINDOWS || mayUseSockets,
  fn: async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--allow-all", "--no-check", new URL(import.meta.url).pathname],
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    ok(code === 0, decode(stdout) + decode(stderr));
  },
});
