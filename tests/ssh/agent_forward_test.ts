import assert from "node:assert/strict";
import {
  type AgentLookup,
  findAgent,
  findPageantPipe,
  prepareAgentForward,
} from "../../lib/ssh/agent_forward.ts";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { createBytePipe, type PipeEnd } from "../support/byte_pipe.ts";
import { MemorySockets } from "../support/memory_sockets.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { serverStream } from "../support/ssh_forwarding.ts";
import { openAgentChannel, type TestSession, TestSshServer } from "../support/ssh_server.ts";

const SOCK = "/run/user/1000/agent.sock";
const PAGEANT = `pageant.alice.${"0123456789abcdef".repeat(4)}`;

function lookup(o: {
  identityAgent?: string;
  os?: string;
  vars?: Readonly<Record<string, string>>;
  pipes?: readonly string[];
}): AgentLookup {
  const { identityAgent, os = "linux", vars = {}, pipes } = o;
  return {
    identityAgent,
    os,
    env: (name) => vars[name],
    ...(pipes === undefined ? {} : { pipes }),
  };
}

const ROWS = [
  { name: "nothing", in: {}, out: undefined },
  { name: "SSH_AUTH_SOCK", in: { vars: { SSH_AUTH_SOCK: SOCK } }, out: `unix ${SOCK}` },
  { name: "empty SSH_AUTH_SOCK", in: { vars: { SSH_AUTH_SOCK: "" } }, out: undefined },
  {
    name: "--identity-agent wins",
    in: { identityAgent: "/a", vars: { SSH_AUTH_SOCK: SOCK } },
    out: "unix /a",
  },
  { name: "none", in: { identityAgent: "none", vars: { SSH_AUTH_SOCK: SOCK } }, out: undefined },
  {
    name: "the variable's name",
    in: { identityAgent: "SSH_AUTH_SOCK", vars: { SSH_AUTH_SOCK: SOCK } },
    out: `unix ${SOCK}`,
  },
  {
    name: "Windows, OpenSSH's pipe",
    in: { os: "windows", pipes: ["x", "openssh-ssh-agent", PAGEANT] },
    out: "pipe \\\\.\\pipe\\openssh-ssh-agent",
  },
  {
    name: "Windows, Pageant's pipe",
    in: { os: "windows", vars: { USERNAME: "Alice" }, pipes: [PAGEANT] },
    out: `pipe \\\\.\\pipe\\${PAGEANT}`,
  },
  {
    name: "Windows, another user's Pageant",
    in: { os: "windows", vars: { USERNAME: "bob" }, pipes: [PAGEANT] },
    out: undefined,
  },
  {
    name: "Windows, pipe by name with slashes",
    in: { os: "windows", identityAgent: "//./pipe/openssh-ssh-agent" },
    out: "pipe \\\\.\\pipe\\openssh-ssh-agent",
  },
  {
    name: "Windows, unix socket",
    in: { os: "windows", vars: { SSH_AUTH_SOCK: "C:\\tmp\\s" } },
    out: "unix C:\\tmp\\s",
  },
];

for (const row of ROWS) {
  Deno.test(`findAgent(): ${row.name}`, () => {
    const target = findAgent(lookup(row.in));
    assert.equal(target?.kind === "tcp" ? "" : target && `${target.kind} ${target.path}`, row.out);
  });
}

Deno.test("findPageantPipe() takes the whole name only", () => {
  assert.equal(
    findPageantPipe([`${PAGEANT}0`, "pageant.alice.", `x${PAGEANT}`], "alice"),
    undefined,
  );
  assert.equal(findPageantPipe([PAGEANT.toUpperCase()], "alice"), PAGEANT.toUpperCase());
});

Deno.test("agent that was asked for and is not there is an error; otherwise a warning or nothing", async () => {
  const sockets = new MemorySockets();
  const said: string[] = [];
  const base = { sockets, warn: (line: string) => void said.push(line) };
  const [none, dead] = [lookup({}), lookup({ identityAgent: SOCK })];
  await assert.rejects(prepareAgentForward({ ...base, lookup: none, isExplicit: true }), {
    name: "UserError",
    message: "forward agent: no SSH agent found: SSH_AUTH_SOCK is not set",
  });
  assert.equal(await prepareAgentForward({ ...base, lookup: none, isExplicit: false }), undefined);
  await assert.rejects(prepareAgentForward({ ...base, lookup: dead, isExplicit: true }), {
    message: `forward agent: dial ${SOCK}: no such file or directory`,
    hint: `Is the SSH agent at ${SOCK} running? Try: ssh-add -l`,
  });
  assert.equal(await prepareAgentForward({ ...base, lookup: dead, isExplicit: false }), undefined);
  assert.deepEqual(said, [
    `forward agent: dial ${SOCK}: no such file or directory; going on without`,
  ]);
  const off = lookup({ identityAgent: "none" });
  assert.equal(await prepareAgentForward({ ...base, lookup: off, isExplicit: true }), undefined);
});

Deno.test("agent channels reach the local agent, and end when it breaks", async () => {
  const sockets = new MemorySockets();
  const agent = await sockets.listen({ kind: "unix", path: SOCK });
  const dialAgent = await prepareAgentForward({
    lookup: lookup({ identityAgent: SOCK }),
    sockets,
    isExplicit: true,
    warn: () => {},
  });
  assert(dialAgent !== undefined);
  await agent.accept(); // the probe
  const started = Promise.withResolvers<TestSession>();
  const server = await TestSshServer.start({ onSession: (session) => started.resolve(session) });
  const connection = await connectSsh(server.stream, { clock: new ManualClock(), dialAgent });
  const session = await connection.openSession({ command: "ssh-add -l", forwardAgent: true });
  assert((await started.promise).wantsAgent);

  const there = serverStream(await openAgentChannel(await server.connected));
  const here = await agent.accept();
  assert(here !== undefined);
  const buffer = new Uint8Array(16);
  await there.write(new Uint8Array([0, 0, 0, 1, 11]));
  assert.equal(await here.read(buffer), 5);
  await here.write(new Uint8Array([0, 0, 0, 5, 12, 0, 0, 0, 0]));
  assert.equal(await there.read(buffer), 9);
  here.abort("agent was killed");
  assert.equal(await there.read(buffer), null);

  agent.close();
  await assert.rejects(openAgentChannel(await server.connected));
  session.abort();
  await connection.close();
});

Deno.test("agent channels are bounded: a workspace cannot use up the local agent", async () => {
  const server = await TestSshServer.start({ onSession: () => {} });
  const dialled: PipeEnd[] = [];
  const dialAgent = () => {
    const [near, far] = createBytePipe();
    dialled.push(far);
    return Promise.resolve(near);
  };
  const connection = await connectSsh(server.stream, { clock: new ManualClock(), dialAgent });
  const session = await connection.openSession({ command: "x", forwardAgent: true });
  const there = await server.connected;
  for (let opened = 0; opened < 64; opened++) await openAgentChannel(there);
  await assert.rejects(openAgentChannel(there));
  assert.equal(dialled.length, 64);
  dialled[0]?.abort();
  await new Promise((resolve) => setTimeout(resolve));
  await openAgentChannel(there);
  session.abort();
  await connection.close();
});

Deno.test("agent channels that nobody asked for are refused", async () => {
  const server = await TestSshServer.start({ onSession: () => {} });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  const session = await connection.openSession({ command: "x" });
  await assert.rejects(openAgentChannel(await server.connected));
  session.abort();
  await connection.close();
});
