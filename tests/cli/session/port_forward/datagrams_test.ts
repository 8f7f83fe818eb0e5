/** Datagrams of senders here, each in a flow of its own, and the bounds. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { DatagramFlow, LocalDatagrams, SendResult } from "../../../../lib/base/datagrams.ts";
import { SocketError } from "../../../../lib/base/sockets.ts";
import { StreamError } from "../../../../lib/base/stream.ts";
import { DatagramForwards } from "../../../../lib/cli/session/port_forward/datagrams.ts";
import { ManualClock } from "../../../support/manual_clock.ts";
import { MemorySockets } from "../../../support/memory_sockets.ts";

const LOOPBACK = "127.0.0.1";
const SPEC = { network: "udp", host: LOOPBACK, local: 5_353, remote: 53 } as const;
const TO = { host: LOOPBACK, port: SPEC.local };

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) =>
  data === undefined ? undefined : new TextDecoder().decode(data);
/** Whatever can happen without a clock has. */
const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** An echo in the workspace, with its port before what it says. */
class EchoFlow implements DatagramFlow {
  readonly #port: number;
  readonly #back: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  isClosed = false;

  constructor(port: number) {
    this.#port = port;
  }

  send(data: Uint8Array): SendResult {
    if (data.length > 1_232) return "too-long";
    this.#back.push(bytes(`${this.#port}:${text(data)}`));
    this.#wake?.();
    return "queued";
  }

  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.isClosed) return undefined;
      const data = this.#back.shift();
      if (data !== undefined) return data;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.isClosed = true;
    this.#wake?.();
  }
}

function newScene() {
  const clock = new ManualClock();
  const sockets = new MemorySockets();
  const said: string[] = [];
  const flows: EchoFlow[] = [];
  const asked: AbortSignal[] = [];
  let open = (port: number): Promise<DatagramFlow> => {
    const flow = new EchoFlow(port);
    flows.push(flow);
    return Promise.resolve(flow);
  };
  const forwards = new DatagramForwards({
    openUdp: (port, signal) => {
      asked.push(signal);
      return open(port);
    },
    sockets,
    clock,
    say: (line) => said.push(line),
  });
  return {
    clock,
    sockets,
    said,
    flows,
    asked,
    forwards,
    answer: (how: typeof open) => void (open = how),
    sender: () => sockets.listenDatagrams({ host: LOOPBACK, port: 0 }),
  };
}

async function ask(sender: LocalDatagrams, words: string): Promise<string | undefined> {
  await sender.send(bytes(words), TO);
  return text((await sender.receive())?.data);
}

Deno.test("DatagramForwards: each sender has a flow of its own, and its answers", async () => {
  const { forwards, flows, sender, said } = newScene();
  await forwards.listen(SPEC);
  const [a, b] = [await sender(), await sender()];
  strictEqual(await ask(a, "one"), "53:one");
  strictEqual(await ask(b, "two"), "53:two");
  strictEqual(await ask(a, ""), "53:");
  strictEqual(flows.length, 2);
  deepStrictEqual(said, [
    "Forwarding 'udp://127.0.0.1:5353' locally to 'udp://127.0.0.1:53' in the workspace",
  ]);
  await forwards[Symbol.asyncDispose]();
  deepStrictEqual(flows.map(({ isClosed }) => isClosed), [true, true]);
});

Deno.test("DatagramForwards listens on both loopbacks where no address is named", async () => {
  const { forwards, said } = newScene();
  await forwards.listen({ ...SPEC, host: undefined });
  deepStrictEqual(forwards.listening, [{ host: "::1", port: 5_353 }, TO]);
  deepStrictEqual(said.map((line) => line.slice(0, 35)), [
    "Forwarding 'udp://[::1]:5353' local",
    "Forwarding 'udp://127.0.0.1:5353' l",
  ]);
  await forwards[Symbol.asyncDispose]();
});

Deno.test("DatagramForwards says which port it cannot have", async () => {
  const { forwards, sockets } = newScene();
  await sockets.listenDatagrams(TO);
  await rejects(forwards.listen(SPEC), {
    message: "listen 'udp://127.0.0.1:5353': listen on 127.0.0.1:5353: address already in use",
  });
  await forwards[Symbol.asyncDispose]();
});

