/**
 * Records the fixtures of `tests/fixtures/go-peer/`: what the Go peer's client and server say to each other. To be run by hand when the peer changes what it says:
 *   deno run --allow-env --allow-read --allow-write --allow-run=sh,go --allow-net=127.0.0.1 tests/interop/record.ts
 */
import { toHex } from "../../lib/base/bytes.ts";
import { fromFileUrl } from "../live/names.ts";
import { Desk } from "../live/desk.ts";
import { Process } from "../live/process.ts";
import { clientFlight } from "../live/ssh_probe.ts";
import { Peer } from "./peer.ts";
import { peerBinary } from "./peer_binary.ts";
import { type Conversation, RecordingProxy } from "./recording_proxy.ts";

const FIXTURES = new URL("../fixtures/go-peer/", import.meta.url);
const SHOWN_MODULES = /^\t(\S*(?:tailscale|yamux|drpc|websocket)\S*) (v\S+)/gm;

/** `peer dial` through the proxy, from its start to its end. */
async function startDial(proxy: RecordingProxy, flags: readonly string[]): Promise<Process> {
  const env = { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "" };
  return new Process([
    ...[await peerBinary(), "dial", "--relay-only", ...flags, "--url", proxy.url, "stdio"],
  ], { env });
}

async function write(name: string, command: string, conversation: Conversation): Promise<void> {
  const modules = await Deno.readTextFile(new URL("peer/go.mod", import.meta.url));
  const origin = {
    origin: "tests/interop/record.ts: a client and the Go peer's server through a recording proxy",
    command,
    modules: Object.fromEntries([...modules.matchAll(SHOWN_MODULES)].map(([, m, v]) => [m, v])),
    recorded: new Date().toISOString().slice(0, 10),
  };
  const pieces: { dir: string; hex: string }[] = [];
  for (const { dir, bytes } of conversation.pieces) {
    const last = pieces.at(-1);
    if (last?.dir === dir) last.hex += toHex(bytes);
    else pieces.push({ dir, hex: toHex(bytes) });
  }
  const lines = [origin, ...pieces].map((line) => JSON.stringify(line));
  await Deno.mkdir(FIXTURES, { recursive: true });
  await Deno.writeTextFile(new URL(name, FIXTURES), `${lines.join("\n")}\n`);
}

/**
 * Clients one after the other: one takes `Upgrade: DERP`, the next a websocket and a restart of the agent. The third is
 * ours, because it asks the Go server for maps and a resume token, which the Go client does not.
 */
async function main(): Promise<void> {
  await using peer = await Peer.start(["--relay-only"]);
  {
    await using proxy = new RecordingProxy(new URL(peer.info.url));
    await using dial = await startDial(proxy, ["--token", peer.info.token]);
    await dial.stdout.until(/\n/);
    await dial.write(clientFlight());
    await dial.closeInput();
    await dial.exit();
    await write(
      "derp_upgrade.jsonl",
      "peer dial --relay-only stdio",
      proxy.find(/^GET \/derp HTTP/),
    );
  }
  {
    await using proxy = new RecordingProxy(new URL(peer.info.url));
    await using dial = await startDial(proxy, ["--websocket", "--token", peer.info.token]);
    await dial.stdout.until(/\n/);
    const coordinator = proxy.find(/\/coordinate\b/);
    const heard = coordinator.bytesOf("<");
    await peer.command("restart-agent");
    await coordinator.untilMoreThan(heard, "<");
    dial.kill("SIGTERM");
    await dial.exit();
    const command = "peer dial --relay-only --websocket stdio; meanwhile restart-agent; SIGTERM";
    await write("derp_websocket.jsonl", command, proxy.find(/^GET \/derp HTTP/));
    await write("coordinate.jsonl", command, coordinator);
  }
  {
    await using proxy = new RecordingProxy(new URL(peer.info.url));
    const desk = await Desk.open({ ...peer.deployment, url: proxy.url });
    await desk.runProgram([desk.workspace, "true"]);
    await desk[Symbol.asyncDispose]();
    await write("coordinate_hawser.jsonl", "hawser ssh dev true", proxy.find(/\/coordinate\b/));
  }
  Deno.stdout.writeSync(new TextEncoder().encode(`Written to ${fromFileUrl(FIXTURES)}\n`));
}

if (import.meta.main) await main();
