import assert from "node:assert/strict";
import { UserError } from "../../../lib/base/errors.ts";
import { isWorkspaceName, parseWorkspaceName } from "../../../lib/cli/ready/workspace_name.ts";

interface Expected {
  readonly owner?: string;
  readonly name: string;
  readonly agent?: string;
  readonly uuid?: string;
}

function expect(input: string, out: Expected, options = {}): void {
  assert.deepEqual(parseWorkspaceName(input, options), {
    owner: out.owner ?? "me",
    name: out.name,
    agent: out.agent,
    uuid: out.uuid,
  });
}

Deno.test("WorkspaceNameInput: the nine forms (docs/protocol/ssh.md#names)", async (t) => {
  const whole = { owner: "myuser", name: "myworkspace" };
  const rows: { in: string; out: Expected }[] = [
    { in: "myworkspace", out: { name: "myworkspace" } },
    { in: "myworkspace.dev", out: { name: "myworkspace", agent: "dev" } },
    { in: "myuser/myworkspace", out: whole },
    { in: "myuser--myworkspace", out: whole },
    { in: "myuser/myworkspace--dev", out: { ...whole, agent: "dev" } },
    { in: "myuser/myworkspace.dev", out: { ...whole, agent: "dev" } },
    { in: "myuser--myworkspace--dev", out: { ...whole, agent: "dev" } },
    { in: "myuser--myworkspace.dev", out: { ...whole, agent: "dev" } },
    { in: "dev.myworkspace.myuser", out: { ...whole, agent: "dev" } },
  ];
  for (const row of rows) await t.step(row.in, () => expect(row.in, row.out));
});

Deno.test("parseWorkspaceName() at the edges (docs/protocol/ssh.md#names)", async (t) => {
  await t.step("a single hyphen belongs to the name", () => {
    expect("my-work-space", { name: "my-work-space" });
    expect("a-b--c-d", { owner: "a-b", name: "c-d" });
  });
  await t.step("runs of dots and slashes separate once", () => {
    expect("owner//ws", { owner: "owner", name: "ws" });
  });
  await t.step("more than three parts of dots: the first two count, as before", () => {
    expect("a.b.c.d", { name: "a", agent: "b" });
  });
  for (const bad of ["a/b/c/d", "/ws", "ws/", "", ".", "/"]) {
    await t.step(`refuses ${JSON.stringify(bad)}`, () => {
      assert.throws(
        () => parseWorkspaceName(bad),
        (error) =>
          error instanceof UserError && error.message.startsWith("invalid workspace identifier: "),
      );
    });
  }
  assert.throws(() => parseWorkspaceName("a/b/c/d"), {
    message: 'invalid workspace identifier: "a/b/c/d"',
  });
  assert.throws(() => parseWorkspaceName("\x1b[31m/b/c/d/e"), /"\\x1b\[31m\/b/);
});

Deno.test("parseWorkspaceName() takes one dot at the end for the end of a host name (RFC 1034 §3.1)", async (t) => {
  const whole = { owner: "alice", name: "ws" };
  const rows: { in: string; out: Expected }[] = [
    { in: "ws.", out: { name: "ws" } },
    { in: "ws.main.", out: { name: "ws", agent: "main" } },
    { in: "main.ws.alice.", out: { ...whole, agent: "main" } },
    { in: "alice/ws.", out: whole },
    { in: "alice/ws.main.", out: { ...whole, agent: "main" } },
    { in: "alice--ws.", out: whole },
    { in: "alice--ws--main.", out: { ...whole, agent: "main" } },
  ];
  for (const row of rows) await t.step(row.in, () => expect(row.in, row.out));
});

Deno.test("parseWorkspaceName() knows ids (docs/protocol/ssh.md#names)", () => {
  const uuid = "7f063a8a-7799-4fa1-8259-083cad9fb00f";
  expect(uuid, { name: uuid, uuid });
  expect(uuid.toUpperCase(), { name: uuid.toUpperCase(), uuid });
  expect(`${uuid}.dev`, { name: uuid, uuid, agent: "dev" });
  const bare = uuid.replaceAll("-", "");
  expect(bare, { name: bare, uuid });
  expect(`me/${uuid}`, { name: uuid });
  assert.ok(isWorkspaceName(bare));
  assert.ok(!isWorkspaceName(uuid));
});

Deno.test("SSHHost/{Prefix, Suffix, Both} (docs/protocol/ssh.md#prefix-and-suffix)", async (t) => {
  const prefix = "coder.dummy.com--";
  const both = { hostPrefix: prefix, hostnameSuffix: "coder" };
  const rows: { name: string; in: string; options: object; out: Expected }[] = [
    {
      name: "Prefix",
      in: `${prefix}alice--ws`,
      options: { hostPrefix: prefix },
      out: { owner: "alice", name: "ws" },
    },
    { name: "Suffix", in: "ws.coder", options: { hostnameSuffix: "coder" }, out: { name: "ws" } },
    {
      name: "Suffix with its dot",
      in: "ws.coder",
      options: { hostnameSuffix: ".coder" },
      out: { name: "ws" },
    },
    {
      name: "Suffix and agent",
      in: "main.ws.alice.coder",
      options: { hostnameSuffix: "coder" },
      out: { owner: "alice", name: "ws", agent: "main" },
    },
    {
      name: "Suffix needs its dot",
      in: "xcoder",
      options: { hostnameSuffix: "coder" },
      out: { name: "xcoder" },
    },
    {
      name: "Both, prefix given",
      in: `${prefix}ws.main`,
      options: both,
      out: { name: "ws", agent: "main" },
    },
    { name: "Both, suffix given", in: "ws.coder", options: both, out: { name: "ws" } },
    {
      name: "Both, first match only",
      in: `${prefix}ws.coder`,
      options: both,
      out: { name: "ws", agent: "coder" },
    },
    {
      name: "an editor's host",
      in: "coder-vscode.x.com--alice--ws--main",
      options: { hostPrefix: "coder-vscode.x.com--" },
      out: { owner: "alice", name: "ws", agent: "main" },
    },
    {
      name: "an editor's host at a deployment with a name in punycode",
      in: "coder-vscode.xn--bcher-kva.example--alice--ws.main",
      options: { hostPrefix: "coder-vscode.xn--bcher-kva.example--" },
      out: { owner: "alice", name: "ws", agent: "main" },
    },
    {
      name: "Prefix in capitals, as ssh hands it on in small ones",
      in: "coder-vscode.x.com--alice--ws",
      options: { hostPrefix: "coder-vscode.X.com--" },
      out: { owner: "alice", name: "ws" },
    },
    {
      name: "Suffix in capitals",
      in: "main.ws.alice.coder",
      options: { hostnameSuffix: "Coder" },
      out: { owner: "alice", name: "ws", agent: "main" },
    },
    {
      name: "Suffix and a dot at the end",
      in: "ws.coder.",
      options: { hostnameSuffix: "coder" },
      out: { name: "ws" },
    },
    {
      name: "Suffix and a dot at both ends",
      in: "main.ws.alice.coder.",
      options: { hostnameSuffix: ".coder." },
      out: { owner: "alice", name: "ws", agent: "main" },
    },
    {
      name: "Prefix and a dot at the end",
      in: "coder.ws.main.",
      options: { hostPrefix: "coder." },
      out: { name: "ws", agent: "main" },
    },
    {
      name: "Suffix without a name",
      in: "coder.",
      options: { hostnameSuffix: "coder" },
      out: { name: "coder" },
    },
  ];
  for (const row of rows) await t.step(row.name, () => expect(row.in, row.out, row.options));
});
