/** Texts from a deployment, the environment, files and the command line. What cannot be used is a declared error. */
import * as v from "valibot";
import { parseDuration } from "../../../lib/base/duration.ts";
import { ProtocolError, UserError } from "../../../lib/base/errors.ts";
import { GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
import { parseArgs, splitCommand } from "../../../lib/cli/grammar/args.ts";
import { parseCsvRecord } from "../../../lib/cli/grammar/csv.ts";
import { FlagValueError } from "../../../lib/cli/grammar/flag_error.ts";
import { SSH_FLAGS } from "../../../lib/cli/grammar/flags_ssh.ts";
import { expandPath } from "../../../lib/cli/grammar/path.ts";
import { parseEditorHost } from "../../../lib/cli/ready/editor_host.ts";
import { parseWorkspaceName } from "../../../lib/cli/ready/workspace_name.ts";
import { KeyDecoder } from "../../../lib/cli/terminal/keys.ts";
import { AGENT } from "../../../lib/coder/agent_model.ts";
import { parseAgentLogs, parseBuildLog } from "../../../lib/coder/log_stream.ts";
import { redrawn } from "../../../lib/coder/redrawn.ts";
import { goQuote, stripControls, stripToLine } from "../../../lib/coder/text.ts";
import { parseDeploymentUrl } from "../../../lib/coder/url.ts";
import { parseVersion } from "../../../lib/base/version.ts";
import { WORKSPACE_LIST } from "../../../lib/coder/workspace_model.ts";
import { proxyFor } from "../../../lib/io/proxy.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
  parseStdioForward,
} from "../../../lib/ssh/forward_spec.ts";
import { parseRedirect, parseSocketFile } from "../../../lib/ssh/gpg_socket_file.ts";
import { findKnownKeys } from "../../../lib/ssh/known_hosts.ts";
import { parseEndpoint } from "../../../lib/tailnet/endpoint_text.ts";
import { type FuzzTarget, textTarget } from "../target.ts";

const isForUser = (error: unknown): boolean =>
  error instanceof UserError || error instanceof FlagValueError;
const isProtocolError = (error: unknown): boolean => error instanceof ProtocolError;

const AGENT_LOGS =
  '[{"id":1,"created_at":"2026-01-01T00:00:00Z","output":"hello\\n","level":"info","source_id":"x"}]';
const BUILD_LOG =
  '{"id":1,"created_at":"2026-01-01T00:00:00Z","log_source":"provisioner","log_level":"info","stage":"Starting workspace","output":"x"}';
const WORKSPACES =
  '{"workspaces":[{"id":"3ef5e2d4-1c1c-4d4c-8f3c-6b1f1f9b0f10","name":"dev","owner_name":"me","latest_build":{"id":"x","status":"running","transition":"start","resources":[{"agents":[{"id":"y","name":"main","status":"connected"}]}]}}],"count":1}';

/** A text of JSON, if it is one; answers that are none are refused before any model sees them. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Controls, and what cannot be seen. */
const LEFTOVER =
  // deno-lint-ignore no-control-regex -- it is what must not be left
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

