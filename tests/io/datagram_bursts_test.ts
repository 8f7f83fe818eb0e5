/** Many datagrams a call beside one a call: the same arrive, whatever the C library refuses and whenever. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { SocketCalls } from "../../lib/io/socket_calls.ts";
import type { UdpSocketsOptions } from "../../lib/io/udp_sockets.ts";
import { callsOfSystem, isLinux, openSockets, type Side } from "./udp_support.ts";

const EIO = 5;
const EAGAIN = 11;
const EINVAL = 22;
const ENOSYS = 38;
const EMSGSIZE = 90;
const ENOPROTOOPT = 92;
const ENETUNREACH = 101;
const UDP_SEGMENT = 103;
/** Where a `struct msghdr` has the length of its control messages. */
const CONTROL_LENGTH_OFFSET = 40;
const FULL_BYTES = 1_312;

function open(calls: SocketCalls | undefined, options: Partial<UdpSocketsOptions> = {}): Side {
  return openSockets({ ...options, calls });
}

function bytesOf({ received }: Side): Uint8Array[] {
  return received.map(({ bytes }) => bytes);
}

/** What of the library's calls was made. */
interface Watched {
  readonly calls: SocketCalls;
  /** Datagrams, or runs of them, by whether they were to be cut apart. */
  readonly sends: { one: number; run: number };
  receives: number;
}

/** The real ones but for what `instead` answers. */
function watch(instead: Partial<Pick<SocketCalls, "sendmsg" | "recvmmsg">> = {}): Watched {
  const real = callsOfSystem();
  const { sendmsg = real.sendmsg, recvmmsg = real.recvmmsg } = instead;
  const watched: Watched = {
    calls: {
      ...real,
      sendmsg: (fd, header, flags) => {
        watched.sends[header[CONTROL_LENGTH_OFFSET] === 0 ? "one" : "run"]++;
        return sendmsg(fd, header, flags);
      },
      recvmmsg: (...args) => {
        watched.receives++;
        return recvmmsg(...args);
      },
    },
    sends: { one: 0, run: 0 },
    receives: 0,
  };
  return watched;
}

/** Datagram `index` of that length, unlike all others if it is long enough. */
function datagram(length: number, index: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(index);
  bytes.set([index >> 8, index].slice(0, length));
  return bytes;
}

async function send(from: Side, to: Side, lengths: readonly number[]): Promise<void> {
  const before = to.received.length;
  lengths.forEach((length, i) => assert(from.port.send(datagram(length, i), to.endpoint)));
  from.sockets.kick();
  await to.count(before + lengths.length);
}

/** Lengths as flows have them: runs of equal ones with others between. */
const lengths = fc.array(
  fc.record({
    length: fc.oneof(fc.constantFrom(0, 1, 32, FULL_BYTES), fc.nat({ max: FULL_BYTES })),
    times: fc.integer({ min: 1, max: 12 }),
  }),
  { minLength: 1, maxLength: 12 },
).map((runs) =>
  runs.flatMap(({ length, times }) => Array<number>(times).fill(length)).slice(0, 48)
);

Deno.test({
  name: "UdpSockets: the same datagrams arrive with many a call as with one, on either side",
  ignore: !isLinux,
  fn: async () => {
    await using plain = open(undefined);
    await using plainTo = open(undefined);
    const watched = watch();
    await using bursts = open(watched.calls);
    const watchedTo = watch();
    await using burstsTo = open(watchedTo.calls);
    const pairs = [plain, bursts].flatMap((from) => [plainTo, burstsTo].map((to) => [from, to]));
    await fc.assert(
      fc.asyncProperty(lengths, async (lengths) => {
        const expected = lengths.map(datagram);
        for (const [from, to] of pairs) {
          if (from === undefined || to === undefined) continue;
          to.received.length = 0;
          await send(from, to, lengths);
          assert.deepEqual(bytesOf(to), expected);
        }
      }),
      { numRuns: 40 },
    );
    assert(watched.sends.run > 0 && watched.sends.one > 0, "runs and single ones left");
    assert(watchedTo.receives > 0);
    for (const { senders } of [plainTo, burstsTo]) {
      assert.equal(senders.size, 2, "one object for a sender, however it was heard");
    }
  },
});

Deno.test({
  name: "UdpSockets: datagrams to several addresses go where they belong",
  ignore: !isLinux,
  fn: async () => {
    await using a = open(callsOfSystem());
    await using b = open(callsOfSystem());
    await using c = open(undefined);
    const turns = [b, b, c, c, b, c, b, b, b];
    turns.forEach((to, i) => assert(a.port.send(datagram(64, i), to.endpoint)));
    a.sockets.kick();
    for (const side of [b, c]) {
      const expected = turns.flatMap((to, i) => to === side ? [datagram(64, i)] : []);
      await side.count(expected.length);
      assert.deepEqual(bytesOf(side), expected);
    }
  },
});

const RUN = Array<number>(20).fill(FULL_BYTES);

/** What is tried again after a run was refused twice, two runs each, to two addresses. */
const SEND_ROWS = [
  { name: "no room", errno: EAGAIN, sends: { one: 0, run: 4 }, refused: [] },
  { name: "no way there", errno: ENETUNREACH, sends: { one: 0, run: 4 }, refused: [] },
  {
    name: "a device that cannot",
    errno: EIO,
    sends: { one: 60, run: 1 },
    refused: ["UDP_SEGMENT 5"],
  },
  {
    name: "segments that are too long for the way",
    errno: EINVAL,
    sends: { one: 40, run: 2 },
    refused: [],
  },
  {
    name: "the same, as newer kernels say it",
    errno: EMSGSIZE,
    sends: { one: 40, run: 2 },
    refused: [],
  },
  { name: "no such call", errno: ENOSYS, sends: { one: 0, run: 1 }, refused: ["sendmsg 38"] },
] as const;

