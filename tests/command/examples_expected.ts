/** What the examples of the commands' help must come to: the exit code, and words that somebody at the terminal sees. */
import { match, strictEqual } from "node:assert/strict";
import {
  addContext,
  asksFor,
  CTRL_C,
  CTRL_D,
  type ExampleDesk,
  type Expectation,
  file,
  FOLLOWS,
  IN_SHELL,
  isJson,
  isList,
  opened,
  stopped,
  YES,
} from "./examples_desk.ts";

/** Commands without an example, and why. */
export const WITHOUT: ReadonlyMap<string, string> = new Map([
  [
    "hold-tunnel",
    "ssh --shared-tunnel starts it, and tells it what to do by a pipe: nobody can type it",
  ],
]);

type Rows = readonly (readonly [line: string, expected: Expectation])[];

const SSH: Rows = [
  ["hawser ssh dev", { code: 0, says: /\nin dev\n/, keys: IN_SHELL }],
  ["hawser ssh", { code: 0, says: /\nin dev\n/, keys: [[/dev/, "\r"], ...IN_SHELL] }],
  ["hawser ssh owner/dev.main make test", { code: 0, says: /made test\n$/ }],
  ["hawser ssh dev -- ls -la", { code: 0, says: / file\n/ }],
  ["hawser ssh dev cat file >file", {
    code: 0,
    says: /^$/,
    after: async (desk) => strictEqual(await file(desk, "file"), "from there\n"),
  }],
  ["ssh -o ProxyCommand='hawser ssh --stdio dev' dev", {
    code: 0,
    says: /\nin dev\n/,
    keys: IN_SHELL,
  }],
  ["hawser ssh -N -L 8080:localhost:80 dev", {
    code: 130,
    says: /\^C/,
    hasPorts: true,
    endsOnceItListens: true,
  }],
  ["hawser ssh -R 9000:localhost:9000 dev", {
    code: 0,
    says: /\nin dev\n/,
    hasPorts: true,
    keys: IN_SHELL,
  }],
  ["hawser ssh --persist dev", { code: 0, says: /in dev\n/, keys: IN_SHELL }],
  ["hawser ssh --web-terminal dev", { code: 0, says: /in dev\n/, keys: IN_SHELL }],
  ["hawser ssh -v dev true", { code: 0, says: /session started\n/ }],
  [
    "hawser vscodessh --url-file url --session-token-file token --network-info-dir . coder-vscode--me--dev",
    {
      code: 0,
      says: /SSH-2\.0-/,
      keys: [[/SSH-2.0-.*\n/, CTRL_D]],
      before: async ({ home, sandbox }) => {
        await Deno.writeTextFile(`${home}/url`, sandbox.url.href);
        await Deno.writeTextFile(`${home}/token`, sandbox.token);
      },
    },
  ],
  ["hawser connect exists dev.coder", { code: 1, says: /^$/ }],
];

const ACCOUNT: Rows = [
  ["hawser login coder.example.com", {
    code: 0,
    says: /Welcome to Coder, me! You're authenticated\.\n$/,
    keys: ({ sandbox }) => [[/Paste your token here:/, `${sandbox.token}\r`]],
    before: async ({ home }) => await Deno.remove(`${home}/.config/coderv2/session`),
    after: opened(({ sandbox }) => `${sandbox.url.origin}/cli-auth`),
  }],
  ["hawser login --use-token-as-session coder.example.com", {
    code: 0,
    says: /Welcome to Coder, me! You're authenticated\.\n$/,
    env: ({ sandbox }) => ({ CODER_SESSION_TOKEN: sandbox.token }),
    before: async ({ home }) => await Deno.remove(`${home}/.config/coderv2/session`),
    after: async (desk) =>
      strictEqual(await file(desk, ".config/coderv2/session"), desk.sandbox.token),
  }],
  ["hawser login token", {
    code: 0,
    says: /./,
    after: ({ sandbox }, text) => strictEqual(text, `${sandbox.token}\n`),
  }],
  ["hawser logout", {
    code: 0,
    says: /Successfully logged out|You are no longer logged in/,
    keys: YES,
  }],
  ["hawser logout --yes", { code: 0, says: /You are no longer logged in/ }],
  ["hawser whoami", { code: 0, says: /authenticated as me / }],
  ["hawser whoami --output json", { code: 0, says: /"me"/, after: isList }],
  ["hawser context list", { code: 0, says: /work/, before: addContext }],
  ["hawser context list --output json", {
    code: 0,
    says: /work/,
    before: addContext,
    after: isList,
  }],
  ["hawser context use work", {
    code: 0,
    says: /work/,
    before: addContext,
    after: async (desk) => match(await file(desk, ".config/coderv2/context"), /^work\n?$/),
  }],
  ["hawser context use default", { code: 0, says: /default/, before: addContext }],
  ["hawser context rename work office", {
    code: 0,
    says: /office/,
    before: addContext,
    after: async (desk) => {
      strictEqual(await file(desk, ".config/coderv2/contexts/office/session"), desk.sandbox.token);
    },
  }],
  ["hawser context remove work", { code: 0, says: /work/, keys: YES, before: addContext }],
  ["hawser context remove work --yes", { code: 0, says: /work/, before: addContext }],
];

