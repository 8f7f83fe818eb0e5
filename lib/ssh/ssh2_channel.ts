/**
 * One channel of npm ssh2 (RFC 4254 §5) as a `ByteStream`, and what can be asked of a session channel (§6).
 * Every request wants a reply, so that a refusal is told; ssh2's own `exec` and `shell` ask for fewer.
 */
import { ExpectedError } from "../base/errors.ts";
import type { Readable } from "node:stream";
import { ByteWriter } from "../base/bytes.ts";
import type { Instant } from "../base/core.ts";
import { type StreamEnd, StreamError } from "../base/stream.ts";
import { ChannelWindow, LARGEST_WINDOW_BYTES, type RoundTrip } from "./channel_window.ts";
import type { TerminalSize } from "./host.ts";
import { NodeByteStream, NodeSource } from "./node_stream.ts";
import type { Ssh2Channel, Ssh2Protocol, Ssh2UtilsModule } from "./ssh2_types.ts";

const MSG_CHANNEL_REQUEST = 98; // RFC 4254 §9
const WANT_REPLY = true;
/** In which something may be said on a channel (RFC 4254 §5.3). */
const OPEN_STATES: ReadonlySet<string> = new Set(["open", "eof"]);

export interface SshChannelContext {
  readonly protocol: Ssh2Protocol;
  readonly sendPacket: Ssh2UtilsModule["default"]["sendPacket"];
  readonly takeAgentChannels: () => void;
  readonly drained: () => Promise<void>;
  readonly now: () => Instant;
  readonly roundTrip: RoundTrip;
  /** What the other side was told that it may send. */
  readonly windowBytes: number;
  /** How a channel ended that closes now. */
  readonly endOf: () => StreamEnd;
  /** The workspace sent more than the window it was given (RFC 4254 §5.2), which ssh2 lets pass. */
  readonly overrun: () => void;
  /** What had been received was read: there may be room for more. */
  readonly onRead: () => void;
}

/** How a session's program ended. */
export type ProgramEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** `name` without `SIG`, as RFC 4254 §6.10 has it. */
  | { readonly kind: "signal"; readonly name: string };

/** As a `ByteStream` it is the data both ways: standard input and output of a session. */
export class SshChannel extends NodeByteStream {
  /** Extended data of type 1. That of a session must be read, or the channel stalls. */
  readonly stderr: NodeSource;
  readonly #channel: Ssh2Channel;
  readonly #context: SshChannelContext;
  #programEnd: ProgramEnd | undefined;

  constructor(channel: Ssh2Channel, context: SshChannelContext) {
    // Node would destroy, which here means close, a channel of which both directions ended: before its exit status came.
    channel.destroy = () => channel;
    const isSession = channel.type === "session";
    super(channel, {
      drained: context.drained,
      release: () => channel.close(),
      isHeldOpen: isSession,
    });
    this.#channel = channel;
    this.#context = context;
    const window = takeWindow(channel, context);
    for (const half of [channel, channel.stderr]) guardWindow(half, window, { channel, context });
    this.stderr = new NodeSource(channel.stderr);
    if (!isSession) this.stderr.discard();
    channel.on("exit", (code: number | null, signal?: string) => {
      this.#programEnd = code === null
        ? { kind: "signal", name: (signal ?? "").replace(/^SIG/, "") }
        : { kind: "exit", code };
    });
    channel.on("close", () => this.finish(context.endOf()));
  }

  /** Bytes that were received and not read yet. */
  get unreadBytes(): number {
    return this.#channel.readableLength + this.#channel.stderr.readableLength;
  }

  /** Set before `closed` resolves, if the workspace said. */
  get programEnd(): ProgramEnd | undefined {
    return this.#programEnd;
  }

  override abort(message?: string): void {
    super.abort(message);
    this.stderr.discard();
  }

  override finish(end: StreamEnd): void {
    super.finish(end);
    if (end.kind !== "closed") this.stderr.break(new StreamError(end));
  }

  /** Sets a variable (RFC 4254 §6.4). Rejects when refused. */
  requestEnv(name: string, value: string): Promise<void> {
    return this.#request((id) => this.#context.protocol.env(id, name, value, WANT_REPLY));
  }

