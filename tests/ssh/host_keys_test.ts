import assert from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import { UserError } from "../../lib/base/errors.ts";
import { hmacSha1 } from "../../lib/crypto/sha1.ts";
import { hostKeyNames, type HostKeySubject } from "../../lib/ssh/host_key_names.ts";
import {
  createHostKeyVerifier,
  fingerprint,
  hasStableHostKey,
  type HostKeyOptions,
} from "../../lib/ssh/host_keys.ts";
import { ECDSA, ED25519, RSA } from "./scenes/host_public_keys.ts";

const ID = "6e9a8a6c-1c46-4b1a-8d5e-0f2b7f5a1c3d";
const OTHER_ID = "11111111-1c46-4b1a-8d5e-0f2b7f5a1c3d";
const SUBJECT: HostKeySubject = {
  workspaceId: ID,
  agent: "main",
  workspace: "dev",
  owner: "alice",
  deployment: "example.com",
};
const BY_ID = `main.${ID}.example.com`;
/** As version 0.1 recorded it. */
const FORMER = "main.dev.alice.example.com";
const PATH = "/home/u/.config/coderv2/hawser_known_hosts";
const PLACE = { kind: "file", path: PATH, folder: "/home/u/.config/coderv2" } as const;

/** One file, and verifiers that use it. */
class Fixture {
  text: string | undefined;
  readFailure: Error | undefined;
  writeFailure: Error | undefined;
  writes = 0;
  readonly said: string[] = [];

  constructor(text?: string) {
    this.text = text;
  }

  verify(
    blob: Uint8Array,
    options: Partial<HostKeyOptions> = {},
    subject: Partial<HostKeySubject> = {},
  ): Promise<void> {
    return createHostKeyVerifier({
      names: hostKeyNames({ ...SUBJECT, ...subject }),
      place: PLACE,
      agentVersion: "v2.36.0",
      warn: (text) => this.said.push(`warn ${text}`),
      tell: (text) => this.said.push(`tell ${text}`),
      files: {
        readText: () =>
          this.readFailure === undefined
            ? Promise.resolve(this.text)
            : Promise.reject(this.readFailure),
        mkdir: () => Promise.resolve(),
        writeText: (_path, text) => {
          this.writes++;
          if (this.writeFailure !== undefined) return Promise.reject(this.writeFailure);
          this.text = (this.text ?? "") + text;
          return Promise.resolve();
        },
      },
      ...options,
    })(blob);
  }

  /** Refused as changed under every policy that refuses, and nothing is written. */
  async refusesAsChanged(blob: Uint8Array, subject: Partial<HostKeySubject> = {}): Promise<void> {
    const before = this.text;
    for (const policy of ["yes", "accept-new"] as const) {
      for (const agentVersion of ["v2.36.0", "v2.19.0", "v0.27.1", undefined]) {
        await assert.rejects(
          this.verify(blob, { policy, agentVersion }, subject),
          refusal(/REMOTE HOST IDENTIFICATION HAS CHANGED/),
        );
      }
    }
    assert.equal(this.text, before);
  }
}

function refusal(message: RegExp, hint?: RegExp) {
  return (error: unknown): true => {
    assert(error instanceof UserError);
    assert.equal(error.exitCode, 255);
    assert.match(error.message, message);
    if (hint !== undefined) assert.match(error.hint ?? "", hint);
    return true;
  };
}

function hashed(name: string): string {
  const salt = new Uint8Array(20).fill(name.length);
  const hash = hmacSha1(salt, new TextEncoder().encode(name.toLowerCase()));
  return `|1|${salt.toBase64()}|${hash.toBase64()}`;
}

Deno.test("host key is recorded at the first use, on a line of its own, and accepted from then on", async () => {
  const fixture = new Fixture(`other.host ${RSA.line}`);
  await fixture.verify(ED25519.blob, { comment: "alice/dev.main" });
  const recorded = `other.host ${RSA.line}\n${BY_ID},${FORMER} ${ED25519.line} alice/dev.main\n`;
  assert.equal(fixture.text, recorded);
  await fixture.verify(ED25519.blob, { policy: "yes" });
  assert.equal(fixture.text, recorded);
  assert.equal(fixture.writes, 1);
});