const WORKSPACES: Rows = [
  ["hawser list", { code: 0, says: /WORKSPACE .*\n +me\/dev / }],
  ["hawser list --all", { code: 0, says: /\n +owner\/dev / }],
  ["hawser list --search status:running", { code: 0, says: /\n +me\/dev / }],
  ["hawser list --column workspace,status", { code: 0, says: /^WORKSPACE +STATUS *\n/ }],
  ["hawser list --output json", { code: 0, says: /"dev"/, after: isList }],
  ["hawser show dev", { code: 0, says: /main/ }],
  ["hawser show dev --output json", { code: 0, says: /"main"/, after: isJson }],
  ["hawser start dev", { code: 0, says: /The dev workspace has been started at/, before: stopped }],
  ["hawser start dev --no-wait", { code: 0, says: /started in no-wait mode/, before: stopped }],
  ["hawser start dev --parameter region=eu", {
    code: 0,
    says: /The dev workspace has been started at/,
    before: async (desk) => {
      await asksFor(desk, { name: "region", defaultValue: "us", options: ["us", "eu"] });
      await stopped(desk);
    },
  }],
  ["hawser stop dev", { code: 0, says: /The dev workspace has been stopped at/, keys: YES }],
  ["hawser stop dev --yes", { code: 0, says: /The dev workspace has been stopped at/ }],
  ["hawser restart dev", { code: 0, says: /The dev workspace has been restarted at/, keys: YES }],
  ["hawser restart dev --yes --ephemeral-parameter clean=true", {
    code: 0,
    says: /The dev workspace has been restarted at/,
    before: (desk) =>
      asksFor(desk, { name: "clean", type: "bool", ephemeral: true, defaultValue: "false" }),
  }],
  ["hawser logs dev", { code: 0, says: /\[provisioner\|Cleaning Up\] \n$/ }],
  ["hawser logs dev --follow", { code: 130, says: FOLLOWS, keys: [[FOLLOWS, CTRL_C]] }],
  ["hawser logs dev --build-number -1", {
    code: 0,
    says: /build #1 [^]*Cleaning Up\] \n$/,
    before: ({ sandbox }) => sandbox.workspace.buildToEnd("start").then(() => {}),
  }],
  ["hawser ports dev", { code: 0, says: /3000/, before: listens }],
  ["hawser ports dev --output json", { code: 0, says: /3000/, before: listens, after: isList }],
  ["hawser cp dev:project/report.pdf .", {
    code: 0,
    says: /Copied 1 file/,
    after: async (desk) => strictEqual(await file(desk, "report.pdf"), "a report\n"),
  }],
  ["hawser cp -r photos dev:", {
    code: 0,
    says: /Copied 1 file/,
    after: async (desk) => strictEqual(await file(desk, "there/photos/summer/beach"), "sand\n"),
  }],
  ["hawser cp a.txt b.txt dev:project/", {
    code: 0,
    says: /Copied 2 files/,
    after: async (desk) => strictEqual(await file(desk, "there/project/b.txt"), "b\n"),
  }],
  ...[
    "hawser port-forward dev --tcp 8080",
    "hawser port-forward dev --tcp 5678:1234",
    "hawser port-forward dev -p 8080,9090-9092,10000-10002:10010-10012",
    "hawser port-forward dev --udp 5353:53",
    "hawser port-forward dev --tcp 0.0.0.0:8080:8080",
  ].map((line) =>
    [line, { code: 0, says: /Ready!\n/, hasPorts: true, keys: [[/Ready!\n/, CTRL_C]] }] as const
  ),
  ["hawser port-forward dev --auto", {
    code: 0,
    says: /\+ http:\/\/localhost:7003 -> 7003 \(echo\)\n/,
    keys: [[/7003/, CTRL_C]],
    before: ({ sandbox }) => {
      sandbox.workspace.agent().listeningPorts = [{ port: 7003, processName: "echo" }];
    },
  }],
];

function listens({ sandbox }: ExampleDesk): void {
  sandbox.workspace.agent().listeningPorts = [{ port: 3000, processName: "node" }];
}

