import assert from "node:assert/strict";
import { parseArgs } from "../../lib/cli/args.ts";
import { readSshOptions, SSH_FLAGS } from "../../lib/cli/flags_ssh.ts";
import { checkSshOptions, parseEnvSettings, parseRemoteForward } from "../../lib/cli/ssh_checks.ts";

Deno.test("parseRemoteForward() takes both forms and refuses in upstream's words (behaviour §2.2)", () => {
  assert.deepEqual(parseRemoteForward("8222:localhost:80"), {
    kind: "port",
    remotePort: 8222,
    localHost: "localhost",
    localPort: 80,
  });
  assert.deepEqual(parseRemoteForward("1:[::1]:2"), {
    kind: "port",
    remotePort: 1,
    localHost: "::1",
    localPort: 2,
  });
  assert.deepEqual(parseRemoteForward("/run/r.sock:/tmp/l.sock"), {
    kind: "socket",
    remotePath: "/run/r.sock",
    localPath: "/tmp/l.sock",
  });
  for (const bad of ["", "80", "a:b:c", "relative:/tmp/x", "80:host"]) {
    assert.throws(() => parseRemoteForward(bad), {
      message: "invalid format of remote-forward, expected: remote_port:local_address:local_port",
    });
  }
  assert.throws(() => parseRemoteForward("70000:h:1"), /^UserError: remote port is invalid: /);
  assert.throws(() => parseRemoteForward("1:h:70000"), /^UserError: local port is invalid: /);
});

Deno.test("parseEnvSettings() wants a = (behaviour §2.3)", () => {
  assert.deepEqual(parseEnvSettings(["a=b=c", "d="]), [{ name: "a", value: "b=c" }, {
    name: "d",
    value: "",
  }]);
  assert.throws(() => parseEnvSettings(["oops"]), {
    message: 'invalid environment variable setting "oops"',
  });
});

Deno.test("checkSshOptions() refuses -R in stdio mode before any request (behaviour §2.2)", () => {
  const options = (...args: string[]) =>
    readSshOptions(
      parseArgs(args, { flags: SSH_FLAGS, env: () => undefined, command: "hawser ssh" }),
    );
  checkSshOptions(options("-R", "1:h:2", "-e", "a=1"));
  assert.throws(() => checkSshOptions(options("--stdio", "-R", "1:h:2")), {
    message: "remote-forward can't be enabled in the stdio mode",
  });
});
