import assert from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import {
  createHostKeyVerifier,
  fingerprint,
  hasStableHostKey,
  hostKeyName,
  type HostKeyOptions,
} from "../../lib/ssh/host_keys.ts";

/** Public keys made for this test; nobody holds their private halves. */
const KEY_A = Uint8Array.fromBase64(
  "AAAAC3NzaC1lZDI1NTE5AAAAIPGuvUHVMaQgjbv8Y+hd+gYpAAa+N1MsnOnOV9UpMwA5",
);
const KEY_B = Uint8Array.fromBase64(
  "AAAAC3NzaC1lZDI1NTE5AAAAIPGuvUHVMaQgjbv8Y+hd+gYpAAa+N1MsnOnOV9UpMwA6",
);

class Fixture {
  text: string | undefined;
  failure: Error | undefined;
  readonly said: string[] = [];

  verifier(options: Partial<HostKeyOptions> = {}) {
    return createHostKeyVerifier({
      name: "main.dev.alice.example.com",
      path: "/home/u/.config/hawser/known_hosts",
      folder: "/home/u/.config/hawser",
      agentVersion: "v2.36.0",
      warn: (text) => this.said.push(`warn ${text}`),
      tell: (text) => this.said.push(`tell ${text}`),
      files: {
        readText: () => Promise.resolve(this.text),
        mkdir: () => Promise.resolve(),
        writeText: (_path, text) => {
          if (this.failure !== undefined) return Promise.reject(this.failure);
          this.text = (this.text ?? "") + text;
          return Promise.resolve();
        },
      },
      ...options,
    });
  }
}

Deno.test("host key is recorded at the first use and accepted from then on", async () => {
  const fixture = new Fixture();
  fixture.text = "other.host ssh-rsa AAAA";
  await fixture.verifier()(KEY_A);
  const recorded =
    `other.host ssh-rsa AAAA\nmain.dev.alice.example.com ssh-ed25519 ${KEY_A.toBase64()}\n`;
  assert.equal(fixture.text, recorded);
  await fixture.verifier({ policy: "yes" })(KEY_A);
  assert.equal(fixture.text, recorded);
});

Deno.test("changed host key is refused in OpenSSH's words, with a way to accept it", async () => {
  const fixture = new Fixture();
  await fixture.verifier()(KEY_A);
  const before = fixture.text;
  for (const policy of ["yes", "accept-new"] as const) {
    await assert.rejects(fixture.verifier({ policy })(KEY_B), (error) => {
      assert(error instanceof UserError);
      assert.equal(error.exitCode, 255);
      assert.match(error.message, /REMOTE HOST IDENTIFICATION HAS CHANGED/);
      assert.match(error.message, /ED25519 key sent by the workspace agent is\nSHA256:/);
      assert.match(error.message, /known_hosts:1\nHost key verification failed\.$/);
      assert.match(
        error.hint ?? "",
        /ssh-keygen -f '.*known_hosts' -R 'main\.dev\.alice\.example\.com'/,
      );
      return true;
    });
  }
  assert.equal(fixture.text, before);
});

Deno.test("changed host key is let in with a warning when checking is off", async () => {
  const fixture = new Fixture();
  await fixture.verifier()(KEY_A);
  const before = fixture.text;
  await fixture.verifier({ policy: "no" })(KEY_B);
  assert.match(fixture.said.at(-1) ?? "", /^warn @@@/);
  assert.equal(fixture.text, before);
});

Deno.test("unknown host key is refused under strict checking", async () => {
  const fixture = new Fixture();
  await assert.rejects(fixture.verifier({ policy: "yes" })(KEY_A), /No host key is known/);
  assert.equal(fixture.text, undefined);
});

Deno.test("revoked host key is refused whatever the policy", async () => {
  const fixture = new Fixture();
  fixture.text = `@revoked * ssh-ed25519 ${KEY_A.toBase64()}\n`;
  await assert.rejects(fixture.verifier({ policy: "no" })(KEY_A), /revoked/);
});

Deno.test("host key file that cannot be written or read costs a warning only", async () => {
  const fixture = new Fixture();
  fixture.failure = new Error("open known_hosts: read-only file system");
  await fixture.verifier()(KEY_A);
  assert.deepEqual(fixture.said.slice(0, 1), [
    "warn Failed to add the host to the list of known hosts: open known_hosts: read-only file system",
  ]);
});

Deno.test("agents older than v2.20 are not pinned", async () => {
  const fixture = new Fixture();
  await fixture.verifier({ agentVersion: "v2.19.3", policy: "yes" })(KEY_A);
  assert.equal(fixture.text, undefined);
  assert.match(fixture.said[0] ?? "", /^tell Host key not checked: agent v2\.19\.3 is older/);
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

Deno.test("hostKeyName() gives one plain name", () => {
  const name = hostKeyName({
    agent: "main",
    workspace: "dev",
    owner: "alice",
    deployment: "127.0.0.1:3000",
  });
  assert.equal(name, "main.dev.alice.127.0.0.1_3000");
});

Deno.test("fingerprint() is what ssh-keygen -l shows", async () => {
  assert.equal(await fingerprint(KEY_A), "SHA256:s6GG6Wg0el2JO3C1GY5KS8b5TCEj0sfWGZdigCskXHY");
});
