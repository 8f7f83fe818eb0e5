/**
 * What is behind the agent's ports: SSH on 1 and 22, reconnecting terminals on 2, the speed test on 3, three services that benchmarks measure with (as in
 * `tests/interop/peer`), and on every other port whatever listens on 127.0.0.1 of this machine.
 *   7001 source: reads a count (u64, big-endian), sends that many bytes, closes
 *   7002 sink: reads to the end, answers the count (u64, big-endian), closes
 *   7003 echo
 * UDP likewise: an echo on 7003, and on every other port whatever listens there.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import type { DatagramFlow } from "../../base/datagrams.ts";
import { type ByteStream, StreamError } from "../../base/stream.ts";
import { SYSTEM_SOCKETS } from "../../io/local_sockets.ts";
import { joinStreams } from "../../ssh/join.ts";
import type { SshServer } from "../ssh/server.ts";
import type { LoudTasks } from "../loud_tasks.ts";
import type { Accepted } from "./node.ts";
import type { AgentTerminals } from "./terminals.ts";
import { serveSpeedTest } from "./speed_test.ts";

export const AgentPort = {
  ssh: 1,
  terminal: 2,
  speedTest: 3,
  standardSsh: 22,
  source: 7001,
  sink: 7002,
  echo: 7003,
} as const;

const CHUNK_BYTES = 65_536;
const COUNT_BYTES = 8;
const LOOPBACK = "127.0.0.1";
/** As coder/tailscale `wgengine/netstack/netstack.go` `forwardUDP`. */
const IDLE_FLOW_MS = 2 * 60_000;

/** Serves one connection that a client made. */
export function serveAccepted(
  accepted: Accepted,
  { ssh, terminals, tasks }: {
    readonly ssh: SshServer;
    readonly terminals: AgentTerminals;
    readonly tasks: LoudTasks;
  },
): void {
  const { stream, port } = accepted;
  const serve = (service: (stream: ByteStream) => Promise<void>) => {
    accepted.accept();
    tasks.run(quietly(stream, service));
  };
  switch (port) {
    case AgentPort.ssh:
    case AgentPort.standardSsh:
      accepted.accept();
      return ssh.serve(stream);
    case AgentPort.terminal:
      return serve((stream) => terminals.serve(stream));
    case AgentPort.speedTest:
      return serve(serveSpeedTest);
    case AgentPort.source:
      return serve(source);
    case AgentPort.sink:
      return serve(sink);
    case AgentPort.echo:
      return serve(echo);
    default:
      tasks.run(forward(accepted));
  }
}

/** Serves the datagrams of one client's port, until nothing came or went for two minutes, or the network is over. */
export async function serveFlow(flow: DatagramFlow, port: number): Promise<void> {
  const arm = () => setTimeout(() => flow.close(), IDLE_FLOW_MS);
  let timer = arm();
  const used = () => {
    clearTimeout(timer);
    timer = arm();
  };
  try {
    await (port === AgentPort.echo ? echoFlow(flow, used) : forwardFlow(flow, port, used));
  } finally {
    clearTimeout(timer);
  }
}

async function echoFlow(flow: DatagramFlow, used: () => void): Promise<void> {
  for (let data = await flow.receive(); data !== undefined; data = await flow.receive()) {
    used();
    flow.send(data);
  }
}

async function forwardFlow(flow: DatagramFlow, port: number, used: () => void): Promise<void> {
  const socket = await SYSTEM_SOCKETS.listenDatagrams({ host: LOOPBACK, port: 0 });
  const back = async () => {
    for (let one = await socket.receive(); one !== undefined; one = await socket.receive()) {
      used();
      if (one.from.port === port) flow.send(one.data);
    }
  };
  const there = async () => {
    for (let data = await flow.receive(); data !== undefined; data = await flow.receive()) {
      used();
      await socket.send(data, { host: LOOPBACK, port });
    }
    socket.close();
  };
  await Promise.all([there(), back()]);
}

async function forward(accepted: Accepted): Promise<void> {
  let target: ByteStream;
  try {
    target = await SYSTEM_SOCKETS.connect({ kind: "tcp", host: LOOPBACK, port: accepted.port });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return accepted.refuse();
  }
  accepted.accept();
  await joinStreams(accepted.stream, target);
}

/** A client that goes away ends its service. */
async function quietly(
  stream: ByteStream,
  service: (stream: ByteStream) => Promise<void>,
): Promise<void> {
  try {
    await service(stream);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
}

async function source(stream: ByteStream): Promise<void> {
  const head = new Uint8Array(COUNT_BYTES);
  for (let at = 0; at < head.length;) {
    const count = await stream.read(head.subarray(at));
    if (count === null) return stream.abort("No count was sent");
    at += count;
  }
  const chunk = new Uint8Array(CHUNK_BYTES);
  let left = Number(new ByteReader(head).u64be());
  while (left > 0) {
    const bytes = chunk.subarray(0, Math.min(left, chunk.length));
    await stream.write(bytes);
    left -= bytes.length;
  }
  await stream.closeWrite();
  while (await stream.read(chunk) !== null);
}

async function sink(stream: ByteStream): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let total = 0;
  for (let n = await stream.read(chunk); n !== null; n = await stream.read(chunk)) total += n;
  const answer = new Uint8Array(COUNT_BYTES);
  new ByteWriter(answer).u64be(BigInt(total));
  await stream.write(answer);
  await stream.closeWrite();
}

async function echo(stream: ByteStream): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let n = await stream.read(chunk); n !== null; n = await stream.read(chunk)) {
    await stream.write(chunk.subarray(0, n));
  }
  await stream.closeWrite();
}
