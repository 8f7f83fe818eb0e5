import { doesNotThrow, throws } from "node:assert/strict";
import { checkSshSettings } from "../../../lib/cli/ssh_config/settings.ts";
import type { SshSettings } from "../../../lib/coder/deployment.ts";

function settings(
  { prefix = "coder.", suffix = "coder", options = {} }: {
    readonly prefix?: string;
    readonly suffix?: string;
    readonly options?: Readonly<Record<string, string>>;
  },
): SshSettings {
  return {
    hostnamePrefix: prefix,
    hostnameSuffix: suffix,
    options: new Map(Object.entries(options)),
  };
}

const CODE = "it can execute code";
const LINES = "must not contain carriage return, newline, or NUL characters";

const REFUSED: readonly (readonly [name: string, of: SshSettings, says: string])[] = [
  ["a suffix of two lines", settings({ suffix: "coder\nHost *" }), "workspace hostname suffix"],
  ["a prefix of two lines", settings({ prefix: "coder.\nHost *" }), "workspace hostname prefix"],
  ["a suffix with a pattern", settings({ suffix: "*" }), "glob"],
  ["a suffix that begins with a dot", settings({ suffix: ".coder" }), "leading dot"],
  ["a prefix with a pattern", settings({ prefix: "*" }), "glob"],
  ["a prefix for any one letter", settings({ prefix: "?" }), "glob"],
  ["a prefix that denies", settings({ prefix: "!coder." }), "no host name has"],
  ["two prefixes", settings({ prefix: "a,b" }), "no host name has"],
  ["a prefix in quotes", settings({ prefix: '"coder.' }), "no host name has"],
  ["a prefix with a command", settings({ prefix: "$(id)" }), "no host name has"],
  ["a suffix with a command", settings({ suffix: "a;id" }), "no host name has"],
  ["a suffix with a token of OpenSSH", settings({ suffix: "%h" }), "no host name has"],
  ["a suffix with a blank", settings({ suffix: "a b" }), "whitespace"],
  ["a suffix with a blank of Unicode", settings({ suffix: "a\u2028b" }), "whitespace"],
  ...[
    "ProxyCommand",
    "proxycommand",
    "LocalCommand",
    "PermitLocalCommand",
    "RemoteCommand",
    "KnownHostsCommand",
    "PKCS11Provider",
    "SecurityKeyProvider",
    "SmartcardDevice",
    "XAuthLocation",
    "Host",
    "MATCH",
    "Include",
  ].map((key): [string, SshSettings, string] => [
    key,
    settings({ options: { [key]: "x" } }),
    `ssh config option "${key}" is not allowed: ${CODE}`,
  ]),
  ["ProxyJump", settings({ options: { ProxyJump: "bastion.example.com" } }), "conflicts with"],
  ["a value of two lines", settings({ options: { User: "a\nHost *" } }), LINES],
  ["a value with a carriage return", settings({ options: { User: "a\rHost *" } }), LINES],
  ["a value with NUL", settings({ options: { User: "a\0" } }), LINES],
  ["a value with an escape", settings({ options: { User: "a\x1b[2J" } }), "control characters"],
  ["a key in quotes", settings({ options: { '"ProxyCommand"': "x" } }), "is invalid"],
  ["a key with its value", settings({ options: { "ProxyCommand=x": "y" } }), "is invalid"],
  ["a key of two words", settings({ options: { "ProxyCommand x": "y" } }), "is invalid"],
  ["a key of two lines", settings({ options: { "User a\nProxyCommand": "y" } }), "is invalid"],
  ["a key behind a blank", settings({ options: { " ProxyCommand": "y" } }), "is invalid"],
  ["a key behind a tab", settings({ options: { "\tProxyCommand": "y" } }), "is invalid"],
  ["a key behind a byte order mark", settings({ options: { "\ufeffUser": "y" } }), "is invalid"],
  ["an empty key", settings({ options: { "": "y" } }), "must not be empty"],
  ["a comment for a key", settings({ options: { "#": "y" } }), "is invalid"],
  ["a quote without its pair", settings({ options: { User: '"a' } }), "quote without its pair"],
  ["the other quote", settings({ options: { User: "it's" } }), "quote without its pair"],
];

for (const [name, of, says] of REFUSED) {
  Deno.test(`checkSshSettings() refuses ${name}`, () => {
    throws(
      () => checkSshSettings(of),
      (error: Error) =>
        error.name === "UserError" &&
        error.message.startsWith("invalid ssh config from coderd: ") &&
        error.message.includes(says),
    );
  });
}

const TAKEN: readonly SshSettings[] = [
  settings({}),
  settings({ prefix: "", suffix: "" }),
  settings({ prefix: "my_team-coder.", suffix: "dev.coder.example" }),
  settings({ prefix: "größe." }),
  settings({
    options: {
      HostName: "example.com",
      User: "coder",
      Port: "22",
      SetEnv: "FOO=bar BAZ=qux",
      UserKnownHostsFile: "/tmp/coder_known_hosts",
      ConnectTimeout: "",
      IdentityFile: '"/tmp/a b/key" \'c d\' "e\\"f"',
    },
  }),
];

Deno.test("checkSshSettings() takes what deployments say", () => {
  for (const of of TAKEN) doesNotThrow(() => checkSshSettings(of));
});
