/** What a workspace may make us hold: no more than the windows we gave, and no more than a bound over all channels. */
import { Buffer } from "node:buffer";
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { StreamError } from "../../lib/base/stream.ts";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { countReads } from "../support/byte_pipe.ts";
import { ManualClock } from "../support/manual_clock.ts";
import {
  payloadSender,
  type ServerChannel,
  type TestSession,
  TestSshServer,
} from "../support/ssh_server.ts";

const WINDOW_BYTES = 2 * 1024 * 1024;
/** No divisor of the window: it is not hit exactly, where ssh2 itself drops what comes. */
const PACKET_BYTES = 30_000;

/** Sends without a look at the window, as a hostile server would. */
function sendAnyway(channel: ServerChannel, bytes: number, to: "stdout" | "stderr"): void {
  const protocol = channel._client._protocol;
  const packet = Buffer.alloc(PACKET_BYTES, 120);
  for (let sent = 0; sent < bytes; sent += PACKET_BYTES) {
    if (to === "stdout") protocol.channelData(channel.outgoing.id, packet);
    else protocol.channelExtData(channel.outgoing.id, packet, 1);
  }
}

Deno.test("SshConnection ends when the workspace sends beyond the window that it was given (RFC 4254 §5.2)", async (t) => {
  for (const to of ["stdout", "stderr"] as const) {
    await t.step(to, async () => {
      // What lies unread below a full buffer is still granted anew: two windows are held at most.
      const onSession = ({ channel }: TestSession) => sendAnyway(channel, 3 * WINDOW_BYTES, to);
      const server = await TestSshServer.start({ onSession });
      const connection = await connectSsh(server.stream, { clock: new ManualClock() });
      const session = await connection.openSession({ command: "flood" });
      const end = await session.ended; // nobody reads
      ok(end.kind === "lost", end.kind);
      strictEqual(end.message, "The workspace sends more than it was allowed to (RFC 4254 §5.2)");
      await connection.close();
    });
  }
});

Deno.test("SshConnection takes all that the window allows, whoever reads late", async () => {
  const onSession = ({ channel }: TestSession) => {
    sendAnyway(channel, WINDOW_BYTES - PACKET_BYTES, "stdout");
    channel.exit(0);
    channel.close();
  };
  const server = await TestSshServer.start({ onSession });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  const session = await connection.openSession({ command: "much" });
  const into = new Uint8Array(65_536);
  let total = 0;
  for (let count = await session.readStdout(into); count !== null;) {
    total += count;
    count = await session.readStdout(into);
  }
  deepStrictEqual(total, Math.ceil(WINDOW_BYTES / PACKET_BYTES - 1) * PACKET_BYTES);
  await connection.close();
});

Deno.test("SshConnection is not read while its channels hold much that nobody reads, and is not dead for that", async () => {
  const SESSIONS = 16;
  const EACH_BYTES = 3 * 1024 * 1024;
  const onSession = ({ channel }: TestSession) => {
    const chunk = Buffer.alloc(64 * 1024, 120);
    const more = (left: number) => {
      channel.write(chunk, () => left > chunk.length ? more(left - chunk.length) : end());
    };
    const end = () => {
      channel.exit(0);
      channel.close();
    };
    more(EACH_BYTES);
  };
  const clock = new ManualClock();
  const server = await TestSshServer.start({ onSession });
  const keepalive = { intervalMs: 1_000, countMax: 3 };
  const { stream } = server;
  const reads = countReads(stream);
  const connection = await connectSsh(stream, { clock, keepalive });
  const sessions = await Promise.all(
    Array.from({ length: SESSIONS }, () => connection.openSession({ command: "much" })),
  );
  for (let before = -1; reads.bytes !== before;) {
    before = reads.bytes;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve));
  }
  ok(reads.bytes > 31 * 1024 * 1024 && reads.bytes < 34 * 1024 * 1024, `${reads.bytes}`);
  for (let second = 0; second < 10; second++) {
    clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve));
  }
  const totals = await Promise.all(sessions.map(async (session) => {
    const into = new Uint8Array(65_536);
    let total = 0;
    for (let n = await session.readStdout(into); n !== null; n = await session.readStdout(into)) {
      total += n;
    }
    return total;
  }));
  deepStrictEqual(totals, sessions.map(() => EACH_BYTES));
  await connection.close();
});

/** What a peer asks that wants an answer each time: global requests, requests of a channel, channels that we do not take. */
const QUESTIONS: readonly { readonly name: string; readonly payload: Uint8Array }[] = [
  { name: "global requests", payload: question(80, [], "keepalive@openssh.com") },
  { name: "requests of the session", payload: question(98, [0], "keepalive@openssh.com") },
  {
    name: "channels",
    payload: question(90, [], "session", new Array<number>(12).fill(1)),
  },
];

function question(
  type: number,
  ids: readonly number[],
  name: string,
  rest: readonly number[] = [1],
): Uint8Array {
  const text = new TextEncoder().encode(name);
  const id = ids.flatMap((one) => [0, 0, 0, one]);
  return new Uint8Array([type, ...id, 0, 0, 0, text.length, ...text, ...rest]);
}

Deno.test("SshConnection hears no more questions of a workspace that takes no answers than it can keep the answers of", async (t) => {
  const QUESTIONS_IN_ALL = 60_000;
  for (const { name, payload } of QUESTIONS) {
    await t.step(name, async () => {
      const server = await TestSshServer.start({ onSession: () => {} });
      const { stream } = server;
      const reads = countReads(stream);
      const connection = await connectSsh(stream, { clock: new ManualClock() });
      const session = await connection.openSession({ command: "asks" });
      // From now on nothing that we say is taken.
      const stuck = Promise.withResolvers<void>();
      stream.write = () => stuck.promise;
      const send = await payloadSender(await server.connected);
      let sent = 0;
      for (let before = -1; sent < QUESTIONS_IN_ALL && reads.bytes !== before;) {
        before = reads.bytes;
        for (let i = 0; i < 2_000; i++, sent++) send(payload);
        for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setTimeout(resolve));
      }
      ok(sent < QUESTIONS_IN_ALL, `${reads.bytes} bytes of ${sent} questions were heard`);
      stuck.reject(new StreamError({ kind: "reset", message: "enough" }));
      strictEqual((await session.ended).kind, "lost");
      await connection.close();
    });
  }
});

Deno.test("SshConnection that broke ends in time, also when the workspace takes nothing any more", async () => {
  const clock = new ManualClock();
  const server = await TestSshServer.start({ onSession: () => {} });
  const { stream } = server;
  const connection = await connectSsh(stream, { clock });
  const session = await connection.openSession({ command: "breaks" });
  const stuck = Promise.withResolvers<void>();
  stream.write = () => stuck.promise;
  (await payloadSender(await server.connected))(Uint8Array.of(94));
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setTimeout(resolve));
  clock.advance(2_000);
  const end = await session.ended;
  ok(end.kind === "lost");
  strictEqual(end.message, "Inbound: Malformed CHANNEL_DATA packet");
  await connection.close();
});
