/** Counterparts of upstream's `NetworkInfo` row and of `TestSSH_CoderConnect/Enabled`'s file (docs/protocol/ssh.md#network-information-file). */
import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { SILENT_LOG } from "../../../lib/base/log.ts";
import { HostError } from "../../../lib/base/host.ts";
import {
  type NetworkPing,
  type NetworkSource,
  prepareNetworkInfo,
  reportNetwork,
  writeCoderConnectInfo,
} from "../../../lib/cli/session/network_info.ts";
import { FakeHost } from "../../support/fake_host.ts";

const FILE = "/net/1234.json";
const GOOD: NetworkPing = { latencyMs: 12.3456, relay: "Frankfurt" };

/** A tunnel whose pings take `pingMs` and answer as told. */
function source(
  host: FakeHost,
  answer: (atMs: number) => NetworkPing | undefined,
  more: { readonly pingMs?: number; readonly bytesPerSecond?: number } = {},
): NetworkSource {
  const { pingMs = 0, bytesPerSecond = 0 } = more;
  return {
    async ping() {
      await host.clock.sleep(pingMs);
      return answer(host.clock.now());
    },
    get traffic() {
      const bytesOut = host.clock.now() / 1_000 * bytesPerSecond;
      return { bytesIn: 3 * bytesOut, bytesOut };
    },
  };
}

/** Reports until `forMs` of the fake clock; the file's text at each write. */
async function report(
  host: FakeHost,
  from: NetworkSource,
  options: { readonly forMs: number; readonly intervalMs?: number },
): Promise<{ readonly texts: string[]; readonly end: string }> {
  const abort = new AbortController();
  const texts: string[] = [];
  const write = host.files.writeText.bind(host.files);
  host.files.writeText = async (path, text, how = {}) => {
    deepStrictEqual([path, how], [FILE, { mode: 0o600, atomic: true }]);
    await write(path, text, how);
    texts.push(text);
  };
  host.clock.after(options.forMs, () => abort.abort(new Error("over")));
  const { intervalMs } = options;
  const end = await reportNetwork(host, {
    dir: "/net",
    ...(intervalMs === undefined ? {} : { intervalMs }),
    source: from,
    log: SILENT_LOG,
    signal: abort.signal,
  }).catch((error: unknown) => error instanceof Error ? error.message : "?");
  return { texts, end };
}

Deno.test("NetworkInfo: a file with the official keys, at once and each interval, in a folder of our own", async () => {
  using host = new FakeHost();
  await prepareNetworkInfo(host, "/net");
  deepStrictEqual(host.files.folders.get("/net"), 0o700);
  const tunnel = source(host, () => GOOD, { bytesPerSecond: 1_000 });
  const { texts, end } = await report(host, tunnel, { forMs: 60, intervalMs: 25 });
  deepStrictEqual(texts, [
    '{"p2p":false,"latency":12.346,"preferred_derp":"Frankfurt","derp_latency":{"Frankfurt":0},' +
    '"upload_bytes_sec":0,"download_bytes_sec":0,"using_coder_connect":false}',
    ...Array(2).fill(
      '{"p2p":false,"latency":12.346,"preferred_derp":"Frankfurt","derp_latency":{"Frankfurt":0},' +
        '"upload_bytes_sec":1000,"download_bytes_sec":3000,"using_coder_connect":false}',
    ),
  ]);
  deepStrictEqual(end, "over");
  ok(host.files.entries.has(FILE));
});

Deno.test("reportNetwork() tells a direct path and what relays were measured", async () => {
  using host = new FakeHost();
  const tunnel: NetworkSource = {
    ping: () => Promise.resolve({ ...GOOD, isDirect: true }),
    traffic: { bytesIn: 0, bytesOut: 0 },
    relayLatencies: () => ({ Frankfurt: 20.5, Sydney: 300 }),
  };
  const { texts } = await report(host, tunnel, { forMs: 1 });
  const { p2p, derp_latency } = JSON.parse(texts[0] ?? "");
  deepStrictEqual({ p2p, derp_latency }, {
    p2p: true,
    derp_latency: { Frankfurt: 20.5, Sydney: 300 },
  });
});

Deno.test("reportNetwork() writes every five seconds by default, and when the interval is none", async () => {
  for (const options of [{}, { intervalMs: 0 }, { intervalMs: -1 }]) {
    using host = new FakeHost();
    const { texts } = await report(host, source(host, () => GOOD), { forMs: 12_000, ...options });
    deepStrictEqual(texts.length, 3);
  }
});

Deno.test("reportNetwork() ends the session after a minute of pings without answer", async () => {
  using host = new FakeHost();
  const tunnel = source(host, (at) => at < 20_000 ? GOOD : undefined, { pingMs: 100 });
  const { end } = await report(host, tunnel, { forMs: 1e6 });
  deepStrictEqual(end, "unanswered");
  const silentMs = host.clock.now() - 20_000;
  ok(silentMs > 60_000 && silentMs < 72_000, String(silentMs));
});

Deno.test("reportNetwork() begins the minute anew with each answer", async () => {
  using host = new FakeHost();
  const tunnel = source(host, (at) => at % 50_000 < 5_000 ? GOOD : undefined);
  deepStrictEqual((await report(host, tunnel, { forMs: 600_000 })).end, "over");
});

Deno.test("reportNetwork() does not take a sleep of the machine for silence", async () => {
  using host = new FakeHost();
  let asleepMs = 0;
  const clock = host.clock;
  const now = clock.now.bind(clock);
  clock.now = () => now() + asleepMs;
  const tunnel = source(host, (at) => {
    // An hour passes between two pings, and the first ones after it fail.
    if (at === 20_000) asleepMs = 3_600_000;
    return at < 15_000 || at > 3_640_000 ? GOOD : undefined;
  });
  deepStrictEqual((await report(host, tunnel, { forMs: 100_000 })).end, "over");
});

Deno.test("reportNetwork() ends at once in the middle of a ping", async () => {
  using host = new FakeHost();
  const tunnel: NetworkSource = {
    ping: () => new Promise(() => {}),
    traffic: { bytesIn: 0, bytesOut: 0 },
  };
  deepStrictEqual((await report(host, tunnel, { forMs: 10 })).end, "over");
  deepStrictEqual(host.clock.now(), 10);
});

Deno.test("reportNetwork() outlives a full disk", async () => {
  using host = new FakeHost();
  host.files.broken.set("/net", new HostError("no-space", "no space left on device"));
  const { end, texts } = await report(host, source(host, () => GOOD), { forMs: 20_000 });
  deepStrictEqual([end, texts], ["over", []]);
});

Deno.test("TestSSH_CoderConnect/Enabled: the file says so and nothing else", async () => {
  using host = new FakeHost();
  await writeCoderConnectInfo(host, { dir: "/net", log: SILENT_LOG });
  deepStrictEqual(JSON.parse(host.files.entries.get(FILE)?.text ?? ""), {
    p2p: false,
    latency: 0,
    preferred_derp: "",
    derp_latency: {},
    upload_bytes_sec: 0,
    download_bytes_sec: 0,
    using_coder_connect: true,
  });
});

Deno.test("prepareNetworkInfo() fails where the folder cannot be made", async () => {
  using host = new FakeHost();
  host.files.broken.set("/net", new HostError("read-only", "mkdir /net: read-only file system"));
  await rejects(prepareNetworkInfo(host, "/net"), {
    message: "mkdir: mkdir /net: read-only file system",
  });
});