Deno.test("a flow that rests for two minutes ends; one that is used, in whichever direction, stays", async () => {
  const { forwards, flows, sender, clock } = newScene();
  const stop = new AbortController();
  await forwards.listen(SPEC);
  const running = forwards.run(stop.signal).catch((error) =>
    strictEqual(error, stop.signal.reason)
  );
  const [a, b] = [await sender(), await sender()];
  await ask(a, "rests");
  await ask(b, "goes on");
  for (let second = 0; second < 130; second += 10) {
    if (second === 60) await ask(b, "again");
    clock.advance(10_000);
    await settled();
  }
  deepStrictEqual(flows.map(({ isClosed }) => isClosed), [true, false]);
  strictEqual(forwards.flowCount, 1);
  strictEqual(await ask(a, "back"), "53:back");
  strictEqual(flows.length, 3);
  stop.abort();
  await running;
  await forwards[Symbol.asyncDispose]();
});

Deno.test("one sender too many ends the flow that rested longest, and no more are held", async () => {
  const { forwards, flows, sender } = newScene();
  await forwards.listen(SPEC);
  const first = await sender();
  const second = await sender();
  await ask(first, "1");
  await ask(second, "2");
  await ask(first, "1 again");
  for (let i = 0; i < 511; i++) strictEqual(await ask(await sender(), "x"), "53:x");
  strictEqual(forwards.flowCount, 512);
  deepStrictEqual([flows[0]?.isClosed, flows[1]?.isClosed], [false, true]);
  await forwards[Symbol.asyncDispose]();
});

Deno.test("what comes before a flow is open waits within a bound, and who waits too long is let go", async () => {
  const { forwards, sender, answer, asked } = newScene();
  const opened = Promise.withResolvers<DatagramFlow>();
  answer(() => opened.promise);
  await forwards.listen(SPEC);
  const a = await sender();
  const sent: string[] = [];
  for (let i = 0; i < 200; i++) {
    await a.send(bytes("x".repeat(1_000)), TO);
  }
  await settled();
  const flow: DatagramFlow = {
    send: (data) => {
      sent.push(text(data) ?? "");
      return "queued";
    },
    receive: () => Promise.resolve(undefined),
    close: () => {},
  };
  opened.resolve(flow);
  await settled();
  strictEqual(sent.length, Math.floor(65_536 / 1_064));
  // A flow that was never opened is given up with its sender.
  answer(() => new Promise(() => {}));
  asked.length = 0;
  for (let i = 0; i < 513; i++) await (await sender()).send(bytes("x"), TO);
  await settled();
  deepStrictEqual(asked.filter(({ aborted }) => aborted).length, 1);
});

Deno.test("a flow that cannot be opened is said once, and tried again by the next datagram", async () => {
  const { forwards, sender, said, answer, flows } = newScene();
  answer(() => Promise.reject(new StreamError({ kind: "lost", message: "it is away" })));
  await forwards.listen(SPEC);
  const a = await sender();
  for (let i = 0; i < 5; i++) {
    await a.send(bytes("x"), TO);
    await settled();
  }
  deepStrictEqual(said.slice(1), [
    "Failed to dial 'udp://127.0.0.1:53' in workspace: it is away",
  ]);
  answer((port) => {
    flows.push(new EchoFlow(port));
    return Promise.resolve(flows[0] ?? new EchoFlow(port));
  });
  strictEqual(await ask(a, "now"), "53:now");
  await forwards[Symbol.asyncDispose]();
});

Deno.test("datagrams that fit no packet are said once", async () => {
  const { forwards, sender, said } = newScene();
  await forwards.listen(SPEC);
  const a = await sender();
  await ask(a, "short");
  for (let i = 1_233; i < 1_240; i++) await a.send(new Uint8Array(i), TO);
  strictEqual(await ask(a, "short"), "53:short");
  deepStrictEqual(said.slice(1), [
    "Datagrams of more than 1232 bytes to 'udp://127.0.0.1:53' are lost: the tunnel's packets have no room for them",
  ]);
  await forwards[Symbol.asyncDispose]();
});

Deno.test("a socket that fails for good ends the command", async () => {
  const { forwards, sockets } = newScene();
  const broken = new SocketError("receive on 127.0.0.1:5353: broken");
  sockets.listenDatagrams = (address) =>
    Promise.resolve({
      address,
      receive: () => Promise.reject(broken),
      send: () => Promise.resolve(),
      close: () => {},
    });
  await forwards.listen(SPEC);
  const stop = new AbortController();
  await rejects(forwards.run(stop.signal), broken);
  stop.abort();
  await forwards[Symbol.asyncDispose]();
});
