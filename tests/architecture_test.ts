/** The layout of the program as a test: who may import whom, who may name the platform, and nothing goes in circles. */
import { deepStrictEqual, ok } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** What each room may import besides itself. `main.ts` is the room `main`, `lib/mod.ts` the room `mod`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  crypto: ["base"],
  wire: ["base"],
  proto: ["base"],
  wireguard: ["base", "crypto", "wire"],
  netstack: ["base", "crypto", "wire"],
  derp: ["base", "crypto", "wire"],
  disco: ["base", "crypto", "wire"],
  http1: ["base"],
  websocket: ["base", "crypto", "wire", "http1"],
  yamux: ["base", "crypto", "wire"],
  drpc: ["base", "crypto", "wire"],
  tailnet: [
    "base",
    "crypto",
    "wire",
    "proto",
    "wireguard",
    "netstack",
    "derp",
    "disco",
    "http1",
    "websocket",
    "yamux",
    "drpc",
  ],
  coder: ["base"],
  sharing: ["base", "crypto"],
  ssh: ["base", "crypto"],
  // `ssh` says what sockets it wants to be handed; `io` makes them, with its adapter for node streams.
  // `disco` for STUN: the survey of a network asks it without a node.
  io: [
    "base",
    "crypto",
    "wire",
    "disco",
    "http1",
    "websocket",
    "netstack",
    "tailnet",
    "ssh",
    "sharing",
  ],
  library: ["base", "coder", "ssh", "tailnet", "io"],
  mod: ["base", "crypto", "coder", "ssh", "tailnet", "io", "library"],
  sandbox: [
    "base",
    "crypto",
    "wire",
    "proto",
    "derp",
    "http1",
    "websocket",
    "netstack",
    "tailnet",
    "ssh",
    "io",
  ],
  // What a command needs of the machine, `Host` has: nothing of `io`, on demand or otherwise.
  cli: ["base", "coder", "ssh", "sandbox", "tailnet"],
  main: ["cli", "io"],
};

/** The rooms inside `lib/cli`, from below: each imports only itself, what stands before it, and `lib/cli/version.ts`. What lies beside them is the roof. */
const CLI_FLOORS: readonly string[] = [
  "grammar",
  "terminal",
  "table",
  "config",
  "ssh_config",
  "account",
  "ready",
  "workspace",
  "diagnose",
  "session",
  "command",
];

