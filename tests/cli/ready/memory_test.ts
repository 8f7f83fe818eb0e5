/** What one run keeps for the next, and files that somebody else wrote there. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { HostError } from "../../../lib/base/host.ts";
import { type Log, SILENT_LOG } from "../../../lib/base/log.ts";
import { recall, remember, type Remembered } from "../../../lib/cli/ready/memory.ts";
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

function placeOn(host: FakeHost) {
  return { host, deployment: new URL("https://coder.example.com:8443/path/"), log: SILENT_LOG };
}

Deno.test("what was remembered is recalled, by deployment and by name", async () => {
  const host = new FakeHost();
  await remember(placeOn(host), "dev", KNOWN);
  await remember(placeOn(host), "two", { ...KNOWN, agentId: KNOWN.agentId.replace("7", "8") });
  deepStrictEqual(await recall(placeOn(host), "dev"), KNOWN);
  strictEqual(await recall(placeOn(host), "three"), undefined);
  const elsewhere = { ...placeOn(host), deployment: new URL("https://coder.example.com/path/") };
  strictEqual(await recall(elsewhere, "dev"), undefined);
  deepStrictEqual([...host.files.entries.keys()], [PATH]);
  strictEqual(host.files.entries.get(PATH)?.mode, 0o600);
  strictEqual(host.files.folders.get("/home/alice/.cache/hawser"), 0o700);
});

Deno.test("the last names are kept, and no more than 64", async () => {
  const host = new FakeHost();
  for (let i = 0; i < 70; i++) await remember(placeOn(host), `ws${i}`, KNOWN);
  strictEqual(await recall(placeOn(host), "ws5"), undefined);
  ok(await recall(placeOn(host), "ws6"));
});

const DAMAGED = {
  "nothing": "",
  "half of it": '{"format":1,"conn',
  "another format": '{"format":2,"connection":{},"agents":[]}',
  "an id that is a path": '{"format":1,"connection":{},"agents":[{"name":"dev","id":"../../x"}]}',
  "a list that is none": '{"format":1,"connection":{},"agents":{"dev":"x"}}',
  "null": "null",
  "too long": " ".repeat(600_000) +
    `{"format":1,"connection":{},"agents":[{"name":"dev","id":"${KNOWN.agentId}"}]}`,
};

for (const [what, text] of Object.entries(DAMAGED)) {
  Deno.test(`a file with ${what} is as none, and is written anew`, async () => {
    const host = new FakeHost({ files: { [PATH]: text } });
    strictEqual(await recall(placeOn(host), "dev"), undefined);
    await remember(placeOn(host), "dev", KNOWN);
    deepStrictEqual(await recall(placeOn(host), "dev"), KNOWN);
  });
}

Deno.test("a place that cannot be read or written costs a line in the log", async () => {
  const host = new FakeHost();
  const lines: string[] = [];
  const log: Log = { ...SILENT_LOG, debug: (message) => void lines.push(message) };
  host.files.broken.set(PATH, new HostError("no-space", `write ${PATH}: no space left on device`));
  await remember({ ...placeOn(host), log }, "dev", KNOWN);
  strictEqual(await recall({ ...placeOn(host), log }, "dev"), undefined);
  const unread = "no memory of the deployment";
  deepStrictEqual(lines, [unread, "deployment not remembered", unread]);
  strictEqual(await recall(placeOn(new FakeHost({ homeDir: null })), "dev"), undefined);
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
    await remember(placeOn(host), "dev", KNOWN);
    deepStrictEqual([...host.files.folders.keys()], [folder]);
  }
});
