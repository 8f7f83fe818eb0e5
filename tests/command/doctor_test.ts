/** `doctor` as a whole: what is well, and every part that can be ill. */
import { deepStrictEqual, doesNotMatch, match, strictEqual } from "node:assert/strict";
import { isEarly } from "../../lib/base/version.ts";
import { failureAnswer, jsonAnswer } from "../../lib/sandbox/mod.ts";
import { type CommandOptions, runToEnd } from "../support/command_host.ts";
import { commandTest, commandTestAtEach, type Desk } from "./support.ts";

function doctor(desk: Desk, options: CommandOptions = {}, args: readonly string[] = []) {
  return runToEnd(["doctor", ...args], { ...options, env: { ...desk.env, ...options.env } });
}

commandTestAtEach("doctor finds nothing wrong where nothing is", async (desk) => {
  const { stdout, stderr, code } = await doctor(desk);
  strictEqual(code, 0, stdout + stderr);
  const url = desk.sandbox.url.href.replaceAll(".", "\\.");
  match(stdout, /^✔ proxy: none for this deployment\n/);
  match(stdout, new RegExp(`^✔ deployment: ${url} is Coder v\\S+ \\(\\d+ ms\\)$`, "m"));
  match(stdout, /^✔ account: logged in as myuser$/m);
  match(stdout, /^✔ relay: Coder Embedded Relay \([\d.]+ ms\)$/m);
  // As the sandbox is set up, if a server of the age can say so.
  const direct = isEarly(desk.sandbox.settings.version)
    ? /^✔ direct connections: are tried/m
    : /^• direct connections: off for everybody/m;
  match(stdout, direct);
  match(stdout, /^[✔•] OpenSSH: /m);
});

commandTestAtEach("doctor for programs says the same", async (desk) => {
  const { stdout, code } = await doctor(desk, {}, ["--output", "json"]);
  const findings: readonly { level: string; about: string }[] = JSON.parse(stdout);
  deepStrictEqual(
    findings.map(({ about }) => about),
    ["proxy", "deployment", "account", "relay", "direct connections", "OpenSSH"],
  );
  strictEqual(code, 0);
});

commandTest(
  "doctor asks a server of v0.24 for its relays with an agent; without one it says that it has not",
  async (desk) => {
    const { stdout, code } = await doctor(desk);
    strictEqual(code, 0, stdout);
    match(stdout, /^• relay: not looked at: .*no workspace of yours has one$/m);
  },
  {
    settings: { version: "v0.24.0" },
    workspaces: [{ name: "stopped", transition: "stop" }],
  },
);

const ILL: readonly (readonly [
  what: string,
  make: (desk: Desk) => CommandOptions,
  said: RegExp,
])[] = [
  [
    "a token that is not accepted",
    () => ({ env: { CODER_SESSION_TOKEN: "not-the-token" } }),
    /^✘ account: the session token is not accepted.*\n {2}→ Log in again with 'hawser login http/m,
  ],
  [
    "no token",
    () => ({ env: { CODER_SESSION_TOKEN: "" } }),
    /^✘ account: not logged in\n {2}→ Log in/m,
  ],
  [
    "a deployment that is not there",
    () => ({ env: { CODER_URL: "http://127.0.0.1:1" } }),
    /^✘ deployment: .*127\.0\.0\.1:1/m,
  ],
  [
    "a server of something else",
    ({ sandbox }) => {
      sandbox.api.override("GET /buildinfo", jsonAnswer({ hello: "world" }));
      return {};
    },
    /^✘ deployment: /m,
  ],
  [
    "a workspace proxy",
    ({ sandbox }) => {
      const info = { version: "v2.36.0", dashboard_url: "https://home", workspace_proxy: true };
      sandbox.api.override("GET /buildinfo", jsonAnswer(info));
      return {};
    },
    /^✘ deployment: this is a workspace proxy.*\n {2}→ Use the deployment's own address: https:\/\/home/m,
  ],
  [
    "a clock that is wrong",
    ({ sandbox }) => {
      const headers = [["Date", "Mon, 01 Jan 2024 00:00:00 GMT"]] as const;
      const info = { version: "v2.36.0", dashboard_url: "", workspace_proxy: false };
      sandbox.api.override("GET /buildinfo", jsonAnswer(info, { headers }));
      return {};
    },
    /^✘ clock: this machine is \d+ minutes ahead of the deployment\n {2}→ Set it right/m,
  ],
  [
    "no relay",
    ({ sandbox }) => {
      const map = { Regions: {} };
      sandbox.api.override("GET /workspaceagents/connection", jsonAnswer({ derp_map: map }));
      return {};
    },
    /^✘ relay: the deployment has none[^]*^• web terminal: 'hawser ssh <workspace>' at a terminal has a shell through it/m,
  ],
  [
    "a relay that nothing gets through to",
    ({ sandbox }) => {
      sandbox.faults.relay = { kind: "refuse", status: 403 };
      return {};
    },
    /^✘ relay: Coder Embedded Relay answers \([\d.]+ ms\), but takes neither its own upgrade nor websockets\n {2}→ Check that a proxy.*\n• web terminal: 'hawser ssh <workspace>' at a terminal has a shell through it all the same, where websockets pass; commands, files, forwards and editors need a relay$/m,
  ],
  [
    "a relay that does not answer",
    ({ sandbox }) => {
      sandbox.faults.relay = { kind: "hangUp" };
      sandbox.api.override("GET /derp/latency-check", failureAnswer(502, "nobody there"));
      return {};
    },
    /^✘ relay: Coder Embedded Relay does not answer\n {2}→ A proxy or firewall may hold it back.*\n• web/m,
  ],
  [
    "a proxy that cannot be used",
    () => ({ env: { HTTP_PROXY: "gopher://127.0.0.1:1", CODER_URL: "http://coder.test" } }),
    /^✘ proxy: .*HTTP_PROXY/m,
  ],
];

