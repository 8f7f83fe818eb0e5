/**
 * A live SSH connection whose server sends any message at all, under the right keys: a session with a forwarded agent, a
 * forward, channels that the workspace opens (RFC 4254). What a message may do is end that connection, with its reason.
 */
import { ByteWriter, concatBytes } from "../../../lib/base/bytes.ts";
import { connectSsh, type SshConnection } from "../../../lib/ssh/connection.ts";
import { createBytePipe } from "../../support/byte_pipe.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { payloadSender, TestSshServer } from "../../support/ssh_server.ts";
import type { FuzzTarget } from "../target.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Fields of a message: a byte, a u32 (RFC 4251 §5), or a string with its length before it. */
function message(type: number, ...fields: readonly (number | boolean | string | Uint8Array)[]) {
  const parts = fields.map((field) => {
    if (typeof field === "boolean") return Uint8Array.of(field ? 1 : 0);
    const bytes = typeof field === "number" ? undefined : bytesOf(field);
    const part = new Uint8Array(4 + (bytes?.length ?? 0));
    new ByteWriter(part).u32be(bytes === undefined ? Number(field) : bytes.length);
    if (bytes !== undefined) part.set(bytes, 4);
    return part;
  });
  return concatBytes(Uint8Array.of(type), ...parts);
}

function bytesOf(field: string | Uint8Array): Uint8Array {
  return typeof field === "string" ? utf8(field) : field;
}

const WINDOW = 2_097_152;
const PACKET = 32_768;
const OURS = 0;
const BOUND_PORT = 8_080;

const YES = true;
const NO = false;

const CORPUS: readonly Uint8Array[] = [
  message(94, OURS, "output"),
  message(94, OURS, new Uint8Array(20_000)),
  message(95, OURS, 1, "errors"),
  message(95, OURS, 7, "of no known kind"),
  message(93, OURS, 4_096),
  message(96, OURS),
  message(97, OURS),
  message(98, OURS, "exit-status", NO, 3),
  message(98, OURS, "exit-signal", NO, "TERM", YES, "core dumped", "en"),
  message(98, OURS, "keepalive@openssh.com", YES),
  message(98, OURS, "eow@openssh.com", NO),
  message(99, OURS),
  message(100, OURS),
  message(90, "forwarded-tcpip", 1, WINDOW, PACKET, "127.0.0.1", BOUND_PORT, "10.0.0.1", 4_000),
  message(90, "forwarded-streamlocal@openssh.com", 1, WINDOW, PACKET, "/tmp/x.sock", ""),
  message(90, "auth-agent@openssh.com", 2, WINDOW, PACKET),
  message(90, "x11", 3, WINDOW, PACKET, "127.0.0.1", 6_000),
  message(90, "session", 4, WINDOW, PACKET),
  message(91, 1, 1, WINDOW, PACKET),
  message(92, 1, 2, "refused", "en"),
  message(80, "keepalive@openssh.com", YES),
  message(80, "hostkeys-00@openssh.com", NO, message(0, "ssh-ed25519").subarray(1)),
  message(81),
  message(82),
  message(1, 11, "bye", "en"),
  message(2, "ignored"),
  message(3, 5),
  message(4, YES, "debug", "en"),
  message(7, 1, "server-sig-algs", "ssh-ed25519"),
  message(
    20,
    new Uint8Array(16),
    "curve25519-sha256",
    "ssh-ed25519",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
  ),
  message(52),
  message(192, "ping@openssh.com"),
];

interface Live {
  readonly connection: SshConnection;
  readonly send: (payload: Uint8Array) => void;
  /** Whether a program runs: its session may end, and the connection go on. */
  hasSession: boolean;
  /** Set when the connection is over. */
  end: string | undefined;
}

/** A connection that ended, with the words for it. */
class ConnectionEnded extends Error {
  override name = "ConnectionEnded";
}

async function connect(): Promise<Live> {
  const server = await TestSshServer.start({
    onSession: () => {}, // the inputs are what runs in it
    onForward: (_name, _details, accept) => accept(),
  });
  const connection = await connectSsh(server.stream, {
    clock: new ManualClock(),
    dialAgent: () => Promise.resolve(createBytePipe()[0]),
  });
  await connection.listenTcp("127.0.0.1", BOUND_PORT, (incoming) => {
    if (incoming.from === "unix") return incoming.reject();
    const channel = incoming.accept();
    drain((into) => channel.read(into));
  });
  const live: Live = {
    connection,
    send: await payloadSender(await server.connected),
    hasSession: false,
    end: undefined,
  };
  connection.closed.then((end) => {
    live.end = end.kind === "closed" ? "closed" : end.message;
  });
  return live;
}

async function begin(live: Live): Promise<void> {
  const session = await live.connection.openSession({ command: "anything", forwardAgent: true });
  live.hasSession = true;
  session.ended.then(() => live.hasSession = false);
  drain((into) => session.readStdout(into));
  drain((into) => session.readStderr(into));
}

/** Reads to the end, however it comes. */
async function drain(read: (into: Uint8Array) => Promise<number | null>): Promise<void> {
  const into = new Uint8Array(65_536);
  try {
    while (await read(into) !== null);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** Everything that waits for nothing but turns of the loop has run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve));
}

let live: Live | undefined;

const sshChannels: FuzzTarget = {
  room: "ssh",
  name: "channels of a live connection",
  corpus: CORPUS,
  isDeclared: (error) => error instanceof ConnectionEnded,
  async prepare() {
    live ??= await connect();
    if (!live.hasSession) await begin(live);
  },
  async run(input) {
    if (live === undefined) throw new TypeError("There is no connection");
    live.send(input.subarray(0, PACKET));
    await settle();
    const { end } = live;
    if (end === undefined) return;
    live = undefined;
    if (end === "") throw new Error("The connection ended without a word");
    throw new ConnectionEnded(end);
  },
  async end() {
    await live?.connection.close();
    live = undefined;
  },
};

export const SSH_TARGETS: readonly FuzzTarget[] = [sshChannels];
