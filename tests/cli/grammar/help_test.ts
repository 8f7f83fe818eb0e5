import assert from "node:assert/strict";
import { GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
import { SSH_FLAGS } from "../../../lib/cli/grammar/flags_ssh.ts";
import { renderHelp } from "../../../lib/cli/grammar/help.ts";

const PAGE = {
  usage: "hawser ssh [flags] <workspace> [command]",
  summary: "Start a shell in a workspace, or run a command there",
  examples: [{ line: "hawser ssh dev", does: "a shell" }],
  flags: SSH_FLAGS,
  globalFlags: GLOBAL_FLAGS,
};

Deno.test("renderHelp() shows every flag but the hidden, with variable and default", () => {
  const text = renderHelp(PAGE, 80);
  for (const flag of [...SSH_FLAGS, ...GLOBAL_FLAGS]) {
    assert.equal(text.includes(`--${flag.name}`), !flag.isHidden, flag.name);
  }
  assert.ok(text.includes("  -A, --forward-agent, $CODER_SSH_FORWARD_AGENT\n"));
  assert.ok(text.includes("      --wait yes|no|auto, $CODER_SSH_WAIT (default: auto)\n"));
  assert.ok(text.includes("DEPRECATED: Use --wait instead."));
  assert.ok(text.includes("     $ hawser ssh dev\n"));
  assert.ok(text.endsWith("\n") && !text.endsWith("\n\n"));
});

Deno.test("Flags have one name, one letter, one variable, and a sentence each", () => {
  const all = [...SSH_FLAGS, ...GLOBAL_FLAGS];
  for (const key of ["name", "shorthand", "env"] as const) {
    const values = all.map((flag) => flag[key]).filter((value) => value !== undefined);
    assert.equal(new Set(values).size, values.length, key);
  }
  for (const flag of all) assert.match(flag.help, /^[A-Z].*\.$/s, flag.name);
});

Deno.test("Every flag of docs/protocol/ssh.md#flags and #global-flags is there, with its letter and variable", () => {
  const expected = [
    ["stdio", undefined, "CODER_SSH_STDIO"],
    ["forward-agent", "A", "CODER_SSH_FORWARD_AGENT"],
    ["forward-gpg", "G", "CODER_SSH_FORWARD_GPG"],
    ["identity-agent", undefined, "CODER_SSH_IDENTITY_AGENT"],
    ["workspace-poll-interval", undefined, "CODER_WORKSPACE_POLL_INTERVAL"],
    ["no-wait", undefined, "CODER_SSH_NO_WAIT"],
    ["log-dir", "l", "CODER_SSH_LOG_DIR"],
    ["log-to-file", undefined, "CODER_SSH_LOG_TO_FILE"],
    ["wait", undefined, "CODER_SSH_WAIT"],
    ["tty", "t", "CODER_SSH_TTY"],
    ["remote-forward", "R", "CODER_SSH_REMOTE_FORWARD"],
    ["env", "e", "CODER_SSH_ENV"],
    ["ssh-host-prefix", undefined, "CODER_SSH_SSH_HOST_PREFIX"],
    ["hostname-suffix", undefined, "CODER_SSH_HOSTNAME_SUFFIX"],
    ["disable-autostart", undefined, "CODER_SSH_DISABLE_AUTOSTART"],
    ["network-info-dir", undefined, undefined],
    ["network-info-interval", undefined, undefined],
    ["usage-app", undefined, "CODER_SSH_USAGE_APP"],
    ["container", "c", undefined],
    ["container-user", undefined, undefined],
    ["force-new-tunnel", undefined, undefined],
    ["url", undefined, "CODER_URL"],
    ["token", undefined, "CODER_SESSION_TOKEN"],
    ["global-config", undefined, "CODER_CONFIG_DIR"],
    ["verbose", "v", "CODER_VERBOSE"],
    ["force-tty", undefined, "CODER_FORCE_TTY"],
    ["header", undefined, "CODER_HEADER"],
    ["header-command", undefined, "CODER_HEADER_COMMAND"],
    ["no-version-warning", undefined, "CODER_NO_VERSION_WARNING"],
    ["no-feature-warning", undefined, "CODER_NO_FEATURE_WARNING"],
    ["no-open", undefined, "CODER_NO_OPEN"],
    ["debug-http", undefined, undefined],
    ["debug-options", undefined, undefined],
    ["disable-direct-connections", undefined, "CODER_DISABLE_DIRECT_CONNECTIONS"],
    ["disable-network-telemetry", undefined, "CODER_DISABLE_NETWORK_TELEMETRY"],
    ["use-keyring", undefined, "CODER_USE_KEYRING"],
    ["client-tls-ca-file", undefined, "CODER_CLIENT_TLS_CA_FILE"],
    ["client-tls-cert-file", undefined, "CODER_CLIENT_TLS_CERT_FILE"],
    ["client-tls-key-file", undefined, "CODER_CLIENT_TLS_KEY_FILE"],
  ];
  const all = [...SSH_FLAGS, ...GLOBAL_FLAGS];
  for (const row of expected) {
    const flag = all.find(({ name }) => name === row[0]);
    assert.deepEqual([flag?.name, flag?.shorthand, flag?.env], row);
  }
});

Deno.test("renderHelp() groups flags under their titles, and keeps to the width of the page", () => {
  const text = renderHelp(PAGE, 80);
  const titles = text.split("\n").filter((line) => /^[A-Z].*:$/.test(line));
  assert.deepEqual(titles, [
    "USAGE:",
    "EXAMPLES:",
    "OPTIONS:",
    "UNDER OPENSSH AND EDITORS:",
    "FORWARDS AND AGENTS:",
    "SHELLS THAT OUTLIVE THE CONNECTION:",
    "HOST KEYS, KEEPALIVE AND ESCAPES:",
    "GLOBAL OPTIONS:",
  ]);
  for (const columns of [20, 30, 40, 60, 80, 200]) {
    for (const line of renderHelp({ ...PAGE, usage: "hawser ssh" }, columns).split("\n")) {
      const isOneWord = !/\S\s+\S/.test(line);
      assert.ok(
        isOneWord || line.length <= columns || line.includes("$ hawser") || titles.includes(line),
        line,
      );
    }
  }
});