Deno.test("changed host key is refused in OpenSSH's words, with a way to accept it", async () => {
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob);
  for (const policy of ["yes", "accept-new"] as const) {
    await assert.rejects(fixture.verify(RSA.blob, { policy }), (error) => {
      assert(error instanceof UserError);
      assert.equal(error.exitCode, 255);
      const lines = error.message.split("\n");
      assert.equal(lines[1], "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @");
      assert.match(error.message, /the RSA key sent by the workspace agent is\nSHA256:/);
      assert.equal(lines.at(-2), `Offending key for ${FORMER} in ${PATH}:1`);
      assert.equal(lines.at(-1), "Host key verification failed.");
      assert.match(error.hint ?? "", new RegExp(`ssh-keygen -f '${PATH}' -R '${FORMER}'$`));
      return true;
    });
  }
  await fixture.refusesAsChanged(RSA.blob);
});

Deno.test("changed host key is let in with a warning when checking is off, and not recorded", async () => {
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob);
  const before = fixture.text;
  await fixture.verify(RSA.blob, { policy: "no" });
  assert.match(fixture.said.at(-1) ?? "", /^warn @{59}\n@ {4}WARNING.*\n@{59}\nIT IS/);
  assert.equal(fixture.text, before);
});

const FORMS: { name: string; text: string }[] = [
  { name: "plain", text: `${FORMER} ${ED25519.line}` },
  { name: "by id", text: `${BY_ID} ${ED25519.line}` },
  { name: "in capitals", text: `MAIN.DEV.ALICE.EXAMPLE.COM ${ED25519.line}` },
  { name: "in a list", text: `x,${FORMER},y ${ED25519.line}` },
  { name: "as a pattern", text: `*.dev.alice.* ${ED25519.line}` },
  { name: "hashed", text: `${hashed(FORMER)} ${ED25519.line}` },
  { name: "hashed by id", text: `${hashed(BY_ID)} ${ED25519.line}` },
  { name: "with line ends of Windows", text: `# c\r\n${FORMER} ${ED25519.line}\r\n` },
  { name: "behind a byte order mark", text: `\ufeff${FORMER} ${ED25519.line}` },
  {
    name: "among keys of other types",
    text: `${FORMER} ${ECDSA.line}\n${hashed(FORMER)} ${ED25519.line}`,
  },
];

for (const { name, text } of FORMS) {
  Deno.test(`pin ${name} accepts its key under strict checking and refuses another as changed`, async () => {
    await new Fixture(text).verify(ED25519.blob, { policy: "yes" });
    await new Fixture(text).refusesAsChanged(RSA.blob);
  });
}

Deno.test("unknown host key is refused under strict checking, whatever the version", async () => {
  const fixture = new Fixture();
  const strict = { policy: "yes" } as const;
  await assert.rejects(
    fixture.verify(ED25519.blob, strict),
    refusal(/^No host key is known for main\.dev\.alice\.example\.com .* SHA256:/, /accept-new/),
  );
  await assert.rejects(
    fixture.verify(ED25519.blob, { ...strict, agentVersion: "v2.19.0" }),
    refusal(/^No host key is known/, /^Agent v2\.19\.0 is older than v2\.20 and makes a new key/),
  );
  assert.equal(fixture.text, undefined);
});

Deno.test("keys of agents before v2.20 are not recorded, and no pin of theirs is loosened", async () => {
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob, { agentVersion: "v2.19.3" });
  assert.equal(fixture.text, undefined);
  assert.deepEqual(fixture.said, [
    "tell Host key not recorded: agent v2.19.3 makes a new one at every start",
  ]);
  const pinned = new Fixture(`${FORMER} ${ED25519.line}\n`);
  await pinned.verify(ED25519.blob, { agentVersion: "v2.19.3", policy: "yes" });
  assert.equal(pinned.writes, 0);
  await pinned.refusesAsChanged(RSA.blob);
});

