/**
 * A live SSH connection whose other side writes any messages that it likes (RFC 4254), under the encryption: an input is a
 * row of them. The connection lives on from input to input until one of them ends it.
 */
import { concatBytes } from "../../../lib/base/bytes.ts";
import { connectSsh, type SshConnection } from "../../../lib/ssh/connection.ts";
import type { SshSession } from "../../../lib/ssh/session.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { TestSshServer } from "../../support/ssh_server.ts";
import type { FuzzTarget } from "../target.ts";

/** What ssh2's server writes its packets with; the version is pinned for it. */
interface Writer {
  readonly _packetRW: {
    readonly write: {
      readonly allocStart: number;
      alloc(payloadBytes: number): Uint8Array;
      finalize(packet: Uint8Array): Uint8Array;
    };
  };
  readonly _cipher: { encrypt(packet: Uint8Array): void };
}

interface Live {
  readonly connection: SshConnection;
  readonly session: SshSession;
  readonly writer: Writer;
  isOver: boolean;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255);
const string = (text: string): Uint8Array => concatBytes(u32(utf8(text).length), utf8(text));
/** One message with its length before it: two bytes, as the target reads them. */
const message = (...parts: Uint8Array[]): Uint8Array => {
  const bytes = concatBytes(...parts);
  return concatBytes(Uint8Array.of(bytes.length >>> 8, bytes.length & 255), bytes);
};
const OURS = u32(0);

const CORPUS = [
  // Data, extended data, window, end, status and close of the session's channel (§5.1 to §6.10).
  concatBytes(
    message(Uint8Array.of(94), OURS, string("hello")),
    message(Uint8Array.of(95), OURS, u32(1), string("oops")),
    message(Uint8Array.of(93), OURS, u32(100_000)),
    message(Uint8Array.of(96), OURS),
    message(Uint8Array.of(98), OURS, string("exit-status"), Uint8Array.of(0), u32(7)),
    message(Uint8Array.of(97), OURS),
  ),
  message(
    Uint8Array.of(98),
    OURS,
    string("exit-signal"),
    Uint8Array.of(0),
    string("TERM"),
    Uint8Array.of(0),
    string("gone"),
    string(""),
  ),
  // Global requests, answers that nobody waits for, channels of forwards, agent and sessions (§4, §5.1, §7.2).
  concatBytes(
    message(Uint8Array.of(80), string("keepalive@openssh.com"), Uint8Array.of(1)),
    message(Uint8Array.of(80), string("hostkeys-00@openssh.com"), Uint8Array.of(0), string("x")),
    message(Uint8Array.of(81)),
    message(Uint8Array.of(82)),
  ),
  concatBytes(
    message(
      Uint8Array.of(90),
      string("forwarded-tcpip"),
      u32(9),
      u32(65_536),
      u32(32_768),
      string("127.0.0.1"),
      u32(80),
      string("10.0.0.1"),
      u32(50_000),
    ),
    message(
      Uint8Array.of(90),
      string("auth-agent@openssh.com"),
      u32(10),
      u32(65_536),
      u32(32_768),
    ),
    message(Uint8Array.of(90), string("session"), u32(11), u32(0), u32(0)),
  ),
  concatBytes(
    message(Uint8Array.of(91), u32(1), u32(1), u32(0), u32(0)),
    message(Uint8Array.of(92), u32(1), u32(2), string("no"), string("en")),
    message(Uint8Array.of(99), OURS),
    message(Uint8Array.of(100), OURS),
  ),
  // Debug, ignore, unimplemented, disconnect; a new key exchange (RFC 4253 §7, §11).
  concatBytes(
    message(Uint8Array.of(4), Uint8Array.of(1), string("\x1b[2Jdebug"), string("")),
    message(Uint8Array.of(2), string("ignored")),
    message(Uint8Array.of(3), u32(5)),
    message(Uint8Array.of(1), u32(11), string("bye"), string("")),
  ),
  message(
    Uint8Array.of(20),
    new Uint8Array(16),
    ...Array.from({ length: 10 }, () => string("none")),
  ),
];

let live: Promise<Live> | undefined;

async function start(): Promise<Live> {
  const server = await TestSshServer.start({ onSession: () => {} });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  const session = await connection.openSession({ command: "x" });
  const { _protocol: writer }: { _protocol: unknown } = await server.connected;
  const it: Live = { connection, session, writer: writer as Writer, isOver: false };
  connection.closed.then(() => it.isOver = true);
  session.ended.then(() => it.isOver = true);
  readAll(session.readStdout.bind(session));
  readAll(session.readStderr.bind(session));
  return it;
}

async function readAll(read: (into: Uint8Array) => Promise<number | null>): Promise<void> {
  const into = new Uint8Array(4_096);
  while (await read(into) !== null);
}

function write({ _packetRW: { write }, _cipher: cipher }: Writer, payload: Uint8Array): void {
  const packet = write.alloc(payload.length);
  packet.set(payload, write.allocStart);
  cipher.encrypt(write.finalize(packet));
}

export const SSH_TARGETS: readonly FuzzTarget[] = [{
  room: "ssh",
  name: "connection with a session",
  corpus: CORPUS,
  async run(input) {
    live ??= start();
    const it = await live;
    for (let at = 0; at + 2 <= input.length && !it.isOver;) {
      const length = (input[at] ?? 0) << 8 | (input[at + 1] ?? 0);
      const payload = input.subarray(at + 2, at + 2 + length);
      at += 2 + length;
      if (payload.length > 0) write(it.writer, payload);
    }
    // All of it has been taken when the loop is idle: the pipe between the two is in memory.
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setTimeout(resolve));
    if (!it.isOver) return;
    live = undefined;
    await it.connection.close();
  },
  async end() {
    const it = await live;
    live = undefined;
    await it?.connection.close();
  },
}];
