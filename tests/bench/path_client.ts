/**
 * The library's half of the path benchmark, in a process of its own so that its CPU time and memory are its own:
 *   deno run path_client.ts DEPLOYMENT_URL TOKEN AGENT_ID relay|direct down|up BYTES
 *   deno run path_client.ts DEPLOYMENT_URL TOKEN AGENT_ID relay|direct pipe PORT
 * Bytes come from port 7001 of the Go peer's agent and go to port 7002; a pipe joins standard input and output with a port.
 * Prints one JSON line, as `peer dial` does. With "direct" it begins when the direct path is in use.
 */
import process from "node:process";
import { type AgentTunnel, type ByteStream, derpMapFromJson, startAgent } from "../../lib/mod.ts";

const SOURCE_PORT = 7001;
const SINK_PORT = 7002;
const CHUNK_BYTES = 262_144;
const DIRECT_LIMIT_MS = 10_000;
const PING_EVERY_MS = 20;
const PING_LIMIT_MS = 500;
const BYTES_PER_MB = 1e6;

/** What a measurement gives; the same fields as the peer's. */
export interface Measurement {
  readonly mb_per_s: number;
  /** User and system time during the transfer. */
  readonly transfer_cpu_s: number;
  /** The largest resident size of the process. */
  readonly max_rss_mb: number;
}

async function down(stream: ByteStream, bytes: number): Promise<void> {
  const count = new Uint8Array(8);
  new DataView(count.buffer).setBigUint64(0, BigInt(bytes));
  await stream.write(count);
  const chunk = new Uint8Array(CHUNK_BYTES);
  let received = 0;
  for (let n = await stream.read(chunk); n !== null; n = await stream.read(chunk)) received += n;
  if (received !== bytes) throw new Error(`Received ${received} bytes, not ${bytes}`);
}

async function up(stream: ByteStream, bytes: number): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
    await stream.write(left < CHUNK_BYTES ? chunk.subarray(0, left) : chunk);
  }
  await stream.closeWrite();
  const answer = new Uint8Array(8);
  for (let at = 0; at < answer.length;) {
    const n = await stream.read(answer.subarray(at));
    if (n === null) throw new Error("The sink ended without an answer");
    at += n;
  }
  const arrived = new DataView(answer.buffer).getBigUint64(0);
  if (arrived !== BigInt(bytes)) throw new Error(`${arrived} bytes arrived, not ${bytes}`);
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function pipe(stream: ByteStream): Promise<void> {
  const input = async () => {
    for await (const chunk of Deno.stdin.readable) await stream.write(chunk);
    await stream.closeWrite();
  };
  const output = async () => {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let n = await stream.read(chunk); n !== null; n = await stream.read(chunk)) {
      for (let at = 0; at < n;) at += await Deno.stdout.write(chunk.subarray(at, n));
    }
  };
  await Promise.all([input(), output()]);
}

async function untilDirect(agent: AgentTunnel): Promise<void> {
  const began = performance.now();
  await agent.reachable();
  while ((await agent.ping(PING_LIMIT_MS))?.isDirect !== true) {
    if (performance.now() - began > DIRECT_LIMIT_MS) throw new Error("No direct path");
    await new Promise((resolve) => setTimeout(resolve, PING_EVERY_MS));
  }
}

async function main(args: readonly string[]): Promise<void> {
  const [url, token, agentId, path, mode, number] = args;
  if (!url || !token || !agentId || !number) throw new TypeError("Six arguments are needed");
  const answer = await fetch(new URL(`/api/v2/workspaceagents/${agentId}/connection`, url), {
    headers: { "Coder-Session-Token": token },
  });
  const { derp_map, derp_force_websockets } = await answer.json();
  await using agent = startAgent({
    agentId,
    deploymentUrl: new URL(url),
    token,
    derpMap: derpMapFromJson(derp_map),
    forcesWebsocket: derp_force_websockets,
    disablesDirect: path === "relay",
  });
  if (path === "direct") await untilDirect(agent);
  if (mode === "pipe") {
    await pipe(await agent.openTcp(Number(number)));
    return;
  }
  const bytes = Number(number);
  const stream = await agent.openTcp(mode === "down" ? SOURCE_PORT : SINK_PORT);
  const cpuBefore = cpuSeconds();
  const began = performance.now();
  await (mode === "down" ? down : up)(stream, bytes);
  const seconds = (performance.now() - began) / 1_000;
  const measured: Measurement = {
    mb_per_s: bytes / BYTES_PER_MB / seconds,
    transfer_cpu_s: cpuSeconds() - cpuBefore,
    max_rss_mb: process.resourceUsage().maxRSS * 1024 / BYTES_PER_MB,
  };
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(measured)}\n`));
}

if (import.meta.main) await main(Deno.args);
