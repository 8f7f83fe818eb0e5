import assert from "node:assert/strict";
import { equalBytes } from "../../lib/base/bytes.ts";
import type { ByteStream } from "../../lib/base/stream.ts";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import { type FarSide, sshFarSide } from "../../lib/ssh/far_side.ts";
import {
  type ForwardOptions,
  type ForwardRequest,
  type ForwardSet,
  startForwards,
} from "../../lib/ssh/forwards.ts";
import { formatTarget, type LocalSockets, type LocalTarget } from "../../lib/ssh/host.ts";
import { joinStreams } from "../../lib/ssh/join.ts";
import { runStdioForward } from "../../lib/ssh/stdio_forward.ts";
import { createBytePipe } from "../support/byte_pipe.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { MemorySockets } from "../support/memory_sockets.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { ForwardingWorkspace } from "../support/ssh_forwarding.ts";
import { readAll, TestSshServer } from "../support/ssh_server.ts";

/** This machine and the workspace share one set of sockets, as they do when the workspace is on this machine. */
const SOCKETS = new MemorySockets();
const LOOPBACK = "127.0.0.1";
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const now = () => 0;

interface Scene {
  readonly connection: SshConnection;
  readonly workspace: ForwardingWorkspace;
  readonly said: string[];
  start(request: ForwardRequest, options?: ForwardOptions): Promise<ForwardSet>;
}

async function withScene(
  use: (scene: Scene) => Promise<void>,
  sockets: LocalSockets = SOCKETS,
): Promise<void> {
  const workspace = new ForwardingWorkspace(SOCKETS);
  const server = await TestSshServer.start(workspace.options);
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  workspace.connection = await server.connected;
  const said: string[] = [];
  const host = { sockets, print: (line: string) => void said.push(line), now };
  const sets: ForwardSet[] = [];
  const start = async (request: ForwardRequest, options?: ForwardOptions) => {
    const set = await startForwards(sshFarSide(connection), host, request, options);
    sets.push(set);
    return set;
  };
  try {
    await use({ connection, workspace, said, start });
  } finally {
    for (const set of sets) await set.close();
    await connection.close();
    workspace.close();
  }
}

/** Answers each connection with what it was sent, in upper case, once it has read the end: half-closes are needed. */
async function withService(
  target: LocalTarget,
  use: (target: LocalTarget) => Promise<void>,
): Promise<void> {
  const listener = await SOCKETS.listen(target);
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for (
      let stream = await listener.accept();
      stream !== undefined;
      stream = await listener.accept()
    ) {
      serving.push(serve(stream));
    }
  })();
  try {
    await use(listener.target);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(serving);
  }
}

async function serve(stream: ByteStream): Promise<void> {
  const all = await readAll((into) => stream.read(into));
  await stream.write(encoder.encode(decoder.decode(all).toUpperCase()));
  await stream.closeWrite();
}

async function ask(stream: ByteStream, text: string): Promise<string> {
  await stream.write(encoder.encode(text));
  await stream.closeWrite();
  return decoder.decode(await readAll((into) => stream.read(into)));
}

function tcp(port: number): LocalTarget {
  return { kind: "tcp", host: LOOPBACK, port };
}

function only(targets: readonly LocalTarget[]): LocalTarget {
  const [target] = targets;
  assert(target !== undefined);
  return target;
}

Deno.test("local forward joins a port here to a port there, half-closes included", async () => {
  await withService(tcp(0), (to) =>
    withScene(async ({ start, said }) => {
      const set = await start({ local: [{ listen: tcp(0), to }] });
      const at = only(set.listening);
      const answers = await Promise.all(
        ["one", "two", "three"].map(async (word) => ask(await SOCKETS.connect(at), word)),
      );
      assert.deepEqual(answers, ["ONE", "TWO", "THREE"]);
      assert.match(set.list()[0] ?? "", /^local 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+$/);
      assert.deepEqual(said, []);
    }));
});

