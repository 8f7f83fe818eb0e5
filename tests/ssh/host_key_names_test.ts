import assert from "node:assert/strict";
import fc from "fast-check";
import { hostKeyComment, hostKeyNames, type HostKeySubject } from "../../lib/ssh/host_key_names.ts";

const ID = "6e9a8a6c-1c46-4b1a-8d5e-0f2b7f5a1c3d";
const SUBJECT: HostKeySubject = {
  workspaceId: ID,
  agent: "main",
  workspace: "dev",
  owner: "alice",
  deployment: "coder.example.com",
};

const ROWS: {
  name: string;
  in: Partial<HostKeySubject>;
  byId: string;
  byDisplay: string;
  exact?: boolean;
}[] = [
  {
    name: "plain",
    in: {},
    byId: `main.${ID}.coder.example.com`,
    byDisplay: "main.dev.alice.coder.example.com",
  },
  {
    name: "a port",
    in: { deployment: "127.0.0.1:3000" },
    byId: `[main.${ID}.127.0.0.1]:3000`,
    byDisplay: "main.dev.alice.127.0.0.1_3000",
  },
  {
    name: "an IPv6 address and a port",
    in: { deployment: "[::1]:3000" },
    byId: `[main.${ID}.::1]:3000`,
    byDisplay: "main.dev.alice.___1__3000",
  },
  {
    name: "an IPv6 address",
    in: { deployment: "[::1]" },
    byId: `main.${ID}.::1`,
    byDisplay: "main.dev.alice.___1_",
  },
  {
    name: "capitals",
    in: { agent: "Main", workspace: "Dev" },
    byId: `_4dain.${ID}.coder.example.com`,
    byDisplay: "Main.Dev.alice.coder.example.com",
  },
  {
    name: "names with dots",
    in: { agent: "a.b", workspace: "c" },
    byId: `a_2eb.${ID}.coder.example.com`,
    byDisplay: "a.b.c.alice.coder.example.com",
    exact: false,
  },
  {
    name: "names that mean something in the file",
    in: { agent: "*,!x|#", workspace: "?" },
    byId: `_2a_2c_21x_7c_23.${ID}.coder.example.com`,
    byDisplay: "___x__._.alice.coder.example.com",
    exact: false,
  },
];

for (const row of ROWS) {
  Deno.test(`hostKeyNames() of ${row.name}`, () => {
    const { byId, byDisplay, exact = true } = row;
    const names = hostKeyNames({ ...SUBJECT, ...row.in });
    assert.deepEqual(names, { byId, byDisplay, isDisplayExact: exact });
  });
}

Deno.test("hostKeyNames() gives two agents of one deployment two names by id, whatever they are called", () => {
  const text = fc.string({ unit: "binary", minLength: 1 });
  fc.assert(fc.property(text, text, text, text, (agentA, idA, agentB, idB) => {
    const nameOf = (agent: string, workspaceId: string) =>
      hostKeyNames({ ...SUBJECT, agent, workspaceId }).byId;
    const encode = (words: string) => new TextEncoder().encode(words).toHex();
    const isSame = encode(agentA) === encode(agentB) && encode(idA) === encode(idB);
    assert.equal(nameOf(agentA, idA) === nameOf(agentB, idB), isSame);
    assert.match(nameOf(agentA, idA), /^[a-z0-9._-]+$/);
  }));
});

Deno.test("hostKeyComment() is one harmless word", () => {
  assert.equal(hostKeyComment(SUBJECT), "alice/dev.main");
  assert.equal(hostKeyComment({ ...SUBJECT, owner: "a\nb c", agent: "é" }), "a_b_c/dev._");
});