commandTest("doctor says of a relay that takes websockets alone that it does", async (desk) => {
  desk.sandbox.faults.relay = { kind: "refuse", status: 400, onlyDerpUpgrade: true };
  const { stdout, code } = await doctor(desk);
  strictEqual(code, 0, stdout);
  match(stdout, /^✔ relay: Coder Embedded Relay \([\d.]+ ms\), by websocket alone$/m);
});

for (const [what, make, said] of ILL) {
  commandTest(`doctor says what is wrong: ${what}`, async (desk) => {
    const { stdout, stderr, code } = await doctor(desk, make(desk));
    match(stdout, said, stderr);
    strictEqual(code, 1);
  });
}

commandTest(
  "doctor goes on behind a part that fails, and obeys no word of a server",
  async (desk) => {
    const words = "\x1b]52;c;eA==\x07nope\n✔ account: logged in as root";
    desk.sandbox.api.override("GET /buildinfo", failureAnswer(500, words));
    const { stdout, code } = await doctor(desk);
    strictEqual(code, 1);
    match(stdout, /^✘ deployment: /m);
    match(stdout, /^✔ account: logged in as myuser$/m);
    // deno-lint-ignore no-control-regex
    doesNotMatch(stdout, /\x1b|^✔ account: logged in as root/m);
  },
);

commandTest("support gathers what a report of a fault needs, and no secret", async (desk) => {
  const env = {
    ...desk.env,
    HTTPS_PROXY: "http://me:hunter2@127.0.0.1:1",
    CODER_HEADER: "X-Secret=hunter3",
  };
  const { stdout, code } = await runToEnd(["support"], { env });
  strictEqual(code, 0);
  match(stdout, /^hawser v\d+\.\d+\.\d+ \(\w+\/\w+\), Deno \d+\.\d+\.\d+\n/);
  match(stdout, /^Variables that are set: .*CODER_HEADER, .*HTTPS_PROXY/m);
  match(stdout, /^✔ account: logged in as myuser$/m);
  match(stdout, /^Authorities: the system's$/m);
  match(stdout, /^Client certificate: none$/m);
  match(stdout, /^UDP: /m);
  match(stdout, /^Relay Coder Embedded Relay: [\d.]+ ms, upgrade passes, websocket passes$/m);
  doesNotMatch(stdout, /hunter/);
  doesNotMatch(stdout, new RegExp(desk.sandbox.token));
  // A report is wanted most when nothing works.
  const lost = await runToEnd(["support"], { env: { CODER_URL: "http://127.0.0.1:1" } });
  match(lost.stdout, /^✘ deployment: /m);
  match(lost.stdout, /^Network: not looked at: /m);
  strictEqual(lost.code, 0);
  const none = await runToEnd(["support"], { env: {} });
  match(none.stdout, /^✘ configuration: You are not logged in/m);
  strictEqual(none.code, 0);
});
