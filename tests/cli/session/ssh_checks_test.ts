import assert from "node:assert/strict";
import { parseArgs } from "../../../lib/cli/grammar/args.ts";
import { readSshOptions, SSH_FLAGS } from "../../../lib/cli/grammar/flags_ssh.ts";
import { checkSshOptions, parseEnvSettings } from "../../../lib/cli/session/ssh_checks.ts";

Deno.test("parseEnvSettings() wants a = (docs/protocol/ssh.md#environment)", () => {
  assert.deepEqual(parseEnvSettings(["a=b=c", "d="]), [{ name: "a", value: "b=c" }, {
    name: "d",
    value: "",
  }]);
  assert.throws(() => parseEnvSettings(["oops"]), {
    message: 'invalid environment variable setting "oops"',
  });
});

Deno.test("checkSshOptions() refuses -R in stdio mode before any request (docs/protocol/ssh.md#remote-forwards)", () => {
  const options = (...args: string[]) =>
    readSshOptions(
      parseArgs(args, { flags: SSH_FLAGS, env: () => undefined, command: "hawser ssh" }),
    );
  checkSshOptions(options("-R", "1:h:2", "-e", "a=1"));
  for (const bad of ["80", "a:b:c", "relative:/tmp/x", "80:host"]) {
    assert.throws(() => checkSshOptions(options("-R", bad)), {
      message: "invalid format of remote-forward, expected: remote_port:local_address:local_port",
    });
  }
  assert.throws(() => checkSshOptions(options("-L", "nonsense")), /Bad local forwarding/);
  assert.throws(() => checkSshOptions(options("-D", "nonsense")), /Bad dynamic forwarding/);
  assert.throws(() => checkSshOptions(options("-W", "nonsense")), /Bad stdio forwarding/);
  assert.throws(() => checkSshOptions(options("--escape-char", "ab")), /Bad escape character/);
  assert.throws(() => checkSshOptions(options("--stdio", "-R", "1:h:2")), {
    message: "remote-forward can't be enabled in the stdio mode",
  });
});
