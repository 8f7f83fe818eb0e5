/** Pinned host keys in a file that OpenSSH's own programs read and write as well. */
import { match, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import type { Desk } from "../desk.ts";
import type { Exit } from "../process.ts";

const HERE: readonly string[] = ["ssh-keygen"];

function connect(desk: Desk, path: string, policy: string): Promise<Exit> {
  const args = ["--known-hosts", path, `--host-key-check=${policy}`, desk.workspace, "echo in"];
  return desk.runProgram(args);
}

async function mustConnect(desk: Desk, path: string, policy: string): Promise<void> {
  const exit = await connect(desk, path, policy);
  strictEqual(exit.stdout, "in\n", exit.stderr);
  strictEqual(exit.code, 0);
}

/** Neither policy lets it in, and the file stays as it is. */
async function mustBeRefused(desk: Desk, path: string): Promise<Exit> {
  const before = await Deno.readTextFile(path);
  const [exit] = await Promise.all(["accept-new", "yes"].map(async (policy) => {
    const refused = await connect(desk, path, policy);
    strictEqual(refused.code, 255, refused.stderr);
    match(refused.stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED/);
    return refused;
  }));
  strictEqual(await Deno.readTextFile(path), before);
  ok(exit !== undefined);
  return exit;
}

/** A file with the agent's key, recorded at first use, and the names on its line. */
async function pinned(desk: Desk): Promise<{ path: string; names: string[] }> {
  const path = desk.local("known_hosts");
  await mustConnect(desk, path, "accept-new");
  const names = (await Deno.readTextFile(path)).split(" ")[0]?.split(",") ?? [];
  strictEqual(names.length, 2);
  return { path, names };
}

/** A key of nobody's. */
async function otherKey(desk: Desk, type: string): Promise<string> {
  const path = desk.local("key");
  await desk.must(["ssh-keygen", "-q", "-t", type, "-N", "", "-C", "", "-f", path]);
  return (await Deno.readTextFile(`${path}.pub`)).trim();
}

/** OpenSSH with that file, looking for that name in it. */
function openssh(desk: Desk, path: string, options: readonly string[]): Promise<Exit> {
  const files = ["-o", `UserKnownHostsFile=${path}`, "-o", "GlobalKnownHostsFile=/dev/null"];
  return desk.run(["ssh", ...files, ...options, "-F", desk.configPath, "workspace", "echo in"]);
}

const PINS_SINCE = { version: "v2.20.0", why: "each agent process has another key" } as const;

export const HOST_KEY_CHECKS: readonly Check[] = [
  {
    name: "finds its pin when ssh-keygen has hashed the file, and refuses another key in it",
    here: HERE,
    since: PINS_SINCE,
    run: async (desk) => {
      const { path, names } = await pinned(desk);
      await desk.must(["ssh-keygen", "-H", "-f", path]);
      match(await Deno.readTextFile(path), /^\|1\|\S+ \S+ \S+ .*\n\|1\|\S+ \S+ \S+ .*\n$/);
      const hashed = await Deno.readTextFile(path);
      await mustConnect(desk, path, "yes");
      strictEqual(await Deno.readTextFile(path), hashed);
      for (const type of ["rsa", "ed25519", "ecdsa"]) {
        await Deno.writeTextFile(path, `${names.join(",")} ${await otherKey(desk, type)}\n`);
        await desk.must(["ssh-keygen", "-H", "-f", path]);
        await mustBeRefused(desk, path);
      }
    },
  },
  {
    name: "says how to take an old key out, and that works on plain and on hashed files",
    here: HERE,
    since: PINS_SINCE,
    run: async (desk) => {
      for (const isHashed of [false, true]) {
        const { path, names } = await pinned(desk);
        const others = `other.host ${await otherKey(desk, "ed25519")}`;
        const wrong = `${names.join(",")} ${await otherKey(desk, "ed25519")}`;
        await Deno.writeTextFile(path, `${others}\n${wrong}\n`);
        if (isHashed) await desk.must(["ssh-keygen", "-H", "-f", path]);
        const { stderr } = await mustBeRefused(desk, path);
        const command = /, by hand or with: (ssh-keygen .*)\n/.exec(stderr)?.[1] ?? "";
        await desk.must(["sh", "-c", command]);
        await mustConnect(desk, path, "accept-new");
        await mustConnect(desk, path, "yes");
        const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
        strictEqual(lines.length, 2);
        strictEqual(lines[1]?.split(" ")[0], names.join(","));
      }
    },
  },
  {
    name: "shares a file with OpenSSH: what either records, plain or hashed, the other one finds",
    here: HERE,
    since: PINS_SINCE,
    run: async (desk) => {
      const { path, names } = await pinned(desk);
      for (const name of names) {
        const strict = ["-o", `HostKeyAlias=${name}`, "-o", "StrictHostKeyChecking=yes"];
        strictEqual((await openssh(desk, path, strict)).stdout, "in\n");
        const theirs = desk.local("known_hosts");
        const record = ["-o", `HostKeyAlias=${name}`, "-o", "HashKnownHosts=yes"];
        const recorded = await openssh(desk, theirs, [
          ...record,
          ...["-o", "StrictHostKeyChecking=accept-new"],
        ]);
        strictEqual(recorded.stdout, "in\n", recorded.stderr);
        match(await Deno.readTextFile(theirs), /^\|1\|/);
        await mustConnect(desk, theirs, "yes");
      }
    },
  },
];