export const TEXT_TARGETS: readonly FuzzTarget[] = [
  textTarget({
    room: "coder",
    name: "agent logs",
    corpus: [AGENT_LOGS, "[]", `[{"output":"${"\\n".repeat(50)}x"}]`],
    isDeclared: isProtocolError,
    run: (text) => void parseAgentLogs(text),
  }),
  textTarget({
    room: "coder",
    name: "build log",
    corpus: [BUILD_LOG],
    isDeclared: isProtocolError,
    run: (text) => void parseBuildLog(text),
  }),
  textTarget({
    room: "coder",
    name: "workspaces and agents",
    corpus: [WORKSPACES],
    run(text) {
      const json = jsonOf(text);
      v.safeParse(WORKSPACE_LIST, json);
      v.safeParse(AGENT, json);
    },
  }),
  textTarget({
    room: "tailnet",
    name: "endpoints",
    corpus: ["1.2.3.4:5", "[2001:db8::1]:41641", "[fe80::1%eth0]:1"],
    run: (text) => void parseEndpoint(text),
  }),
  textTarget({
    room: "coder",
    name: "deployment URLs and versions",
    corpus: ["https://coder.example.com/", "host:8080", "v2.36.0-devel+abc", "http://u:p@h/x?y#z"],
    isDeclared: isForUser,
    run(text) {
      parseVersion(text);
      parseDeploymentUrl(text);
    },
  }),
  textTarget({
    room: "coder",
    name: "texts for terminals",
    corpus: [
      "plain",
      "\u001b]0;title\u0007\u001b[31mred\u001b[0m",
      "a\u202eb\u009b2J\r\n",
      "10%\r\u001b[K20%\b\u001b[9C",
    ],
    run(text) {
      for (const shown of [stripControls(text), stripToLine(text), redrawn(text), goQuote(text)]) {
        const leftover = LEFTOVER.exec(shown);
        if (leftover !== null) throw new Error(`left ${goQuote(leftover[0])}`);
      }
    },
  }),
  textTarget({
    room: "io",
    name: "proxy variables",
    corpus: [
      "http://user:pa%40ss@proxy.corp:8080",
      "socks5h://[::1]:1080",
      "CORP\\user:pw@proxy:3128",
      "DIRECT",
      "10.0.0.0/8,.corp,*,[::1]:80,host:443",
    ],
    isDeclared: isForUser,
    run(text, random) {
      const destination = { host: "coder.example.com", port: 443, isTls: random.chance(0.5) };
      proxyFor(destination, (name) => name === "NO_PROXY" ? text : "http://p:1");
      proxyFor(destination, (name) => name.endsWith("_PROXY") && name !== "NO_PROXY" ? text : "");
    },
  }),
  textTarget({
    room: "cli",
    name: "command lines",
    corpus: [
      "ssh\u0000-eA=1\u0000--wait=yes\u0000dev\u0000--\u0000ls",
      "--url\u0000x\u0000ssh\u0000-tA\u0000-L\u00008080:h:80",
      "ssh\u0000--known-hosts\u0000${HOME}/x\u0000--log-dir=~/l",
    ],
    isDeclared: isForUser,
    run(text) {
      // As many words as a system lets a program have take longer to look at, each once.
      const args = text.split("\u0000").slice(0, 10_000);
      splitCommand(args, GLOBAL_FLAGS);
      const flags = [...SSH_FLAGS, ...GLOBAL_FLAGS];
      const env = (name: string) => name === "HOME" ? "/home/me" : undefined;
      const parsed = parseArgs(args, { flags, env, command: "hawser ssh" });
      for (const flag of flags) parsed.value(flag);
    },
  }),
  textTarget({
    room: "cli",
    name: "flag values",
    corpus: ["1h30m", "-1.5s", "a,b", 'a,"b ""c"""', "~/x", "${HOME}/y", "$A$B"],
    isDeclared: isForUser,
    run(text) {
      parseDuration(text);
      expandPath(text, { env: (name) => name.length > 3 ? "v" : undefined });
      parseCsvRecord(text);
    },
  }),
  textTarget({
    room: "cli",
    name: "workspace names",
    corpus: ["dev", "owner/dev.main", "main.dev.owner", "owner--dev--main", "dev.coder."],
    isDeclared: isForUser,
    run(text, random) {
      const isBare = random.chance(0.5);
      parseWorkspaceName(text, isBare ? {} : { hostPrefix: "coder.", hostnameSuffix: "coder" });
    },
  }),
  textTarget({
    room: "cli",
    name: "editor hosts",
    corpus: ["coder-vscode.xn--a.example--me--dev--main", "coder-vscode--me--dev"],
    isDeclared: isForUser,
    run: (text) => void parseEditorHost(text, "xn--a.example"),
  }),
  textTarget({
    room: "cli",
    name: "keys",
    corpus: ["abc\u001b[A\u001b[1~\u001bOH\r\u007f", "\u001b[200~paste\u001b[201~", "é漢🧙"],
    run(text) {
      const keys = new KeyDecoder();
      keys.decode(text);
      keys.settle();
    },
  }),
  textTarget({
    room: "ssh",
    name: "forwards",
    corpus: ["8080:localhost:80", "[::1]:8080:[::1]:80", "/a.sock:/b.sock", "*:0:h:1", "1080"],
    isDeclared: isForUser,
    run(text, random) {
      const parsers = [
        parseLocalForward,
        parseDynamicForward,
        parseStdioForward,
        parseRemoteForward,
      ];
      parsers[random.below(parsers.length)]?.(text);
    },
  }),
  textTarget({
    room: "ssh",
    name: "known_hosts",
    corpus: [
      "host,10.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPJc0tNm0w7C3b9bYwYyZ0oJmJm0mJm0mJm0mJm0mJm0\n",
      "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-rsa AAAA\n",
      "@revoked *.x,!y.x ssh-rsa AAAA comment\r\n# c\n",
    ],
    run: (text) => void findKnownKeys(text, "host"),
  }),
  textTarget({
    room: "ssh",
    name: "GnuPG socket files",
    corpus: ["%Assuan%\nsocket=${HOME}/S.gpg-agent\n", "!<socket >4321 s 01234567-89ab\n"],
    // A file that cannot be used is a caller's mistake there, told by whoever read it.
    isDeclared: (error) => error instanceof TypeError,
    run(text, random) {
      const bytes = new TextEncoder().encode(text);
      if (random.chance(0.5)) parseSocketFile(bytes);
      else parseRedirect(bytes, () => "/home/me");
    },
  }),
];
