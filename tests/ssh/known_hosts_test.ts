import assert from "node:assert/strict";
import fc from "fast-check";
import { findKnownKeys, knownKeyLine } from "../../lib/ssh/known_hosts.ts";

const FILE = [
  "# ours",
  "main.dev.alice.example.com ssh-rsa AAAA1",
  "one,two\tssh-ed25519   AAAA2 a comment",
  "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-rsa AAAA3",
  "*.lab,!secret.lab ssh-rsa AAAA4",
  "@revoked * ssh-rsa AAAA5",
  "@cert-authority *.lab ssh-rsa AAAA6",
  "h?st ssh-rsa AAAA7",
  "broken-line",
  "",
].join("\n");

const ROWS = [
  { name: "main.dev.alice.example.com", keys: ["AAAA1"], line: 2 },
  { name: "MAIN.dev.alice.example.com", keys: ["AAAA1"], line: 2 },
  { name: "two", keys: ["AAAA2"], line: 3 },
  { name: "x.lab", keys: ["AAAA4"], line: 5 },
  { name: "secret.lab", keys: [] },
  { name: "host", keys: ["AAAA7"], line: 8 },
  { name: "hoost", keys: [] },
  { name: "broken-line", keys: [] },
];

for (const row of ROWS) {
  Deno.test(`findKnownKeys() of ${row.name} (sshd(8) SSH_KNOWN_HOSTS FILE FORMAT)`, () => {
    const found = findKnownKeys(FILE, row.name).filter((key) => !key.isRevoked);
    assert.deepEqual(found.map((key) => key.base64), row.keys);
    assert.equal(found[0]?.line, row.line);
  });
}

Deno.test("findKnownKeys() tells revoked keys", () => {
  assert.deepEqual(findKnownKeys(FILE, "x").map((key) => [key.base64, key.isRevoked]), [[
    "AAAA5",
    true,
  ]]);
});

Deno.test("knownKeyLine() appends a line that is found again, whatever stood there", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const entry = { name: "main.dev.alice", type: "ssh-rsa", base64: "AAAAB3Nza" };
    const grown = text + knownKeyLine(text, entry);
    assert(findKnownKeys(grown, entry.name).some((key) => key.base64 === entry.base64));
  }));
});

Deno.test("findKnownKeys() is not held up by a pattern of stars", () => {
  const pattern = "*a".repeat(400) + "b";
  assert.deepEqual(findKnownKeys(`${pattern} ssh-rsa AAAA`, "a".repeat(1_000)), []);
});