for (const { name, errno, sends, refused } of SEND_ROWS) {
  Deno.test({
    name: `UdpSockets sends one datagram a call when the kernel refuses: ${name}`,
    ignore: !isLinux,
    fn: async () => {
      const watched = watch({ sendmsg: () => -errno });
      await using a = open(watched.calls);
      await using b = open(undefined);
      await using c = open(undefined);
      for (const to of [b, b, c, c]) await send(a, to, RUN);
      for (const to of [b, c]) {
        assert.deepEqual(bytesOf(to), [...RUN.map(datagram), ...RUN.map(datagram)]);
      }
      assert.deepEqual(watched.sends, sends);
      assert.deepEqual(a.refused, refused);
      assert.deepEqual(a.unsendable, []);
    },
  });
}

Deno.test({
  name: "UdpSockets: everything arrives, once and in order, whatever the kernel refuses and when",
  ignore: !isLinux,
  fn: async () => {
    const answers = fc.array(
      fc.constantFrom(0, 0, 0, EAGAIN, EIO, EINVAL, ENOSYS, ENETUNREACH),
      { minLength: 1, maxLength: 16 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(lengths, { maxLength: 4 }), answers, async (batches, answers) => {
        let asked = 0;
        const refusal = () => -(answers[asked++ % answers.length] ?? 0);
        const real = callsOfSystem();
        await using a = open({
          ...real,
          sendmsg: (...args) => refusal() || real.sendmsg(...args),
        });
        const realTo = callsOfSystem();
        await using b = open({
          ...realTo,
          recvmmsg: (...args) => refusal() || realTo.recvmmsg(...args),
        });
        for (const lengths of batches) await send(a, b, lengths);
        assert.deepEqual(bytesOf(b), batches.flatMap((lengths) => lengths.map(datagram)));
        assert.deepEqual(a.unsendable, []);
      }),
      { numRuns: 40 },
    );
  },
});

/** After two batches. */
const RECEIVE_ROWS = [
  { name: "nothing there", errno: EAGAIN, isTriedAgain: true },
  { name: "no such call", errno: ENOSYS, isTriedAgain: false },
  { name: "anything else", errno: EIO, isTriedAgain: false },
] as const;

for (const { name, errno, isTriedAgain } of RECEIVE_ROWS) {
  Deno.test({
    name: `UdpSockets receives one datagram a call when the kernel says: ${name}`,
    ignore: !isLinux,
    fn: async () => {
      const watched = watch({ recvmmsg: () => -errno });
      await using a = open(undefined);
      await using b = open(watched.calls);
      await send(a, b, RUN);
      await send(a, b, RUN);
      assert.deepEqual(bytesOf(b), [...RUN.map(datagram), ...RUN.map(datagram)]);
      assert(isTriedAgain ? watched.receives > 1 : watched.receives === 1, `${watched.receives}`);
      assert.deepEqual(b.refused, isTriedAgain ? [] : [`recvmmsg ${errno}`]);
    },
  });
}

Deno.test({
  name: "UdpSockets sends no run to a kernel that would send it as one datagram",
  ignore: !isLinux,
  fn: async () => {
    const watched = watch();
    const { getsockopt } = watched.calls;
    await using a = open({
      ...watched.calls,
      getsockopt: (fd, level, name, ...rest) =>
        name === UDP_SEGMENT ? -ENOPROTOOPT : getsockopt(fd, level, name, ...rest),
    });
    await using b = open(undefined);
    await send(a, b, RUN);
    assert.deepEqual(watched.sends, { one: RUN.length, run: 0 });
  },
});

Deno.test({
  name: "UdpSockets calls for no descriptor that is another socket's by now",
  ignore: !isLinux,
  fn: async () => {
    const watched = watch();
    await using other = open(undefined);
    let isReused = false;
    const { getsockopt } = watched.calls;
    const cookie = 57;
    const calls: SocketCalls = {
      ...watched.calls,
      getsockopt: (fd, level, name, value, length) => {
        const result = getsockopt(fd, level, name, value, length);
        if (isReused && name === cookie) value.set([(value[0] ?? 0) ^ 1]);
        return result;
      },
    };
    await using a = open(calls);
    await send(other, a, RUN);
    await send(a, other, RUN);
    const before = { receives: watched.receives, ...watched.sends };
    assert.equal(before.run, 1);
    isReused = true;
    await send(other, a, RUN);
    await send(a, other, RUN);
    assert.deepEqual({ receives: watched.receives, ...watched.sends }, before);
  },
});

Deno.test({
  name: "UdpSockets lets timers have their turn while batch follows batch",
  ignore: !isLinux,
  fn: async () => {
    let isOver = false;
    await using b = open(callsOfSystem());
    const a: Side = open(callsOfSystem(), {
      onSent: () => {
        if (!isOver) a.port.send(datagram(64, 0), b.endpoint);
      },
    });
    await using _ = a;
    const timer = new Promise<void>((resolve) => setTimeout(resolve, 1));
    a.port.send(datagram(64, 0), b.endpoint);
    a.sockets.kick();
    await timer;
    isOver = true;
    await a.sockets.drained();
  },
});
