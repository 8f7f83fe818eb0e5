/**
 * Secrets stay where they belong: every command in every verbosity, well and badly ended, with all kinds of secrets planted,
 * and then whatever it left behind is searched for them.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { loadCommands } from "../../lib/cli/commands.ts";
import { generatePrivateKey } from "../../lib/crypto/x25519.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import { startHttpProxy, startTlsFront } from "../io/proxies.ts";
import { LOOPBACK, LoopbackServer, readHead, tlsFixture } from "../io/support.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import {
  type ChildCall,
  type CommandOptions,
  type CommandRun,
  startCommand,
} from "../support/command_host.ts";
import { DrawnKeys, filesIn, type Leak, Planted } from "./planted.ts";
import { commandTest, type Desk } from "./support.ts";

/** A name that only the test's proxy knows. */
const FAR = "coder.test";
const URL_PASSWORD = "urlPass:w/rd+4711";
const PROXY_PASSWORD = "proxyPass%w+rd0815";
const OWN_HEADER = "own header's value 31337";
const COMMAND_HEADER = "value-of-the-command-2718";
const STRANGER = "strangerid-0123456789abcdefghijkl";
/** Headers that carry secrets to the deployment. */
const CARRIERS = new Set(["authorization", "coder-session-token", "x-own", "x-from-command"]);