Deno.test("revoked host key is refused whatever the policy, the version and the form of its name", async () => {
  for (const names of ["*", BY_ID, FORMER, hashed(FORMER), `a,${FORMER}`]) {
    const pinned = `${FORMER} ${ED25519.line}`;
    const fixture = new Fixture(`${pinned}\n@revoked ${names} ${ED25519.line}\n`);
    for (const policy of ["yes", "accept-new", "no"] as const) {
      for (const agentVersion of ["v2.36.0", "v2.19.0"]) {
        await assert.rejects(
          fixture.verify(ED25519.blob, { policy, agentVersion }),
          refusal(/is marked as revoked in .*known_hosts:2$/),
        );
      }
    }
  }
  // Another key of that name has nothing to do with it.
  await new Fixture(`@revoked * ${ED25519.line}\n`).verify(RSA.blob);
});

Deno.test("pin is the workspace's id: another display name for it gives no fresh start", async () => {
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob);
  await fixture.refusesAsChanged(RSA.blob, { workspace: "dev2" });
  await fixture.refusesAsChanged(RSA.blob, { workspace: "dev2", owner: "bob" });
  await fixture.verify(ED25519.blob, { policy: "yes" }, { workspace: "dev2" });
});

Deno.test("pin counts for the display names as well: another id for them gives no fresh start", async () => {
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob);
  await fixture.refusesAsChanged(RSA.blob, { workspaceId: OTHER_ID });
});

Deno.test("another agent, workspace or deployment is another name", async () => {
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob);
  await fixture.verify(RSA.blob, {}, { agent: "gpu" });
  await fixture.verify(RSA.blob, {}, { workspaceId: OTHER_ID, workspace: "other" });
  await fixture.verify(RSA.blob, {}, { deployment: "example.com:8443" });
  await fixture.refusesAsChanged(ED25519.blob, { deployment: "example.com:8443" });
});

Deno.test("names that join to the same text are not mixed up", async () => {
  const first = { agent: "a", workspace: "b.c", workspaceId: ID };
  const second = { agent: "a.b", workspace: "c", workspaceId: OTHER_ID };
  const fixture = new Fixture();
  await fixture.verify(ED25519.blob, {}, first);
  await assert.rejects(
    fixture.verify(ED25519.blob, { policy: "yes" }, second),
    refusal(/^No host key is known/),
  );
  await fixture.verify(RSA.blob, {}, second);
  await fixture.refusesAsChanged(RSA.blob, first);
  await fixture.refusesAsChanged(ED25519.blob, second);
});

Deno.test("pin of version 0.1 vouches for its key, which is then pinned by id", async () => {
  for (const policy of ["yes", "accept-new", "no"] as const) {
    const before = `# mine\r\n${FORMER} ${ED25519.line}`;
    const fixture = new Fixture(before);
    await fixture.verify(ED25519.blob, { policy });
    assert.equal(fixture.text, `${before}\n${BY_ID} ${ED25519.line}\n`);
    await fixture.refusesAsChanged(RSA.blob, { workspace: "dev2" });
  }
});

Deno.test("pin of version 0.1 under names with dots refuses as ever and vouches for nothing", async () => {
  const joined = "a.b.c.alice.example.com";
  const fixture = new Fixture(`${joined} ${ED25519.line}\n`);
  await fixture.refusesAsChanged(RSA.blob, { agent: "a.b", workspace: "c" });
  await assert.rejects(
    fixture.verify(ED25519.blob, { policy: "yes" }, { agent: "a.b", workspace: "c" }),
    refusal(/^No host key is known/),
  );
});

Deno.test("refusal names a command for each name that a line of its own stands for", async () => {
  const fixture = new Fixture(
    `${hashed(BY_ID)} ${ED25519.line}\n${hashed(FORMER)} ${ED25519.line}\n`,
  );
  const commands =
    `ssh-keygen -f '${PATH}' -R '${FORMER}' && ssh-keygen -f '${PATH}' -R '${BY_ID}'`;
  await assert.rejects(fixture.verify(RSA.blob), (error) => {
    assert(error instanceof UserError && error.hint?.endsWith(`with: ${commands}`));
    return true;
  });
});