Deno.test("local forward joins unix sockets on either side", async () => {
  await withScene(async ({ start }) => {
    const remote: LocalTarget = { kind: "unix", path: `/tmp/remote.sock` };
    const local: LocalTarget = { kind: "unix", path: `/tmp/local.sock` };
    await withService(remote, async () => {
      const set = await start({
        local: [{ listen: local, to: remote }, { listen: tcp(0), to: remote }],
      });
      for (const at of set.listening) {
        assert.equal(await ask(await SOCKETS.connect(at), "sock"), "SOCK");
      }
      await set.close();
      await assert.rejects(SOCKETS.connect(local), /no such file/);
    });
  });
});

Deno.test("local forward of localhost needs no second IP version", async () => {
  await withService(tcp(0), (to) =>
    withScene(async ({ start }) => {
      const listen: LocalTarget = { kind: "tcp", host: "localhost", port: 0 };
      const set = await start({ local: [{ listen, to }] });
      assert.equal(await ask(await SOCKETS.connect(only(set.listening)), "x"), "X");
    }));
});

Deno.test("local forward says what the workspace cannot reach, and goes on", async () => {
  await withScene(async ({ start, said }) => {
    const nowhere: LocalTarget = { kind: "unix", path: `/tmp/nobody.sock` };
    const set = await start({ local: [{ listen: tcp(0), to: nowhere }] });
    const stream = await SOCKETS.connect(only(set.listening));
    await assert.rejects(async () => {
      if (await stream.read(new Uint8Array(1)) === null) throw new Error("closed");
    });
    assert.match(said[0] ?? "", /^Cannot connect to .*nobody\.sock in the workspace: /);
    stream.abort();
  });
});

Deno.test("forward that cannot be made is said, or ends the command when asked to", async () => {
  await withScene(async ({ start, said }) => {
    const taken = await SOCKETS.listen(tcp(0));
    const remote: LocalTarget = { kind: "unix", path: `/tmp/no/such/folder.sock` };
    const request = {
      local: [{ listen: taken.target, to: tcp(1) }],
      remote: [{ listen: remote, to: tcp(1) }],
    };
    await start(request);
    assert.match(
      said[0] ?? "",
      /^Cannot forward: listen on 127\.0\.0\.1:\d+: address already in use$/,
    );
    assert.equal(
      said[1],
      `ssh remote forward: listen on remote SSH address ${remote.path}: request denied by peer`,
    );
    await assert.rejects(start(request, { exitOnFailure: true }), {
      name: "UserError",
      exitCode: 255,
    });
    taken.close();
  });
});

Deno.test("dynamic forward serves SOCKS 4a and 5, names included, and tells what cannot be reached", async () => {
  await withService(tcp(0), (to) =>
    withScene(async ({ start, said }) => {
      assert(to.kind === "tcp");
      const set = await start({ dynamic: [{ listen: tcp(0) }] });
      const at = only(set.listening);
      const port = [to.port >> 8, to.port & 255];
      const name = [...encoder.encode(LOOPBACK)];
      const five = await SOCKETS.connect(at);
      await five.write(new Uint8Array([5, 1, 0, 5, 1, 0, 3, name.length, ...name, ...port]));
      assert.equal(await ask(five, "five"), "\x05\0\x05\0\0\x01\0\0\0\0\0\0FIVE");
      const four = await SOCKETS.connect(at);
      await four.write(
        new Uint8Array([4, 1, ...port, 0, 0, 0, 1, 0, ...name, 0, ...encoder.encode("ahead ")]),
      );
      assert.equal((await ask(four, "four")).slice(8), "AHEAD FOUR");
      const bad = await SOCKETS.connect(at);
      await bad.write(encoder.encode("GET / HTTP/1.1\r\n\r\n"));
      await assert.rejects(async () => {
        if (await bad.read(new Uint8Array(1)) === null) throw new Error("closed");
      });
      bad.abort();
      assert.deepEqual(said, ["SOCKS client refused: not SOCKS 4 or 5: first byte is 71"]);
    }));
});

