/** Byte streams over the stack's sockets: two stacks in memory, packets carried by hand. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { StreamError } from "../../lib/base/stream.ts";
import { TcpStream } from "../../lib/io/tcp_stream.ts";
import { Netstack, type TcpSocket } from "../../lib/netstack/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { bytesOf, settle, text } from "./support.ts";

const A = new Uint8Array(16).fill(0xfd);
const B = new Uint8Array(16).fill(0xfe, 0, 1);

/** Two stacks with a connection between them, and a stream over one end. */
class Pair {
  readonly random = new SeededRandom(3);
  readonly ours = new Netstack({ addresses: [A], random: this.random });
  readonly theirs = new Netstack({ addresses: [B], random: this.random });
  now = 1_000;
  readonly stream: TcpStream;
  readonly socket: TcpSocket;
  peer: TcpSocket | undefined;
  /** Whether packets are carried as soon as the stream says that there are some. */
  isConnected = true;
  /** How often the stream asked for a turn. */
  scheduled = 0;
  readonly #buffer = new Uint8Array(1_500);

  constructor() {
    this.theirs.listen(1);
    this.socket = this.ours.connect({ remote: B, port: 1 }, this.now);
    this.stream = new TcpStream(this.socket, {
      now: () => this.now,
      schedule: () => {
        this.scheduled++;
        queueMicrotask(() => this.carry());
      },
    });
    this.carry();
  }

  get far(): TcpSocket {
    if (this.peer === undefined) throw new Error("not connected");
    return this.peer;
  }

  carry(): void {
    for (let moved = this.isConnected; moved;) {
      moved = this.#move(this.ours, this.theirs) || this.#move(this.theirs, this.ours);
    }
    for (let e = this.theirs.pollEvent(); e !== undefined; e = this.theirs.pollEvent()) {
      if (e.kind === "accepted") this.peer = e.socket;
    }
    for (let e = this.ours.pollEvent(); e !== undefined; e = this.ours.pollEvent()) {
      if (e.kind === "readable") this.stream.handleReadable();
      else if (e.kind === "writable") this.stream.handleWritable();
      else if (e.kind === "closed") this.stream.finish(e.socket.end ?? { kind: "closed" });
    }
  }

  #move(from: Netstack, to: Netstack): boolean {
    let moved = false;
    for (;;) {
      const length = from.pollTransmit(this.#buffer, 0, this.now);
      if (length === 0) return moved;
      to.handlePacket(this.#buffer.subarray(0, length), this.now);
      moved = true;
    }
  }

  /** Reads all that the far end has. */
  farRead(): string {
    const chunk = new Uint8Array(1_048_576);
    const words = text(chunk.subarray(0, this.far.read(chunk, this.now)));
    this.carry();
    return words;
  }
}

async function readText(stream: TcpStream): Promise<string | null> {
  const chunk = new Uint8Array(1_000);
  const count = await stream.read(chunk);
  return count === null ? null : text(chunk.subarray(0, count));
}

Deno.test("TcpStream reads what is there, and waits for what is not", async () => {
  const pair = new Pair();
  pair.far.write(bytesOf("now"), pair.now);
  pair.carry();
  strictEqual(await readText(pair.stream), "now");
  const later = readText(pair.stream);
  await settle();
  pair.far.write(bytesOf("later"), pair.now);
  pair.carry();
  strictEqual(await later, "later");
});

Deno.test("TcpStream allows one read and one write at a time", async () => {
  const pair = new Pair();
  const first = readText(pair.stream);
  await rejects(readText(pair.stream), /another read is pending/);
  pair.isConnected = false;
  const writing = pair.stream.write(new Uint8Array(10_000_000));
  await settle();
  await rejects(pair.stream.write(new Uint8Array(10_000_000)), /another write is pending/);
  const refused = rejects(writing, StreamError);
  pair.stream.abort();
  await refused;
  await rejects(first, StreamError);
});

Deno.test("TcpStream.write() resolves when all was taken: a peer that reads nothing holds it up", async () => {
  const pair = new Pair();
  const bytes = new Uint8Array(5_000_000).fill(65);
  let isWritten = false;
  const writing = pair.stream.write(bytes).then(() => isWritten = true);
  for (let i = 0; i < 50; i++) {
    await settle();
    pair.now += 1_000;
    pair.ours.handleTimeout(pair.now);
    pair.carry();
  }
  ok(!isWritten);
  let total = 0;
  for (let i = 0; i < 2_000 && total < bytes.length; i++) {
    total += pair.farRead().length;
    await settle();
    pair.now += 10;
    pair.ours.handleTimeout(pair.now);
    pair.theirs.handleTimeout(pair.now);
    pair.carry();
  }
  await writing;
  strictEqual(total, bytes.length);
});

Deno.test("TcpStream.read() makes room, and asks for a turn in which the sender hears of it", async () => {
  const pair = new Pair();
  pair.far.write(bytesOf("hello"), pair.now);
  pair.carry();
  const before = pair.scheduled;
  strictEqual(await readText(pair.stream), "hello");
  strictEqual(pair.scheduled, before + 1);
});

Deno.test("TcpStream: an end of one direction leaves the other open", async () => {
  const pair = new Pair();
  await pair.stream.write(bytesOf("question"));
  await pair.stream.closeWrite();
  await pair.stream.closeWrite();
  await settle();
  strictEqual(pair.farRead(), "question");
  ok(pair.far.isReadEnded);
  await rejects(pair.stream.write(bytesOf("more")), TypeError);
  pair.far.write(bytesOf("answer"), pair.now);
  pair.far.shutdownWrite(pair.now);
  pair.carry();
  strictEqual(await readText(pair.stream), "answer");
  strictEqual(await readText(pair.stream), null);
  strictEqual(await readText(pair.stream), null);
  await rejects(pair.stream.write(bytesOf("more")), StreamError);
});

Deno.test("TcpStream tells a reset from an end, but first gives what came before it", async () => {
  const pair = new Pair();
  pair.far.write(bytesOf("last words"), pair.now);
  pair.carry();
  pair.far.abort(pair.now);
  pair.carry();
  strictEqual(await readText(pair.stream), "last words");
  await rejects(readText(pair.stream), (error) => {
    return error instanceof StreamError && error.end.kind === "reset";
  });
  await rejects(pair.stream.write(bytesOf("x")), StreamError);
  strictEqual((await pair.stream.closed).kind, "reset");
});

Deno.test("TcpStream.abort() resets the peer, wakes whoever waits, and is idempotent", async () => {
  const pair = new Pair();
  const reading = rejects(readText(pair.stream), /given up for a reason/);
  await settle();
  pair.stream.abort("given up for a reason");
  pair.stream.abort("another");
  await reading;
  await settle();
  deepStrictEqual(await pair.stream.closed, { kind: "aborted", message: "given up for a reason" });
  strictEqual(pair.far.end?.kind, "reset");
});

Deno.test("TcpStream.finish() as lost: readers and writers hear of it, the first end counts", async () => {
  const pair = new Pair();
  const reading = rejects(readText(pair.stream), /the agent is gone/);
  await settle();
  pair.stream.finish({ kind: "lost", message: "the agent is gone" });
  pair.stream.finish({ kind: "closed" });
  await reading;
  await rejects(pair.stream.write(bytesOf("x")), /the agent is gone/);
  strictEqual((await pair.stream.closed).kind, "lost");
});