/** A deployment behind TLS and a proxy, and all that one needs to be let in. */
class World implements AsyncDisposable {
  readonly planted = new Planted();
  readonly folder = Deno.makeTempDirSync({ prefix: "hawser-secrets-" });
  readonly url = `https://user:${encodeURIComponent(URL_PASSWORD)}@${FAR}`;
  /** Files that commands wrote where they were told to. */
  readonly written: string[] = [];
  readonly #desk: Desk;
  readonly #front: LoopbackServer;
  readonly #proxy: ReturnType<typeof startHttpProxy>;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#front = startTlsFront(Number(desk.sandbox.url.port));
    this.#proxy = startHttpProxy(this.#front.port, { password: PROXY_PASSWORD });
    const { planted } = this;
    planted.add("session token", desk.sandbox.token);
    planted.add("another token", STRANGER);
    planted.add("password of the URL", URL_PASSWORD);
    planted.add("credentials of the URL", `user:${URL_PASSWORD}`);
    planted.add("password of the proxy", PROXY_PASSWORD);
    planted.add("credentials of the proxy", `corp:${PROXY_PASSWORD}`);
    planted.add("--header", OWN_HEADER);
    planted.add("--header-command", COMMAND_HEADER);
    const [, , line = ""] = tlsFixture("client.key").split("\n");
    planted.add("client's key", line);
    for (const name of ["ca.crt", "client.crt", "client.key"]) {
      this.write(name, tlsFixture(name));
    }
    this.write("headers", `X-From-Command=${COMMAND_HEADER}\n`);
    this.write("bad-headers", `Authorization: Bearer ${COMMAND_HEADER}\n`);
    this.write("token", `${desk.sandbox.token}\n`);
    this.write("url", this.url);
    Deno.mkdirSync(`${this.folder}/config`);
    this.write("config/url", this.url);
    this.write("config/session", desk.sandbox.token);
    Deno.mkdirSync(`${this.folder}/config/contexts/work`, { recursive: true });
    this.write("config/contexts/work/url", this.url);
    this.write("config/contexts/work/session", desk.sandbox.token);
  }

  /** All but the token. */
  get env(): Record<string, string> {
    const password = encodeURIComponent(PROXY_PASSWORD);
    return {
      CODER_URL: this.url,
      HTTPS_PROXY: `http://corp:${password}@${LOOPBACK}:${this.#proxy.port}`,
      CODER_HEADER: `X-Own=${OWN_HEADER}`,
      CODER_HEADER_COMMAND: `cat ${this.folder}/headers`,
      CODER_CLIENT_TLS_CA_FILE: `${this.folder}/ca.crt`,
      CODER_CLIENT_TLS_CERT_FILE: `${this.folder}/client.crt`,
      CODER_CLIENT_TLS_KEY_FILE: `${this.folder}/client.key`,
    };
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.folder}/${name}`, text, { mode: 0o600 });
  }

  /** Runs a command to its end; what leaked, and what it wrote. */
  async search(args: readonly string[], options: CommandOptions = {}): Promise<Found> {
    const { api } = this.#desk.sandbox;
    api.clear();
    const { env = {}, ...rest } = options;
    const folder = `${Deno.makeTempDirSync({ dir: this.folder })}/`;
    const place = (text: string) => text.replace("{out}", folder).replace("{in}", this.folder);
    const ownEnv = Object.entries(env).map(([name, value]) => [name, place(value)]);
    await using run = startCommand(args.map(place), {
      stdin: "",
      ...rest,
      env: {
        ...this.env,
        CODER_SESSION_TOKEN: this.#desk.sandbox.token,
        ...Object.fromEntries(ownEnv),
      },
    });
    const { code } = await run.result();
    // What was to be written elsewhere is searched with what lies in the run's own folder.
    await Deno.rename(folder, `${run.folder}/out`);
    for await (const path of filesIn(`${run.folder}/out`)) this.written.push(path);
    const leaks = await this.planted.leaksOf(run, isMeantForHeaderCommand);
    return { run, code, leaks: [...leaks, ...this.#leaksOfRequests()] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
    await this.#front[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }

  /** Lines of requests end up in the logs of servers and proxies. */
  #leaksOfRequests(): Leak[] {
    return this.#desk.sandbox.api.requests.flatMap(({ target, route, headers, body }) => [
      ...this.planted.at(`line of ${route}`, target),
      ...this.planted.at(`body of ${route}`, new TextDecoder().decode(body)),
      ...headers.entries.filter(([name]) => !CARRIERS.has(name.toLowerCase()))
        .flatMap(([name, value]) => this.planted.at(`${name} of ${route}`, value)),
    ]);
  }
}

interface Found {
  readonly run: CommandRun;
  readonly code: number;
  readonly leaks: readonly Leak[];
}

/** Whoever wrote the command of `--header-command` is given the URL as it was configured (as the official command does). */
function isMeantForHeaderCommand({ program }: ChildCall, variable: string): boolean {
  return program === "sh" && variable === "CODER_URL";
}

interface Row {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** @default "" */
  readonly stdin?: string;
  /** What the command must end with, for it to be the row that is meant. */
  readonly code: number;
  /** It tries again and again before it gives up. */
  readonly retries?: boolean;
}

const FASTER = 20;
const LOUDEST = ["-v", "--debug-http", "--log-dir", "{out}"];
const VERBOSITIES: readonly (readonly string[])[] = [
  [],
  ["-v"],
  ["--debug-http"],
  LOUDEST,
];
const NET = ["--network-info-dir", "{out}net"];
const FROM_FILES = { CODER_SESSION_TOKEN: "", CODER_URL: "", CODER_CONFIG_DIR: "{in}/config" };

/** Those of the user's own that go into the file that is asked for, as the official command writes them. */
const NO_HEADERS = { CODER_HEADER: "", CODER_HEADER_COMMAND: "" };
const SSH_CONFIG = ["--ssh-config-file", "{out}config"];

const EXTENSION = ["--session-token-file", "{in}/token", "--url-file", "{in}/url", ...NET];

/** Rows by the command that they run. */
const LOGIN_URL = "http://127.0.0.1:1";
const NO_TOKEN = { CODER_SESSION_TOKEN: "" };
const RELAYED = ["--disable-direct-connections"];

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  ssh: [
    { args: ["myworkspace", "env"], code: 0 },
    { args: [...NET, "myworkspace", "exit 3"], code: 3 },
    { args: ["myworkspace", "exit 4"], env: FROM_FILES, code: 4 },
    { args: ["--context", "work", "myworkspace", "exit 5"], env: FROM_FILES, code: 5 },
    { args: ["-W", `${LOOPBACK}:1`, "myworkspace"], code: 255 },
    { args: ["--stdio", ...NET, "myworkspace"], code: 0 },
    { args: ["--stdio", "nosuch"], code: 1 },
    { args: ["nosuch"], code: 1 },
    { args: ["myworkspace"], env: { CODER_SESSION_TOKEN: STRANGER }, code: 1 },
    { args: ["--token", STRANGER, "myworkspace"], code: 1 },
    { args: ["myworkspace"], env: { CODER_SESSION_TOKEN: `${STRANGER}\u200b` }, code: 1 },
    { args: ["--url", `ftp://user:${URL_PASSWORD}@${FAR}`, "myworkspace"], code: 1 },
    { args: ["--url", `https://user:${URL_PASSWORD}@`, "myworkspace"], code: 1 },
    {
      args: [
        "--url",
        `https://user:${encodeURIComponent(URL_PASSWORD)}@${LOOPBACK}:1`,
        "myworkspace",
      ],
      code: 1,
      retries: true,
    },
    { args: ["--header", `X-Own: ${OWN_HEADER}`, "myworkspace"], code: 1 },
    { args: ["--header", `X="${OWN_HEADER}`, "myworkspace"], code: 1 },
    { args: ["--header-command", "cat {in}/bad-headers", "myworkspace"], code: 1 },
    { args: ["--header-command", "cat {in}/headers >&2; exit 1", "myworkspace"], code: 1 },
    { args: ["--tokn", STRANGER, "--header", `X=${OWN_HEADER}`, "myworkspace"], code: 1 },
    { args: ["--client-tls-cert-file", "{in}/client.key", "myworkspace"], code: 1 },
    {
      args: ["myworkspace"],
      env: { HTTPS_PROXY: `socks4://corp:${PROXY_PASSWORD}@${LOOPBACK}:1` },
      code: 1,
    },
    {
      args: ["myworkspace"],
      env: { HTTPS_PROXY: `http://corp:${PROXY_PASSWORD}@${LOOPBACK}:1` },
      code: 1,
      retries: true,
    },
    { args: ["--debug-options", "myworkspace"], code: 0 },
    { args: ["--help"], code: 0 },
    { args: ["my"], env: { COMPLETION_MODE: "1" }, code: 0 },
    { args: ["my"], env: { COMPLETION_MODE: "1", CODER_SESSION_TOKEN: STRANGER }, code: 0 },
    { args: ["--token", STRANGER, ""], env: { COMPLETION_MODE: "1" }, code: 0 },
  ],
  login: [
    { args: [LOGIN_URL], env: NO_TOKEN, code: 1 },
    { args: ["--use-token-as-session", LOGIN_URL], code: 1 },
    { args: [LOGIN_URL], code: 1 },
    { args: ["--token", STRANGER, LOGIN_URL], env: NO_TOKEN, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "login token": [
    { args: [], env: { CODER_CONFIG_DIR: "{out}none" }, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  logout: [
    { args: ["--yes"], env: { CODER_SESSION_TOKEN: STRANGER }, code: 0 },
    { args: [], env: { CODER_SESSION_TOKEN: STRANGER }, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "context list": [
    { args: [], env: FROM_FILES, code: 0 },
    { args: ["--output", "json"], env: FROM_FILES, code: 0 },
  ],
  "context use": [
    { args: ["default"], env: FROM_FILES, code: 0 },
    { args: ["nosuch"], env: FROM_FILES, code: 1 },
  ],
  "context rename": [{ args: ["work", "default"], env: FROM_FILES, code: 1 }],
  "context remove": [{ args: ["nosuch"], env: FROM_FILES, code: 1 }],
  whoami: [
    { args: [], code: 0 },
    { args: ["--output", "json"], code: 0 },
    { args: [], env: { CODER_SESSION_TOKEN: STRANGER }, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  list: [
    { args: [], code: 0 },
    { args: ["--search", "name:nosuch"], code: 0 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  show: [
    { args: ["myworkspace"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  start: [
    { args: ["myworkspace"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  stop: [
    { args: ["myworkspace", "--yes"], code: 0 },
    { args: ["nosuch", "--yes"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  restart: [
    { args: ["myworkspace", "--yes"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  logs: [
    { args: ["myworkspace"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  ports: [
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  cp: [
    { args: ["myworkspace:/no/such/file", "{out}x"], code: 1 },
    { args: ["nosuch:x", "{out}x"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "port-forward": [
    { args: ["myworkspace", "--tcp", ""], env: { COMPLETION_MODE: "1" }, code: 0 },
    { args: ["--auto", "nosuch"], code: 1 },
    { args: ["--tcp", "nonsense", "myworkspace"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--tcp", "1.2.3.4:8080", "myworkspace"], code: 1 },
  ],
  "open vscode": [
    { args: ["myworkspace"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "open jetbrains": [
    { args: ["myworkspace"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "open app": [
    { args: ["myworkspace"], code: 0 },
    { args: ["myworkspace", ""], env: { COMPLETION_MODE: "1" }, code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "open web": [
    { args: ["myworkspace"], code: 0 },
    { args: ["nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  ping: [
    { args: [...RELAYED, "-n", "1", "myworkspace"], code: 0 },
    { args: ["-n", "1", "nosuch"], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  speedtest: [
    { args: [...RELAYED, "-t", "10ms", "myworkspace"], code: 0 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  netcheck: [
    { args: [], code: 0 },
    { args: ["--output", "json"], code: 0 },
    { args: [], env: { CODER_SESSION_TOKEN: STRANGER }, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  doctor: [
    { args: [], code: 0 },
    { args: ["--output", "json"], code: 0 },
    { args: [], env: { CODER_SESSION_TOKEN: STRANGER }, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  support: [
    { args: [], code: 0 },
    { args: ["--log-dir", "{in}"], code: 0 },
    { args: [], env: { CODER_SESSION_TOKEN: STRANGER }, code: 0 },
    { args: ["--tokn", STRANGER], code: 1 },
  ],
  "config-ssh": [
    { args: ["--yes", ...SSH_CONFIG], env: NO_HEADERS, code: 0 },
    { args: ["--yes", ...SSH_CONFIG], env: { ...NO_HEADERS, ...FROM_FILES }, code: 0 },
    { args: ["--dry-run", "--no-wildcard", ...SSH_CONFIG], env: NO_HEADERS, code: 0 },
    { args: SSH_CONFIG, env: NO_HEADERS, code: 0 },
    { args: ["--yes", "--ssh-config-file", "{in}"], code: 1 },
    { args: ["--yes", ...SSH_CONFIG], env: { CODER_SESSION_TOKEN: STRANGER }, code: 1 },
    { args: ["--header", `"X=${OWN_HEADER}\n"`, ...SSH_CONFIG], code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  completion: [
    { args: ["--shell", "bash"], code: 0 },
    { args: [], env: { SHELL: "/bin/nonsense" }, code: 1 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  demo: [
    { args: ["--debug-options"], code: 0 },
    { args: ["--help"], code: 0 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["env"], code: 0 },
  ],
  update: [
    { args: ["--help"], code: 0 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  "hold-tunnel": [
    { args: ["--help"], code: 0 },
    { args: ["--tokn", STRANGER], code: 1 },
    { args: [], code: 1 },
    // Cut off, and whole: the length stands before it.
    { args: [], stdin: `\0\0\0P{"token":"${STRANGER}"}`, code: 1 },
    { args: [], stdin: `\0\0\0-{"token":"${STRANGER}"}`, code: 1 },
  ],
  vscodessh: [
    { args: [...EXTENSION, "coder-vscode--myuser--myworkspace"], code: 0 },
    { args: [...EXTENSION, "coder-vscode--myuser--nosuch"], code: 1 },
    { args: [...EXTENSION, "--token-file", STRANGER, "coder-vscode--a--b"], code: 1 },
    { args: ["--debug-options"], code: 0 },
  ],
  "connect exists": [
    { args: ["--debug-options", FAR], code: 0 },
    { args: ["--tokn", STRANGER, FAR], code: 1 },
    { args: [FAR], code: 1 },
  ],
};

/** Commands that have tunnels, whose keys are secrets too. */
const TUNNELLERS: ReadonlySet<string> = new Set([
  "ssh",
  "demo",
  "vscodessh",
  "port-forward",
  "cp",
  "ping",
  "speedtest",
]);

Deno.test("every command is searched for secrets", async () => {
  deepStrictEqual((await loadCommands()).map(({ name }) => name), Object.keys(ROWS));
});

for (const [name, rows] of Object.entries(ROWS)) {
  commandTest(
    `${name} leaks no secret, whatever happens and however much it tells`,
    async (desk) => {
      await using world = new World(desk);
      using keys = new DrawnKeys(world.planted);
      const wrong: string[] = [];
      for (const row of rows) {
        for (const verbosity of VERBOSITIES) {
          // Only commands with a log have a folder for it.
          const flags = name === "ssh" || name === "vscodessh" ? verbosity : verbosity.slice(0, 2);
          const words = [...name.split(" "), ...flags, ...row.args];
          const { run, code, leaks } = await world.search(words, {
            stdin: row.stdin ?? (row.args.includes("{out}net") ? "SSH-2.0-probe\r\n" : ""),
            ...(row.retries === true ? { clock: new HurryingClock(FASTER) } : {}),
            ...(row.env === undefined ? {} : { env: row.env }),
          });
          const what = words.join(" ");
          wrong.push(...leaks.map((leak) => `${what}: ${leak}`));
          if (code !== row.code) {
            wrong.push(`${what}: ${code}, not ${row.code}: ${run.stderr.text}`);
          }
        }
      }
      deepStrictEqual(wrong, []);
      if (name === "ssh" || name === "vscodessh") {
        ok(world.written.some((path) => path.endsWith(".log")), "no log was searched");
        ok(world.written.some((path) => path.endsWith(".json")), "no network info was searched");
      }
      if (TUNNELLERS.has(name)) ok(keys.count > 0, "no key of a tunnel was searched for");
    },
  );
}

commandTest("a planted secret is found wherever it leaks, in whatever form", async (desk) => {
  await using world = new World(desk);
  const { planted } = world;
  const { token } = desk.sandbox;
  const drawn = planted.forms.length;
  using keys = new DrawnKeys(planted);
  const key = generatePrivateKey(SYSTEM_RANDOM);
  deepStrictEqual([keys.count, planted.in(key.toBase64())], [1, ["a key of the tunnel"]]);
  deepStrictEqual(planted.in(`privkey:${toHex(key)}`), ["a key of the tunnel"]);
  ok(planted.forms.length > drawn);
  for (const before of ["", "u", "us", "user:"]) {
    deepStrictEqual(planted.in(btoa(`${before}${token}\n`)), ["session token"]);
  }
  deepStrictEqual(planted.in(`?t=${encodeURIComponent(OWN_HEADER)}`), ["--header"]);
  deepStrictEqual(planted.in("nothing of it"), []);
  for (const { name, text } of planted.forms) ok(planted.in(`a${text}b`).includes(name), name);

  // What a command leaves behind.
  const streams = await world.search(["ssh", "myworkspace", `echo ${token}; echo ${token} >&2`]);
  deepStrictEqual(streams.leaks, ["stdout: session token", "stderr: session token"]);
  const args = await world.search(["ssh", "--header-command", `: ${STRANGER}`, "nosuch"]);
  deepStrictEqual(args.leaks, ["arguments of sh: another token"]);
  await using run = startCommand(["--version"], { stdin: "" });
  await run.result();
  Deno.mkdirSync(`${run.folder}/deep`);
  Deno.writeTextFileSync(`${run.folder}/deep/file`, `${PROXY_PASSWORD}\n`, { mode: 0o600 });
  run.children.push({ program: "x", args: [], env: { A: STRANGER } });
  deepStrictEqual(await planted.leaksOf(run), [
    `${run.folder}/deep/file: password of the proxy`,
    "A of x: another token",
  ]);
  Deno.writeTextFileSync(`${run.folder}/deep/file`, "harmless");
  Deno.chmodSync(`${run.folder}/deep/file`, 0o640);
  ok((await planted.leaksOf(run, () => true)).some((leak) => leak.includes("deep/file: mode")));

  // What it asks for.
  const asked = await world.search(["ssh", `${STRANGER}`]);
  ok(asked.leaks.some((leak) => leak.startsWith("line of GET /users/")), asked.leaks.join());
});

commandTest(
  "a relay of another origin hears the user's headers, and no other secret",
  async (desk) => {
    await using world = new World(desk);
    const heads: string[] = [];
    await using relay = new LoopbackServer(async (conn) => void heads.push(await readHead(conn)));
    const { coordinator, url } = desk.sandbox;
    const [region] = coordinator.derpMap.regions.values();
    ok(region !== undefined);
    const other = {
      ...region,
      id: region.id - 1,
      embeddedRelay: false,
      nodes: region.nodes.map((node) => ({
        ...node,
        regionId: region.id - 1,
        hostName: LOOPBACK,
        derpPort: relay.port,
      })),
    };
    coordinator.setDerpMap({
      ...coordinator.derpMap,
      regions: new Map([...coordinator.derpMap.regions, [other.id, other]]),
    });
    const result = await desk.run(["--header", `X-Own=${OWN_HEADER}`, "myworkspace", "true"], {
      env: { CODER_URL: `http://user:${encodeURIComponent(URL_PASSWORD)}@${url.host}` },
    });
    deepStrictEqual(result, { code: 0, stdout: "", stderr: "" });
    ok(heads.length > 0, "the other relay was not asked");
    for (const head of heads) deepStrictEqual(world.planted.in(head), ["--header"], head);
  },
);