const OPEN: Rows = [
  ["hawser open vscode dev", { code: 0, says: /Opening dev/ }],
  ["hawser open vscode dev project", { code: 0, says: /project/ }],
  ["hawser open vscode dev --generate-token", {
    code: 0,
    says: /token=/,
  }],
  ["hawser open jetbrains dev project", { code: 0, says: /project/ }],
  ["hawser open jetbrains dev --ide GO", {
    code: 0,
    says: /Opening dev/,
    after: async (desk) => match(await file(desk, "opened"), /ide_product_code=GO&/),
  }],
  ["hawser open app dev", {
    code: 0,
    says: /Available apps in "dev": \[code-server\]/,
    before: offers,
  }],
  ["hawser open app dev code-server", {
    code: 0,
    says: /./,
    before: offers,
    after: opened(({ sandbox }) => `${sandbox.url.origin}/@me/dev.main/apps/code-server/`),
  }],
  ["hawser open web dev", {
    code: 0,
    says: /^Opening /,
    after: opened(({ sandbox }) => `${sandbox.url.origin}/@me/dev`),
  }],
];

function offers({ sandbox }: ExampleDesk): void {
  sandbox.workspace.agent().apps = [{ slug: "code-server" }];
}

const NETWORK: Rows = [
  ["hawser ping dev", { code: 0, says: /pong from dev/, keys: [[/pong from dev/, CTRL_C]] }],
  ["hawser ping -n 3 dev", { code: 0, says: /\ndev +3 +3 / }],
  ["hawser ping -n 10 --output json dev", { code: 0, says: /"successful": 10,/ }],
  ["hawser speedtest dev", { code: 0, says: /Mbit/i }],
  ["hawser speedtest --direction up -t 10s dev", { code: 0, says: /Mbit/i }],
  ["hawser speedtest --direct --output json dev", {
    code: 0,
    says: /ms via direct\n[^]*"throughput_mbits": /,
  }],
  ["hawser netcheck", { code: 0, says: /\nCoder Embedded Relay +\d/ }],
  ["hawser netcheck --output json", { code: 0, says: /"PreferredDERP": 999/, after: isJson }],
  ["hawser doctor", { code: 0, says: /✔ account: logged in as me\n/ }],
  ["hawser doctor --output json", { code: 0, says: /"logged in as me"/, after: isList }],
  ["hawser support", { code: 0, says: /^hawser v[^]*✔ account/ }],
  ["hawser support --log-dir logs", {
    code: 0,
    says: /\nLog: the end of logs\/coder-ssh-20260101-000000-abcde\.log, lines: 1\nit failed\n$/,
    before: async ({ home }) => {
      await Deno.mkdir(`${home}/logs`);
      await Deno.writeTextFile(`${home}/logs/coder-ssh-20260101-000000-abcde.log`, "it failed\n");
    },
  }],
  ["hawser support > report.txt", {
    code: 0,
    says: /^/,
    after: async (desk) => match(await file(desk, "report.txt"), /hawser v/),
  }],
];

const MACHINE: Rows = [
  ["hawser config-ssh", {
    code: 0,
    says: /ssh dev/,
    keys: YES,
    after: async (desk) => match(await file(desk, ".ssh/config"), /START-CODER/),
  }],
  ["hawser config-ssh -o ForwardAgent=yes", {
    code: 0,
    says: /ssh dev/,
    keys: YES,
    after: async (desk) => match(await file(desk, ".ssh/config"), /ForwardAgent[= ]yes/),
  }],
  ["hawser config-ssh --dry-run", { code: 0, says: /\+Host / }],
  ["hawser config-ssh --no-wildcard", {
    code: 0,
    says: /./,
    keys: YES,
    after: async (desk) => match(await file(desk, ".ssh/config"), /Host .*dev/),
  }],
  ["hawser completion --shell bash >> ~/.bashrc", {
    code: 0,
    says: /^$/,
    after: async (desk) => match(await file(desk, ".bashrc"), /^# mine\n[^]*complete /),
  }],
  ["hawser completion --shell fish > ~/.config/fish/completions/hawser.fish", {
    code: 0,
    says: /^$/,
    after: async (desk) =>
      match(await file(desk, ".config/fish/completions/hawser.fish"), /complete /),
  }],
  ["hawser demo", { code: 0, says: /in dev\n/, keys: IN_SHELL }],
  ["hawser demo 'echo hi; exit 5'", { code: 5, says: /^hi\n$/ }],
  ["hawser demo --serve", { code: 0, says: /up at http/, keys: [[/up at http/, CTRL_C]] }],
  ["hawser update", { code: 0, says: /hawser v9\.8\.7 is there/ }],
];

export const EXPECTED: ReadonlyMap<string, Expectation> = new Map([
  ...SSH,
  ...ACCOUNT,
  ...WORKSPACES,
  ...OPEN,
  ...NETWORK,
  ...MACHINE,
]);
