/** What one run keeps for the next, and files that somebody else wrote there. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { HostError } from "../../../lib/base/host.ts";
import { type Log, SILENT_LOG } from "../../../lib/base/log.ts";
import {
  isLikeTrace,
  type Memory,
  networkAfter,
  recall,
  remember,
  type Remembered,
} from "../../../lib/cli/ready/memory.ts";
import { FakeHost } from "../../support/fake_host.ts";

const PATH = "/home/alice/.cache/hawser/https%3A%2F%2Fcoder.example.com%3A8443%2Fpath%2F.json";
const KNOWN: Remembered = {
  agentId: "7b9c1f0e-1111-4222-8333-444455556666",
  info: {
    derpMap: { Regions: { 1: { RegionID: 1 } } },
    derpForceWebsockets: true,
    disableDirectConnections: false,
    hostnameSuffix: "coder",
  },
  serverVersion: "v2.36.0",
};

const NETWORK = { websocketUntilMs: undefined, webTerminalUntilMs: undefined };
const MEMORY = { agent: KNOWN, ...NETWORK };
const NOTHING: Memory = { agent: undefined, ...NETWORK };
const DAY_MS = 24 * 60 * 60 * 1_000;

function placeOn(host: FakeHost) {
  return { host, deployment: new URL("https://coder.example.com:8443/path/"), log: SILENT_LOG };
}

Deno.test("what was remembered is recalled, by deployment and by name", async () => {
  const host = new FakeHost();
  await remember(placeOn(host), "dev", MEMORY);
  await remember(placeOn(host), "two", {
    ...MEMORY,
    agent: { ...KNOWN, agentId: KNOWN.agentId.replace("7", "8") },
  });
  deepStrictEqual(await recall(placeOn(host), "dev"), MEMORY);
  deepStrictEqual(await recall(placeOn(host), "three"), NOTHING);
  const elsewhere = { ...placeOn(host), deployment: new URL("https://coder.example.com/path/") };
  deepStrictEqual(await recall(elsewhere, "dev"), NOTHING);
  deepStrictEqual([...host.files.entries.keys()], [PATH]);
  strictEqual(host.files.entries.get(PATH)?.mode, 0o600);
  strictEqual(host.files.folders.get("/home/alice/.cache/hawser"), 0o700);
});

Deno.test("what the tunnel learnt of an agent is recalled with it; a small change is not worth a write", async () => {
  const host = new FakeHost();
  const trace = {
    nodeKey: new Uint8Array(32).fill(1),
    discoKey: new Uint8Array(32).fill(2),
    homeRegion: 999,
    readyLagMs: 7,
  };
  const agent = { ...KNOWN, trace };
  await remember(placeOn(host), "dev", { ...MEMORY, agent });
  await remember(placeOn(host), "two", MEMORY);
  deepStrictEqual(await recall(placeOn(host), "dev"), { ...MEMORY, agent });
  deepStrictEqual(await recall(placeOn(host), "two"), MEMORY);
  const rows = [
    [trace, true],
    [{ ...trace, readyLagMs: 17 }, true],
    [{ ...trace, readyLagMs: 18 }, false],
    [{ ...trace, homeRegion: 1 }, false],
    [{ ...trace, nodeKey: trace.discoKey }, false],
    [{ ...trace, discoKey: trace.nodeKey }, false],
    [undefined, false],
  ] as const;
  for (const [other, isLike] of rows) strictEqual(isLikeTrace(trace, other), isLike);
  ok(isLikeTrace({ ...trace, readyLagMs: 100 }, { ...trace, readyLagMs: 60 }));
  ok(isLikeTrace(undefined, undefined));
});

for (const key of ["websocketUntilMs", "webTerminalUntilMs"] as const) {
  Deno.test(`what the network lets through is known of every name there, for a day: ${key}`, async () => {
    const host = new FakeHost();
    const place = placeOn(host);
    const now = host.clock.wallMs();
    const until = now + DAY_MS;
    await remember(place, "dev", { ...MEMORY, [key]: until });
    deepStrictEqual(await recall(place, "dev"), { ...MEMORY, [key]: until });
    deepStrictEqual(await recall(place, "two"), { ...NOTHING, [key]: until });
    // A run that learnt otherwise is believed, by whatever name it went.
    await remember(place, "two", MEMORY);
    deepStrictEqual(await recall(place, "dev"), MEMORY);
    for (const useless of [now, now - 1, until + 1, 0, -1]) {
      await remember(place, "dev", { ...MEMORY, [key]: useless });
      deepStrictEqual(await recall(place, "dev"), MEMORY);
    }
  });
}

Deno.test("networkAfter() keeps what holds, from when it was found out, and drops what does not", () => {
  const host = new FakeHost();
  const now = host.clock.wallMs();
  const until = now + DAY_MS;
  const before = now + 7;
  const rows = [
    // Known of websockets and of the web terminal, how we were let in, whether by the web terminal; what is known then.
    [undefined, undefined, "websocket", false, until, undefined],
    [before, undefined, "websocket", false, before, undefined],
    [before, before, undefined, false, before, before],
    [before, before, "upgrade", false, undefined, undefined],
    [undefined, before, "websocket", false, until, undefined],
    [undefined, undefined, undefined, false, undefined, undefined],
    [undefined, undefined, undefined, true, undefined, until],
    [before, before, undefined, true, before, before],
    [undefined, before, "upgrade", true, undefined, undefined],
  ] as const;
  for (const [websocket, web, transport, wentByWebTerminal, nowWebsocket, nowWeb] of rows) {
    const known = { websocketUntilMs: websocket, webTerminalUntilMs: web };
    deepStrictEqual(networkAfter(placeOn(host), known, { transport, wentByWebTerminal }), {
      websocketUntilMs: nowWebsocket,
      webTerminalUntilMs: nowWeb,
    });
  }
});

Deno.test("the last names are kept, and no more than 64", async () => {
  const host = new FakeHost();
  for (let i = 0; i < 70; i++) await remember(placeOn(host), `ws${i}`, MEMORY);
  deepStrictEqual(await recall(placeOn(host), "ws5"), NOTHING);
  ok((await recall(placeOn(host), "ws6")).agent);
});

const DAMAGED = {
  "nothing": "",
  "half of it": '{"format":1,"conn',
  "another format": '{"format":2,"connection":{},"agents":[]}',
  "an id that is a path": '{"format":1,"connection":{},"agents":[{"name":"dev","id":"../../x"}]}',
  "a list that is none": '{"format":1,"connection":{},"agents":{"dev":"x"}}',
  "null": "null",
  "a time that is none":
    `{"format":1,"connection":{},"agents":[{"name":"dev","id":"${KNOWN.agentId}"}],"websocket_until":"x"}`,
  ...damagedTraces({
    "a key that is too short": { node_key: "ab" },
    "a key that is none": { disco_key: "g".repeat(64) },
    "a region that is none": { region: 0 },
    "half a region": { region: 1.5 },
    "a lag that would be in the past": { ready_lag_ms: -1 },
    "a lag that is none": { ready_lag_ms: null },
  }),
  "too long": " ".repeat(600_000) +
    `{"format":1,"connection":{},"agents":[{"name":"dev","id":"${KNOWN.agentId}"}]}`,
};

/** A file with what is said of an agent, each time with one thing that is wrong. */
function damagedTraces(
  wrongs: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Record<string, string> {
  const key = "5".repeat(64);
  const right = { node_key: key, disco_key: key, region: 999, ready_lag_ms: 7 };
  return Object.fromEntries(
    Object.entries(wrongs).map(([what, wrong]) => {
      const agent = { name: "dev", id: KNOWN.agentId, trace: { ...right, ...wrong } };
      return [what, JSON.stringify({ format: 1, connection: {}, agents: [agent] })];
    }),
  );
}

Deno.test("the same file is read where nothing is wrong", async () => {
  const { text = "" } = damagedTraces({ text: {} });
  ok((await recall(placeOn(new FakeHost({ files: { [PATH]: text } })), "dev")).agent?.trace);
});

for (const [what, text] of Object.entries(DAMAGED)) {
  Deno.test(`a file with ${what} is as none, and is written anew`, async () => {
    const host = new FakeHost({ files: { [PATH]: text } });
    deepStrictEqual(await recall(placeOn(host), "dev"), NOTHING);
    await remember(placeOn(host), "dev", MEMORY);
    deepStrictEqual(await recall(placeOn(host), "dev"), MEMORY);
  });
}

Deno.test("a file that others may write is as none, and is the user's alone again", async () => {
  const host = new FakeHost();
  await remember(placeOn(host), "dev", MEMORY);
  const entry = host.files.entries.get(PATH);
  ok(entry !== undefined);
  for (const mode of [0o644, 0o640]) {
    entry.mode = mode;
    deepStrictEqual(await recall(placeOn(host), "dev"), MEMORY);
  }
  for (const mode of [0o620, 0o602, 0o666]) {
    entry.mode = mode;
    deepStrictEqual(await recall(placeOn(host), "dev"), NOTHING);
  }
  await remember(placeOn(host), "dev", MEMORY);
  strictEqual(host.files.entries.get(PATH)?.mode, 0o600);
  deepStrictEqual(await recall(placeOn(host), "dev"), MEMORY);
});

Deno.test("a place that cannot be read or written costs a line in the log", async () => {
  const host = new FakeHost();
  const lines: string[] = [];
  const log: Log = { ...SILENT_LOG, debug: (message) => void lines.push(message) };
  host.files.broken.set(PATH, new HostError("no-space", `write ${PATH}: no space left on device`));
  await remember({ ...placeOn(host), log }, "dev", MEMORY);
  deepStrictEqual(await recall({ ...placeOn(host), log }, "dev"), NOTHING);
  const unread = "no memory of the deployment";
  deepStrictEqual(lines, [unread, "deployment not remembered", unread]);
  deepStrictEqual(await recall(placeOn(new FakeHost({ homeDir: null })), "dev"), NOTHING);
});

Deno.test("where the cache folder is", async () => {
  const cases = [
    [{ env: { XDG_CACHE_HOME: "/cache" } }, "/cache/hawser"],
    [{ env: { XDG_CACHE_HOME: "relative" } }, "/home/alice/.cache/hawser"],
    [{ os: "darwin", env: { XDG_CACHE_HOME: "/cache" } }, "/home/alice/Library/Caches/hawser"],
    [{ os: "windows", env: { LOCALAPPDATA: "C:\\Local" } }, "C:\\Local\\hawser\\cache"],
  ] as const;
  for (const [options, folder] of cases) {
    const host = new FakeHost(options);
    await remember(placeOn(host), "dev", MEMORY);
    deepStrictEqual([...host.files.folders.keys()], [folder]);
  }
});
