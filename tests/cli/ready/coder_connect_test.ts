/** Counterparts of upstream's `TestSSH_CoderConnect/*`, `TestCoderConnectDialer_*` and `TestCoderConnectStdio` (coder/coder `cli/ssh_test.go`). */
import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import type { ByteStream } from "../../../lib/base/stream.ts";
import {
  coderConnectHost,
  dialCoderConnect,
  isInCoderConnect,
  raceCoderConnect,
} from "../../../lib/cli/ready/coder_connect.ts";
import { EarlyInput, pipeStdio } from "../../../lib/cli/session/stdio_pipe.ts";
import { describe } from "../../../lib/coder/errors.ts";
import type { LocalTarget } from "../../../lib/ssh/host.ts";
import { createBytePipe } from "../../support/byte_pipe.ts";
import { FakeHost } from "../../support/fake_host.ts";

const HOSTNAME = "dev.myworkspace.myuser.coder";
const NEVER_ABORTED = new AbortController().signal;

/** Settles only with its signal. */
function hanging(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

Deno.test("coderConnectHost() is the agent's name in the deployment's domain, where there is one", () => {
  const agent = { agent: "dev", workspace: "myworkspace", owner: "myuser" };
  deepStrictEqual(coderConnectHost(agent, "coder"), HOSTNAME);
  deepStrictEqual(coderConnectHost(agent, ".coder"), HOSTNAME);
  deepStrictEqual(coderConnectHost(agent, ""), undefined);
});

Deno.test("isInCoderConnect() gives the resolver a hundred milliseconds", async () => {
  using host = new FakeHost();
  const isThere = await isInCoderConnect(HOSTNAME, {
    clock: host.clock,
    lookupIpv6: (_name, signal) => hanging(signal),
    signal: NEVER_ABORTED,
  });
  deepStrictEqual([isThere, host.clock.now()], [false, 100]);
});

Deno.test("isInCoderConnect() asks for the absolute name and ends with its signal", async () => {
  using host = new FakeHost();
  const abort = new AbortController();
  const asked: string[] = [];
  const probing = isInCoderConnect(HOSTNAME, {
    clock: host.clock,
    lookupIpv6: (name, signal) => {
      asked.push(name);
      return hanging(signal);
    },
    signal: abort.signal,
  });
  abort.abort(new Error("session over"));
  await rejects(probing, { message: "session over" });
  deepStrictEqual(asked, [`${HOSTNAME}.`]);
});

Deno.test("TestCoderConnectDialer_DefaultTimeout: five seconds", async () => {
  using host = new FakeHost();
  const dialing = dialCoderConnect(HOSTNAME, {
    clock: host.clock,
    connect: (_target, signal) => hanging(signal),
    signal: NEVER_ABORTED,
  });
  await rejects(dialing, (error) => {
    deepStrictEqual(
      describe(error),
      `dial coder connect host "${HOSTNAME}:22" over tcp: i/o timeout`,
    );
    return true;
  });
  deepStrictEqual(host.clock.now(), 5_000);
});

Deno.test("TestCoderConnectDialer_Overridden: the dialer handed over is used", async () => {
  using host = new FakeHost();
  const [ours] = createBytePipe();
  const targets: LocalTarget[] = [];
  const stream = await dialCoderConnect(HOSTNAME, {
    clock: host.clock,
    connect: (target) => {
      targets.push(target);
      return Promise.resolve(ours);
    },
    signal: NEVER_ABORTED,
  });
  deepStrictEqual(stream, ours);
  deepStrictEqual(targets, [{ kind: "tcp", host: HOSTNAME, port: 22 }]);
});

Deno.test("TestCoderConnectStdio: bytes go to and from the SSH server behind Coder Connect", async () => {
  using host = new FakeHost({ stdin: ["SSH-2.0-client\r\n"] });
  const [ours, server] = createBytePipe();
  const { stream } = await raceCoderConnect({
    coderConnect: () => Promise.resolve(ours),
    tunnel: hanging,
    signal: NEVER_ABORTED,
  });
  const serving = (async () => {
    await server.write(new TextEncoder().encode("SSH-2.0-Go\r\n"));
    const into = new Uint8Array(64);
    let text = "";
    for (let n = await server.read(into); n !== null; n = await server.read(into)) {
      text += new TextDecoder().decode(into.subarray(0, n));
    }
    await server.closeWrite();
    return text;
  })();
  deepStrictEqual(
    await pipeStdio(stream, {
      input: new EarlyInput(host.stdin),
      output: host.stdout,
      signal: new AbortController().signal,
    }),
    {
      kind: "ended",
    },
  );
  deepStrictEqual(host.stdout.text, "SSH-2.0-Go\r\n");
  deepStrictEqual(await serving, "SSH-2.0-client\r\n");
});

function opened(): { readonly stream: ByteStream; readonly isAborted: () => boolean } {
  const [stream, far] = createBytePipe();
  let isAborted = false;
  far.closed.then((end) => isAborted = end.kind !== "closed");
  return { stream, isAborted: () => isAborted };
}

Deno.test("raceCoderConnect() takes the tunnel where Coder Connect is not there", async () => {
  const { stream } = opened();
  const won = await raceCoderConnect({
    coderConnect: () => Promise.resolve(undefined),
    tunnel: () => Promise.resolve(stream),
    signal: NEVER_ABORTED,
  });
  deepStrictEqual(won, { via: "tunnel", stream });
});

Deno.test("raceCoderConnect() never waits for a probe that hangs, and calls it off", async () => {
  let wasCalledOff = false;
  const { stream } = opened();
  const won = await raceCoderConnect({
    coderConnect: (signal) => {
      signal.addEventListener("abort", () => wasCalledOff = true, { once: true });
      return new Promise(() => {});
    },
    tunnel: () => Promise.resolve(stream),
    signal: NEVER_ABORTED,
  });
  deepStrictEqual(won.via, "tunnel");
  ok(wasCalledOff);
});

Deno.test("raceCoderConnect() closes what opens after the winner", async () => {
  const fast = opened();
  const slow = opened();
  const late = Promise.withResolvers<ByteStream>();
  const won = await raceCoderConnect({
    coderConnect: () => Promise.resolve(fast.stream),
    tunnel: () => late.promise,
    signal: NEVER_ABORTED,
  });
  deepStrictEqual(won.via, "coder-connect");
  late.resolve(slow.stream);
  deepStrictEqual((await slow.stream.closed).kind, "aborted");
  ok(!fast.isAborted());
});

Deno.test("raceCoderConnect() leaves it to the tunnel when Coder Connect cannot be dialled", async () => {
  const { stream } = opened();
  const late = Promise.withResolvers<ByteStream>();
  const racing = raceCoderConnect({
    coderConnect: () => Promise.reject(new Error("connection refused")),
    tunnel: () => late.promise,
    signal: NEVER_ABORTED,
  });
  late.resolve(stream);
  deepStrictEqual((await racing).via, "tunnel");
});

Deno.test("TestSSH_CoderConnect/Enabled: with no other way, the failed dial is told", async () => {
  using host = new FakeHost();
  const racing = raceCoderConnect({
    coderConnect: (signal) =>
      dialCoderConnect(HOSTNAME, {
        clock: host.clock,
        connect: () => Promise.reject(new Error("connection refused")),
        signal,
      }),
    tunnel: () => Promise.reject(new Error("the workspace agent does not answer")),
    signal: NEVER_ABORTED,
  });
  await rejects(racing, (error) => {
    deepStrictEqual(
      describe(error),
      `dial coder connect host "${HOSTNAME}:22" over tcp: connection refused`,
    );
    return true;
  });
});

Deno.test("raceCoderConnect() tells the tunnel's failure where Coder Connect is not there", async () => {
  const racing = raceCoderConnect({
    coderConnect: () => Promise.resolve(undefined),
    tunnel: () => Promise.reject(new Error("the workspace agent does not answer")),
    signal: NEVER_ABORTED,
  });
  await rejects(racing, { message: "the workspace agent does not answer" });
});

Deno.test("raceCoderConnect() ends with its signal", async () => {
  const abort = new AbortController();
  const racing = raceCoderConnect({ coderConnect: hanging, tunnel: hanging, signal: abort.signal });
  abort.abort(new Error("interrupted"));
  await rejects(racing, { message: "interrupted" });
});