Deno.test("refusal quotes a path for the shell", async () => {
  const place = { ...PLACE, path: "/home/o'neil/k h" };
  await assert.rejects(
    new Fixture(`${FORMER} ${ED25519.line}`).verify(RSA.blob, { place }),
    refusal(/CHANGED/, /ssh-keygen -f '\/home\/o'\\''neil\/k h' -R /),
  );
});

Deno.test("host key file that cannot be written costs a warning, or nothing when the key is known", async () => {
  const fixture = new Fixture();
  fixture.writeFailure = new HostError("read-only", "open known_hosts: read-only file system");
  await fixture.verify(ED25519.blob);
  const text =
    "Failed to add the host to the list of known hosts: open known_hosts: read-only file system";
  assert.deepEqual(fixture.said, [`warn ${text}`]);
  const known = new Fixture(`${FORMER} ${ED25519.line}`);
  known.writeFailure = fixture.writeFailure;
  await known.verify(ED25519.blob);
  assert.deepEqual(known.said, [`tell ${text}`]);
});

Deno.test("host key file that cannot be read is said once, and refused under strict checking", async () => {
  const fixture = new Fixture();
  fixture.readFailure = new HostError("other", "open known_hosts: is a directory");
  await fixture.verify(ED25519.blob);
  const text =
    "warn Cannot read the known hosts file, so host keys are not checked: open known_hosts: is a directory";
  assert.deepEqual(fixture.said, [text]);
  assert.equal(fixture.writes, 0);
  await assert.rejects(
    fixture.verify(ED25519.blob, { policy: "yes" }),
    refusal(/^No host key is known/, /^Make .* readable, or name another file with --known-hosts$/),
  );
});

Deno.test("host key file that Deno may not read or write is told to -v alone, unless somebody named it", async () => {
  const withheld = new HostError("not-permitted", "open known_hosts: not permitted");
  const reading = new Fixture();
  reading.readFailure = withheld;
  const read =
    "Cannot read the known hosts file, so host keys are not checked: open known_hosts: not permitted";
  await reading.verify(ED25519.blob);
  await reading.verify(ED25519.blob, { place: { ...PLACE, isNamed: true } });
  assert.deepEqual(reading.said, [`tell ${read}`, `warn ${read}`]);
  await assert.rejects(
    reading.verify(ED25519.blob, { policy: "yes" }),
    refusal(/^No host key is known/, /^Make .* readable, or name another file with --known-hosts$/),
  );
  const writing = new Fixture();
  writing.writeFailure = withheld;
  const write =
    "Failed to add the host to the list of known hosts: open known_hosts: not permitted";
  await writing.verify(ED25519.blob);
  await writing.verify(ED25519.blob, { place: { ...PLACE, isNamed: true } });
  assert.deepEqual(writing.said, [`tell ${write}`, `warn ${write}`]);
});

Deno.test("without a place for pins that is said, and refused under strict checking", async () => {
  const fixture = new Fixture();
  const place = { kind: "nowhere", why: "Host keys are not remembered", hint: "Set HOME" } as const;
  await fixture.verify(ED25519.blob, { place });
  assert.deepEqual(fixture.said.splice(0), ["warn Host keys are not remembered. Set HOME"]);
  await fixture.verify(ED25519.blob, { place, policy: "no" });
  await fixture.verify(ED25519.blob, { place: { ...place, why: "" } });
  assert.deepEqual(fixture.said, []);
  assert.equal(fixture.writes, 0);
  await assert.rejects(
    fixture.verify(ED25519.blob, { place, policy: "yes" }),
    refusal(/^No host key is known/, /^Host keys are not remembered\. Set HOME$/),
  );
});

Deno.test("hasStableHostKey() knows releases and development builds", () => {
  const rows = [
    ["v2.20.0", true],
    ["v2.36.0-devel+abc", true],
    ["v3.0.0", true],
    ["v0.0.0-devel", true],
    ["v2.8.4", false],
    ["v0.27.1", false],
    ["", true],
    [undefined, true],
  ] as const;
  for (const [version, stable] of rows) assert.equal(hasStableHostKey(version), stable, version);
});

Deno.test("fingerprint() is what ssh-keygen -l shows", async () => {
  const key = Uint8Array.fromBase64(
    "AAAAC3NzaC1lZDI1NTE5AAAAIPGuvUHVMaQgjbv8Y+hd+gYpAAa+N1MsnOnOV9UpMwA5",
  );
  assert.equal(await fingerprint(key), "SHA256:s6GG6Wg0el2JO3C1GY5KS8b5TCEj0sfWGZdigCskXHY");
});
