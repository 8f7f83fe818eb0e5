/** The window of a channel follows the rate: enough for the way, little of it in queues, and nothing of it while nobody reads. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  ChannelWindow,
  firstWindowBytes,
  LARGEST_WINDOW_BYTES,
} from "../../lib/ssh/channel_window.ts";
import type { ByteStream } from "../../lib/base/stream.ts";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import { countReads, type PipeEnd } from "../support/byte_pipe.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type ServerChannel, TestSshServer } from "../support/ssh_server.ts";

const LEAST_BYTES = 128 * 1024;

interface Way {
  readonly rttMs: number;
  readonly bytesPerMs: number;
}

/** A program that writes as much as it may, over a way that passes so much on; a step each millisecond. */
class Download {
  now = 0;
  received = 0;
  /** What the agent has sent off and the way has not passed on. */
  queuedBytes = 0;
  readonly #way: Way;
  readonly #window: ChannelWindow;
  #allowedBytes: number;
  readonly #grants: { readonly at: number; readonly bytes: number }[] = [];
  readonly #flying: { readonly at: number; readonly bytes: number }[] = [];

  constructor(way: Way) {
    this.#way = way;
    const roundTrip = () => way.rttMs;
    this.#allowedBytes = firstWindowBytes(roundTrip);
    this.#window = new ChannelWindow(this.#allowedBytes, roundTrip, 0);
  }

  runFor(ms: number): number {
    const before = this.received;
    for (let i = 0; i < ms; i++) this.#step();
    return (this.received - before) / ms;
  }

  #step(): void {
    this.now++;
    for (let first = this.#grants[0]; first !== undefined && first.at <= this.now;) {
      this.#allowedBytes += first.bytes;
      this.#grants.shift();
      first = this.#grants[0];
    }
    this.queuedBytes += this.#allowedBytes;
    this.#allowedBytes = 0;
    const bytes = Math.min(this.queuedBytes, this.#way.bytesPerMs);
    this.queuedBytes -= bytes;
    if (bytes > 0) this.#flying.push({ at: this.now + this.#way.rttMs / 2, bytes });
    for (let first = this.#flying[0]; first !== undefined && first.at <= this.now;) {
      this.received += first.bytes;
      this.#window.handleReceived(first.bytes, this.now);
      assert.ok(!this.#window.isOverrun);
      const granted = this.#window.handleRead(first.bytes);
      if (granted > 0) this.#grants.push({ at: this.now + this.#way.rttMs / 2, bytes: granted });
      this.#flying.shift();
      first = this.#flying[0];
    }
  }
}

Deno.test("ChannelWindow lets a way be full, and little wait in front of it", async (t) => {
  const ways: readonly Way[] = [
    { rttMs: 2, bytesPerMs: 50_000 },
    { rttMs: 20, bytesPerMs: 250 },
    { rttMs: 20, bytesPerMs: 2_500 },
    { rttMs: 50, bytesPerMs: 12_500 },
    { rttMs: 150, bytesPerMs: 6_000 },
  ];
  for (const way of ways) {
    await t.step(`${way.rttMs} ms, ${way.bytesPerMs} KB/s`, () => {
      const download = new Download(way);
      download.runFor(10 * way.rttMs + 200);
      assert.equal(download.runFor(2_000), way.bytesPerMs);
      const carried = way.rttMs * way.bytesPerMs;
      const { queuedBytes } = download;
      assert.ok(queuedBytes <= LEAST_BYTES + carried, `${queuedBytes} wait`);
    });
  }
});

Deno.test("ChannelWindow is as large as ever where nobody knows the round trip", () => {
  const roundTrip = () => undefined;
  assert.equal(firstWindowBytes(roundTrip), LARGEST_WINDOW_BYTES);
  const window = new ChannelWindow(LARGEST_WINDOW_BYTES, roundTrip, 0);
  window.handleReceived(LARGEST_WINDOW_BYTES, 1);
  assert.equal(window.handleRead(LARGEST_WINDOW_BYTES), LARGEST_WINDOW_BYTES);
});

Deno.test("ChannelWindow takes nothing back of what it granted, and grants nothing until the rest is what the rate wants", () => {
  const window = new ChannelWindow(LARGEST_WINDOW_BYTES, () => 20, 0);
  let granted = 0;
  for (let now = 1; now <= 2_000; now++) {
    window.handleReceived(1_000, now);
    granted += window.handleRead(1_000);
    assert.ok(!window.isOverrun);
    if (now < 1_900) assert.equal(granted, 0);
  }
  assert.ok(granted > 0);
});

Deno.test("ChannelWindow grants nothing for what nobody read", () => {
  const window = new ChannelWindow(LEAST_BYTES, () => 20, 0);
  window.handleReceived(LEAST_BYTES, 5);
  assert.equal(window.handleRead(1_000), 0);
  assert.ok(window.handleRead(100_000) > 0);
  window.handleReceived(LEAST_BYTES, 10);
  assert.ok(window.isOverrun);
});

const MUCH_BYTES = 1_000_000;

function pour(channel: ServerChannel): void {
  channel.write(Buffer.alloc(MUCH_BYTES, 120), () => channel.eof());
}

const CHANNELS: readonly {
  readonly name: string;
  readonly open: (
    connection: SshConnection,
  ) => Promise<(into: Uint8Array) => Promise<number | null>>;
}[] = [
  {
    name: "a session",
    open: async (connection) => {
      const session = await connection.openSession({ command: "much" });
      return (into) => session.readStdout(into);
    },
  },
  { name: "a TCP forward", open: async (connection) => readerOf(await connection.openTcp("a", 1)) },
  { name: "a unix forward", open: async (connection) => readerOf(await connection.openUnix("/a")) },
];

function readerOf(stream: ByteStream) {
  return (into: Uint8Array) => stream.read(into);
}

Deno.test("SshConnection gives a channel little where it knows the round trip, and all that is read anew", async (t) => {
  for (const { name, open } of CHANNELS) {
    await t.step(name, async () => {
      const server = await TestSshServer.start({
        onSession: ({ command, channel }) => command === "first" ? undefined : pour(channel),
        onTcp: (_, { accept }) => accept && pour(accept()),
        onUnix: (_, { accept }) => accept && pour(accept()),
      });
      const stream: PipeEnd & { roundTripMs?: number | undefined } = server.stream;
      stream.roundTripMs = 20;
      const reads = countReads(stream);
      const connection = await connectSsh(stream, { clock: new ManualClock() });
      await connection.openSession({ command: "first" });
      stream.roundTripMs = undefined; // as when the path is another
      const before = reads.bytes;
      const readMore = await open(connection);
      for (let turn = 0, last = -1; last !== reads.bytes || turn < 20; turn++) {
        last = reads.bytes;
        await new Promise((resolve) => setTimeout(resolve));
      }
      const unasked = reads.bytes - before;
      assert.ok(unasked > LEAST_BYTES && unasked < LEAST_BYTES + 10_000, `${unasked} came`);
      const into = new Uint8Array(65_536);
      let total = 0;
      for (let n = await readMore(into); n !== null; n = await readMore(into)) total += n;
      assert.equal(total, MUCH_BYTES);
      await connection.close();
    });
  }
});