  /** A terminal (§6.2), without modes of its own: Deno cannot read ours. */
  requestPty(term: string, size: TerminalSize): Promise<void> {
    const { columns, rows } = size;
    return this.#request((id) =>
      this.#context.protocol.pty(id, rows, columns, 0, 0, term, null, WANT_REPLY)
    );
  }

  /** `auth-agent-req@openssh.com`; from then on the connection takes agent channels. */
  requestAgentForwarding(): Promise<void> {
    this.#context.takeAgentChannels();
    return this.#request((id) => this.#context.protocol.openssh_agentForward(id, WANT_REPLY));
  }

  /** Starts the login shell (§6.5). */
  async requestShell(): Promise<void> {
    await this.#request((id) => this.#context.protocol.shell(id, WANT_REPLY));
    this.#channel.subtype = "shell"; // ssh2 sends window changes for these two only
  }

  /** Starts a command (§6.5). */
  async requestExec(command: string): Promise<void> {
    await this.#request((id) => this.#context.protocol.exec(id, command, WANT_REPLY));
    this.#channel.subtype = "exec";
  }

  /** The terminal has another size (§6.7). Does nothing once the channel is closed. */
  resize(size: TerminalSize): void {
    this.#channel.setWindow(size.rows, size.columns, 0, 0);
  }

  /** Delivers a signal (§6.9); `name` without `SIG`, one of that section's. */
  signal(name: string): void {
    this.#channel.signal(name);
  }

  /** A serial BREAK of `lengthMs`, 0 for the server's default (RFC 4335 §3). Nobody waits for the answer. */
  sendBreak(lengthMs = 0): void {
    if (this.#channel.outgoing.state !== "open") return;
    const name = new TextEncoder().encode("break");
    const payloadBytes = 1 + 4 + 4 + name.length + 1 + 4;
    const { write } = this.#context.protocol._packetRW;
    const packet = write.alloc(payloadBytes);
    new ByteWriter(packet, write.allocStart).u8(MSG_CHANNEL_REQUEST)
      .u32be(this.#channel.outgoing.id).u32be(name.length).bytes(name).u8(0).u32be(lengthMs);
    this.#context.sendPacket(this.#context.protocol, write.finalize(packet));
  }

  /** Answers come in the order of the requests, so several may be under way. The channel's end is the answer to all of them. */
  #request(send: (channelId: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.closed.then((end) => reject(new StreamError(end)));
      if (this.#channel.outgoing.state !== "open") {
        reject(new ExpectedError("channel is closed"));
        return;
      }
      this.#channel._callbacks.push((failure) => {
        if (failure === false) resolve();
        else reject(new ExpectedError(failure === true ? "request refused" : failure.message));
      });
      send(this.#channel.outgoing.id);
    });
  }
}

/** ssh2 counts down a window that is always the largest, so that it never sees a reason to open it; `ChannelWindow` has the count. */
function takeWindow(channel: Ssh2Channel, context: SshChannelContext): ChannelWindow {
  const { now } = context;
  const window = new ChannelWindow(context.windowBytes, context.roundTrip, now());
  const { incoming } = channel;
  window.handleReceived(LARGEST_WINDOW_BYTES - incoming.window, now()); // came behind the answer to the opening
  channel.incoming = {
    ...incoming,
    get window() {
      return LARGEST_WINDOW_BYTES;
    },
    set window(left: number) {
      window.handleReceived(LARGEST_WINDOW_BYTES - left, now());
    },
  };
  return window;
}

/** Takes only what fits the window: whoever does not wait for us could fill our memory while nobody reads. */
function guardWindow(
  half: Readable,
  window: ChannelWindow,
  { channel, context }: { readonly channel: Ssh2Channel; readonly context: SshChannelContext },
): void {
  const push = half.push.bind(half);
  half.push = (chunk, encoding) => {
    if (chunk !== null && window.isOverrun) {
      context.overrun();
      return false;
    }
    return push(chunk, encoding);
  };
  const read = half.read.bind(half);
  half.read = (size) => {
    const bytes: unknown = read(size);
    if (!(bytes instanceof Uint8Array)) return bytes;
    const grantedBytes = window.handleRead(bytes.length);
    if (grantedBytes > 0 && OPEN_STATES.has(channel.outgoing.state)) {
      context.protocol.channelWindowAdjust(channel.outgoing.id, grantedBytes);
    }
    context.onRead();
    return bytes;
  };
}