Deno.test("remote forward joins a port and a socket there to services here, several at once", async () => {
  await withService(tcp(0), (to) =>
    withScene(async ({ start, workspace, said }) => {
      const socket: LocalTarget = { kind: "unix", path: `/tmp/there.sock` };
      const set = await start({ remote: [{ listen: tcp(0), to }, { listen: socket, to }] });
      assert.match(said[0] ?? "", /^Allocated port \d+ for remote forward/);
      const port = Number(/^127\.0\.0\.1:(\d+)$/.exec(workspace.listening[0] ?? "")?.[1]);
      assert.equal(await ask(await SOCKETS.connect(tcp(port)), "port"), "PORT");
      assert.equal(await ask(await SOCKETS.connect(socket), "socket"), "SOCKET");
      await set.close();
      assert.deepEqual(workspace.listening, []);
    }));
});

Deno.test("remote forward refuses and says so when the service here is away, and finds it when it comes", async () => {
  await withScene(async ({ start, said }) => {
    const here: LocalTarget = { kind: "unix", path: `/tmp/here.sock` };
    const there: LocalTarget = { kind: "unix", path: `/tmp/there.sock` };
    await start({ remote: [{ listen: there, to: here }] });
    const early = await SOCKETS.connect(there);
    await assert.rejects(async () => {
      if (await early.read(new Uint8Array(1)) === null) throw new Error("closed");
    });
    early.abort();
    assert.deepEqual(said, [
      `Dial local address ${here.path}: dial ${here.path}: no such file or directory`,
    ]);
    await withService(here, async () => {
      assert.equal(await ask(await SOCKETS.connect(there), "later"), "LATER");
    });
  });
});

Deno.test("a workspace that opens forwarded connections in one breath has no more of them dialled here than are allowed", async () => {
  const there: LocalTarget = { kind: "unix", path: "/tmp/flood.sock" };
  let dialled = 0;
  const answers: (() => void)[] = [];
  const sockets: LocalSockets = {
    listen: (target) => SOCKETS.listen(target),
    listenDatagrams: (address) => SOCKETS.listenDatagrams(address),
    // Somebody here who is slow to answer.
    connect: () => {
      dialled++;
      return new Promise((resolve) => answers.push(() => resolve(createBytePipe()[0])));
    },
  };
  await withScene(async ({ start, said, workspace }) => {
    await start({ remote: [{ listen: there, to: tcp(1) }] }, { maxConnections: 8 });
    const open = () =>
      new Promise<string>((resolve) =>
        workspace.connection?.openssh_forwardOutStreamLocal(
          there.path,
          (error) => resolve(error === undefined ? "open" : "refused"),
        )
      );
    const opening = Array.from({ length: 200 }, open);
    const refused = await Promise.all(opening.slice(8));
    assert.ok(refused.every((how) => how === "refused"));
    assert.equal(dialled, 8);
    assert.deepEqual(said, ["More than 8 forwarded connections: closing new ones"]);
    for (const answer of answers) answer();
    assert.deepEqual(await Promise.all(opening.slice(0, 8)), new Array(8).fill("open"));
  }, sockets);
});