/** Rooms that may name the platform; every other room is handed what it needs. */
const PLATFORM_ROOMS: ReadonlySet<string> = new Set(["io", "sandbox", "cli", "main"]);
const PLATFORM =
  /\bDeno\.|(?<![.\w])fetch\(|\bnew WebSocket\b|(?<![.\w])set(?:Timeout|Interval)\(|\bDate\.now\(|\bperformance\.now\(|from "node:(net|tls|fs|http|https|dgram|child_process)/;
/** Only this command, and tests, may load the sandbox. */
const SANDBOX_USERS: ReadonlySet<string> = new Set(["lib/cli/command/demo.ts"]);

interface Source {
  /** From the root of the repository. */
  readonly path: string;
  readonly room: string;
  readonly text: string;
  /** Paths of what it imports from this repository. */
  readonly imports: readonly string[];
}

async function* walk(dir: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(dir)) {
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), dir);
    if (entry.isDirectory) yield* walk(url);
    else if (entry.name.endsWith(".ts")) yield url;
  }
}

function roomOf(path: string): string {
  if (path === "main.ts") return "main";
  if (path === "lib/mod.ts") return "mod";
  return path.split("/")[1] ?? "";
}

/** Code without comments, so that a word in a sentence breaks no rule. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

async function readSources(): Promise<Source[]> {
  const urls = [new URL("main.ts", ROOT)];
  for await (const url of walk(new URL("lib/", ROOT))) urls.push(url);
  const sources: Source[] = [];
  for (const url of urls) {
    const path = url.pathname.slice(ROOT.pathname.length);
    // AssemblyScript has the ending of TypeScript and none of its platform.
    if (path.startsWith("lib/crypto/wasm/")) continue;
    const text = await Deno.readTextFile(url);
    const code = withoutComments(text);
    const imports = [...code.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+\.ts)"/g)]
      .map((match) => new URL(match[1] ?? "", url).pathname.slice(ROOT.pathname.length));
    sources.push({ path, room: roomOf(path), text: code, imports });
  }
  return sources;
}

Deno.test("every room imports only what lies before it on the way of a byte", async () => {
  const wrong: string[] = [];
  for (const { path, room, imports } of await readSources()) {
    const allowed = MAY_IMPORT[room];
    ok(allowed !== undefined, `room "${room}" of ${path} is not in the table`);
    for (const target of imports) {
      const targetRoom = roomOf(target);
      if (targetRoom !== room && !allowed.includes(targetRoom)) wrong.push(`${path} → ${target}`);
    }
  }
  deepStrictEqual(wrong, []);
});

Deno.test("the rooms inside cli import only what lies below them", async () => {
  const floorOf = (path: string): number => CLI_FLOORS.indexOf(path.split("/")[2] ?? "");
  const wrong: string[] = [];
  for (const { path, room, imports } of await readSources()) {
    if (room !== "cli" || path.split("/").length === 3) continue;
    for (const target of imports) {
      if (roomOf(target) !== "cli" || target === "lib/cli/version.ts") continue;
      if (floorOf(target) > floorOf(path)) wrong.push(`${path} → ${target}`);
    }
  }
  deepStrictEqual(wrong, []);
});

Deno.test("only io, sandbox, cli and main.ts name the platform", async () => {
  const wrong: string[] = [];
  for (const { path, room, text } of await readSources()) {
    if (PLATFORM_ROOMS.has(room)) continue;
    const found = PLATFORM.exec(text);
    if (found !== null) wrong.push(`${path}: ${found[0]}`);
  }
  deepStrictEqual(wrong, []);
});

Deno.test("primitives and real randomness come through one door each", async () => {
  const wrong: string[] = [];
  for (const { path, room, text } of await readSources()) {
    // `lib/crypto/wasm` has them all; other people's are twins for tests.
    if (/from "(@noble\/|node:crypto)/.test(text)) wrong.push(`${path}: primitives`);
    if (room !== "io" && /\bgetRandomValues\b|\bMath\.random\b|\brandomUUID\b/.test(text)) {
      wrong.push(`${path}: randomness`);
    }
  }
  deepStrictEqual(wrong, []);
});

Deno.test("only the demo command loads the sandbox", async () => {
  const wrong = (await readSources())
    .filter(({ path, room, imports }) =>
      room !== "sandbox" && !SANDBOX_USERS.has(path) &&
      imports.some((target) => roomOf(target) === "sandbox")
    )
    .map(({ path }) => path);
  deepStrictEqual(wrong, []);
});

/** Who hands the bytes of a session to the standard streams, as they are; and the escapes' answers among them. */
const PAYLOAD: ReadonlySet<string> = new Set([
  "lib/cli/session/session_end.ts",
  "lib/cli/session/ssh_stdio.ts",
  "lib/ssh/terminal_session.ts",
  "lib/ssh/stdio_forward.ts",
]);
/** Ways to get at the standard streams past the doors of `lib/cli/terminal/print.ts`; whether and how wide they are may be asked. */
const PAST_THE_DOORS = [
  /\bstd(?:out|err)\??\.(?:print|write)\b/,
  /(?<!\b(?:printText|printNotice|writeText|writeDiff)\()\b[hH]ost\.std(?:out|err)\b(?!\.(?:isTerminal\b|size\())/,
  /[{,]\s*std(?:out|err)\b[^{}]*\}\s*=\s*(?:\w+\.)*#?host\b/,
  /\bconsole\./,
];

Deno.test("words reach the standard streams through the doors of cli/terminal alone", async () => {
  const found: string[] = [];
  for (const { path, room, text } of await readSources()) {
    const isInside = ["io", "sandbox"].includes(room) || path.startsWith("lib/cli/terminal/");
    if (!isInside && PAST_THE_DOORS.some((pattern) => pattern.test(text))) found.push(path);
  }
  deepStrictEqual(found.toSorted(), [...PAYLOAD].toSorted());
});

Deno.test("no import goes in a circle", async () => {
  const byPath = new Map((await readSources()).map((source) => [source.path, source]));
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    ok(at < 0, `circle: ${[...trail.slice(at), path].join(" → ")}`);
    if (done.has(path)) return;
    for (const target of byPath.get(path)?.imports ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of byPath.keys()) visit(path, []);
});

Deno.test("sizes and offsets that several rooms need are named in one place", async () => {
  const homes = new Map([["KEY_BYTES", "lib/base/bytes.ts"]]);
  const wrong: string[] = [];
  for (const { path, text } of await readSources()) {
    for (const [, name = ""] of text.matchAll(/\bconst ((?:[A-Z]+_)?KEY_BYTES|IPV6_[A-Z_]+) =/g)) {
      const home = name.startsWith("IPV6_") ? "lib/wire/ipv6.ts" : homes.get(name);
      // Limits of what others send are no sizes of keys.
      if (path !== home && !name.startsWith("MAX_")) wrong.push(`${path}: ${name}`);
    }
  }
  deepStrictEqual(wrong, []);
});

Deno.test("the sanitizers watch every test: what it began is over when it ends", async () => {
  const config = await Deno.readTextFile(new URL("deno.json", ROOT));
  deepStrictEqual(JSON.parse(config).test, { sanitizeOps: true, sanitizeResources: true });
  const switchedOff: string[] = [];
  for await (const url of walk(new URL("tests/", ROOT))) {
    const text = await Deno.readTextFile(url);
    const isThis = url.href === import.meta.url;
    if (!isThis && /\bsanitize(?:Ops|Resources|Exit)\b/.test(text)) switchedOff.push(url.pathname);
  }
  deepStrictEqual(switchedOff, [], "no test sets its own");
});

Deno.test("what a part needs of its parent stays in their room (docs/rooms.md, who may call whom back)", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await readSources()) {
    if (/\/(?:\w+_)?mod\.ts$/.test(path) && /\b(?:\w+Host|DeviceContext)\b/.test(text)) {
      wrong.push(path);
    }
  }
  deepStrictEqual(wrong, []);
});

Deno.test("what tells the variants of a union apart is written in one case", async () => {
  // States, reasons and deadlines are words of a specification or of a log, and keep theirs.
  const wrong: string[] = [];
  for (const { path, text } of await readSources()) {
    for (const [kind] of text.matchAll(/\bkind: "[^"]*[-_ ][^"]*"/g)) {
      wrong.push(`${path}: ${kind}`);
    }
  }
  deepStrictEqual(wrong, []);
});

const MAX_LINES = 350;
/** Files that are longer, and why. */
const LONG_FILES: Readonly<Record<string, string>> = {
  "lib/proto/tailnet_pb.ts": "generated",
  "lib/tailnet/agent_session.ts": "puts four cores together: a verb and an event of each",
  "lib/tailnet/coordinator/client.ts":
    "two websockets and what is told of both; what follows their end is in attempts.ts",
  "lib/tailnet/paths/direct_paths.ts": "a few lines",
};

Deno.test("a file holds one concept: nothing long without a reason", async () => {
  const wrong: string[] = [];
  for await (const url of walk(new URL("lib/", ROOT))) {
    const path = url.pathname.slice(ROOT.pathname.length);
    const lines = (await Deno.readTextFile(url)).split("\n").length - 1;
    if (lines > MAX_LINES && LONG_FILES[path] === undefined) wrong.push(`${path}: ${lines}`);
  }
  deepStrictEqual(wrong, []);
});

/** May go on after any `Error`: the reason stands there. */
const SWALLOWERS: ReadonlySet<string> = new Set(["lib/io/dial.ts", "lib/io/relay_probe.ts"]);

Deno.test("who goes on after a failure goes on after an expected one: no bug passes for the world's fault", async () => {
  const wrong: string[] = [];
  for (const { path, room, text } of await readSources()) {
    // The double answers for whatever its files and programs throw, as a server does.
    if (room === "sandbox" || SWALLOWERS.has(path)) continue;
    if (/if \(!\(\w+ instanceof Error\)\) throw|if \(\w+ instanceof Error\) return/.test(text)) {
      wrong.push(`${path}: takes any Error for expected`);
    }
    if (/some\(\(kind\) => \w+ instanceof kind\)/.test(text) && path !== "lib/base/errors.ts") {
      wrong.push(`${path}: a bundle of kinds of its own`);
    }
  }
  deepStrictEqual(wrong, []);
});