Deno.test("forwards bound their connections, list them and end them all", async () => {
  const listener = await SOCKETS.listen(tcp(0));
  await withScene(async ({ start, said }) => {
    const set = await start(
      { local: [{ listen: tcp(0), to: listener.target }] },
      { maxConnections: 2 },
    );
    const streams = [];
    const accepted = [];
    for (let i = 0; i < 2; i++) {
      streams.push(await SOCKETS.connect(only(set.listening)));
      accepted.push(await listener.accept());
    }
    while (set.list().filter((line) => line.startsWith("direct to ")).length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const third = await SOCKETS.connect(only(set.listening));
    assert.equal(await third.read(new Uint8Array(1)).catch(() => null), null);
    third.abort();
    assert.deepEqual(said, ["More than 2 forwarded connections: closing new ones"]);
    await set.close();
    for (const stream of streams) {
      assert.equal(await stream.read(new Uint8Array(1)).catch(() => null), null);
      stream.abort();
    }
    for (const stream of accepted) stream?.abort();
  });
  listener.close();
});

Deno.test("local forward carries bulk, and a slow reader holds the sender back", async () => {
  const listener = await SOCKETS.listen(tcp(0));
  await withScene(async ({ start }) => {
    const set = await start({ local: [{ listen: tcp(0), to: listener.target }] });
    const client = await SOCKETS.connect(only(set.listening));
    const echo = await listener.accept();
    assert(echo !== undefined);
    const [near, far] = [client, echo];
    const sent = new Uint8Array(4 * 1024 * 1024).map((_, i) => i * 7);
    const echoing = (async () => {
      const all = await readAll((into) => far.read(into));
      await far.write(all);
      await far.closeWrite();
    })();
    await near.write(sent);
    await near.closeWrite();
    const received = await readAll((into) => near.read(into));
    await echoing;
    assert(equalBytes(received, sent));
  });
  listener.close();
});

Deno.test("runStdioForward() joins standard input and output to a port there", async () => {
  await withService(tcp(0), (to) =>
    withScene(async ({ connection }) => {
      assert(to.kind === "tcp");
      const terminal = new FakeTerminal({ isStdinTerminal: false, isStdoutTerminal: false });
      const running = runStdioForward(connection, terminal, to);
      await terminal.type("through");
      await terminal.typeEnd();
      assert.deepEqual(await running, { exitCode: 0 });
      assert.equal(terminal.stdout.text, "THROUGH");
      await assert.rejects(runStdioForward(connection, terminal, { host: LOOPBACK, port: 1 }), {
        name: "UserError",
        exitCode: 255,
        message: /^Cannot connect to 127\.0\.0\.1:1 in the workspace: /,
      });
    }));
});

Deno.test("runStdioForward() is given up on request", async () => {
  const listener = await SOCKETS.listen(tcp(0));
  await withScene(async ({ connection }) => {
    const { target } = listener;
    assert(target.kind === "tcp");
    const controller = new AbortController();
    const terminal = new FakeTerminal({ isStdinTerminal: false });
    const running = runStdioForward(connection, terminal, { ...target, signal: controller.signal });
    await listener.accept();
    controller.abort(new Error("terminated"));
    await assert.rejects(running, { message: "terminated" });
  });
  listener.close();
});

Deno.test("forwards are left within two seconds when the network says nothing any more", async () => {
  const workspace = new ForwardingWorkspace(SOCKETS);
  const server = await TestSshServer.start(workspace.options);
  const clock = new ManualClock();
  const connection = await connectSsh(server.stream, { clock });
  const set = await startForwards(sshFarSide(connection), {
    sockets: SOCKETS,
    print: () => {},
    now,
  }, {
    local: [{ listen: tcp(0), to: tcp(1) }],
    remote: [{ listen: tcp(0), to: tcp(1) }],
  });
  const peer = server.stream.peer;
  assert(peer !== undefined);
  peer.write = () => Promise.resolve();
  peer.closeWrite = () => Promise.resolve();
  const stuck = await SOCKETS.connect(only(set.listening)); // waits for an answer that never comes
  const leaving = (async () => {
    await set.close();
    await connection.close();
  })();
  for (let step = 0; step < 2; step++) {
    while (clock.sleeperCount === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    clock.advance(2_000);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await leaving;
  stuck.abort();
  workspace.close();
});

Deno.test("joinStreams() breaks the other side when one breaks", async () => {
  const { createBytePipe } = await import("../support/byte_pipe.ts");
  const [a, nearA] = createBytePipe();
  const [b, nearB] = createBytePipe();
  const joining = joinStreams(nearA, nearB);
  a.abort("gone");
  const broken = await joining;
  assert.equal(broken?.stream, nearA);
  assert.equal(broken?.error.end.kind, "reset");
  assert.equal((await b.closed).kind, "reset");
});

/** A far side that is no SSH connection: it opens streams, and that is all. */
function plainFarSide(opened: string[]): FarSide {
  return {
    open(target) {
      opened.push(formatTarget(target));
      return SOCKETS.connect(target);
    },
    waitToClose: async (work) => void await work,
  };
}

Deno.test("forwards need no more of the far side than streams to what is there", async () => {
  await withService(tcp(0), async (to) => {
    const opened: string[] = [];
    const said: string[] = [];
    await using set = await startForwards(plainFarSide(opened), {
      sockets: SOCKETS,
      print: (line) => said.push(line),
      now,
    }, { local: [{ listen: tcp(0), to }], dynamic: [{ listen: tcp(0) }] });
    const [local, dynamic] = set.listening;
    assert(local !== undefined && dynamic !== undefined && to.kind === "tcp");
    assert.equal(await ask(await SOCKETS.connect(local), "one"), "ONE");
    const client = await SOCKETS.connect(dynamic);
    // SOCKS 4: connect to 127.0.0.1, no user.
    await client.write(Uint8Array.of(4, 1, to.port >> 8, to.port & 255, 127, 0, 0, 1, 0));
    const reply = new Uint8Array(8);
    assert.equal(await client.read(reply), 8);
    assert.equal(reply[1], 0x5a);
    assert.equal(await ask(client, "two"), "TWO");
    assert.deepEqual(opened, [formatTarget(to), formatTarget(to)]);
    assert.deepEqual(said, []);
  });
});

Deno.test("remote forward says so when the far side cannot listen", async () => {
  const said: string[] = [];
  const host = { sockets: SOCKETS, print: (line: string) => void said.push(line), now };
  const request = { remote: [{ listen: tcp(8_080), to: tcp(80) }] };
  const text = "ssh remote forward: listen on remote SSH address 127.0.0.1:8080: " +
    "nothing can listen over there for us";
  await (await startForwards(plainFarSide([]), host, request)).close();
  assert.deepEqual(said, [text]);
  await assert.rejects(startForwards(plainFarSide([]), host, request, { exitOnFailure: true }), {
    name: "UserError",
    message: text,
  });
});

Deno.test("a connection that breaks over there is told of, together with those that break with it", async () => {
  const said: string[] = [];
  let time = 0;
  const [near, far]: [ByteStream[], ByteStream[]] = [[], []];
  const farSide: FarSide = {
    open() {
      const [ours, theirs] = createBytePipe();
      far.push(theirs);
      return Promise.resolve(ours);
    },
    waitToClose: async (work) => void await work,
  };
  await using set = await startForwards(farSide, {
    sockets: SOCKETS,
    print: (line) => said.push(line),
    now: () => time,
  }, { local: [{ listen: tcp(0), to: tcp(5_432) }] });
  const open = async () => {
    const stream = await SOCKETS.connect(only(set.listening));
    await stream.write(Uint8Array.of(1));
    near.push(stream);
  };
  const breakOff = async (index: number) => {
    far[index]?.abort();
    await near[index]?.closed;
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  for (let i = 0; i < 5; i++) await open();
  while (far.length < 5) await new Promise((resolve) => setTimeout(resolve, 0));
  // What this machine gives up is no news.
  near[0]?.abort();
  await far[0]?.closed;
  assert.deepEqual(said, []);
  await breakOff(1);
  await breakOff(2);
  await breakOff(3);
  time += 5_000;
  await breakOff(4);
  const line = "Connection to 127.0.0.1:5432 in the workspace broke off: Connection reset by peer";
  assert.deepEqual(said, [line, `${line}, and 2 before it`]);
});
