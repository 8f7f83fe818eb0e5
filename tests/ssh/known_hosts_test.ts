import assert from "node:assert/strict";
import fc from "fast-check";
import { findKnownKeys, knownKeyLine } from "../../lib/ssh/known_hosts.ts";
import { hmacSha1 } from "../../lib/crypto/sha1.ts";
import { ECDSA, ED25519, RSA } from "./scenes/host_public_keys.ts";

const E = ED25519.line;
const B = ED25519.base64;

/** One line each, looked for as `h` unless said otherwise. What OpenSSH 9.2 answers to `ssh-keygen -F` and `ssh`. */
const ROWS: { name: string; line: string; find?: string; isFound: boolean }[] = [
  { name: "a plain name", line: `h ${E}`, isFound: true },
  { name: "another name", line: `hh ${E}`, isFound: false },
  { name: "a name in capitals", line: `H ${E}`, isFound: true },
  { name: "a question in capitals", line: `h ${E}`, find: "H", isFound: true },
  { name: "a list", line: `a,h,b ${E}`, isFound: true },
  { name: "a list with an empty name", line: `a,,h ${E}`, isFound: true },
  { name: "blanks and tabs", line: ` \t h\t\t${E}  \t`, isFound: true },
  { name: "a comment behind the key", line: `h ${E} alice at home`, isFound: true },
  { name: "a comment line", line: `#h ${E}`, isFound: false },
  { name: "a question mark", line: `? ${E}`, isFound: true },
  { name: "a question mark too many", line: `h? ${E}`, isFound: false },
  { name: "a star", line: `* ${E}`, isFound: true },
  { name: "a star in the middle", line: `a*d ${E}`, find: "abcd", isFound: true },
  { name: "a negation before", line: `!h,* ${E}`, isFound: false },
  { name: "a negation behind", line: `*,!h ${E}`, isFound: false },
  { name: "a negated pattern", line: `*.lab,!secret.* ${E}`, find: "secret.lab", isFound: false },
  { name: "a negation of another", line: `!x,h ${E}`, isFound: true },
  { name: "nothing but a negation", line: `!x ${E}`, isFound: false },
  { name: "a port", line: `[h]:2222 ${E}`, find: "[h]:2222", isFound: true },
  { name: "a port that was not asked for", line: `[h]:2222 ${E}`, isFound: false },
  { name: "no port where one is asked for", line: `h ${E}`, find: "[h]:2222", isFound: false },
  { name: "a port with a pattern", line: `[*.lab]:2222 ${E}`, find: "[x.lab]:2222", isFound: true },
  { name: "a carriage return", line: `h ${E}\r`, isFound: true },
  { name: "a byte order mark", line: `\ufeffh ${E}`, isFound: true },
  { name: "an authority", line: `@cert-authority h ${E}`, isFound: false },
  { name: "an unknown marker", line: `@bogus h ${E}`, isFound: false },
  { name: "two markers", line: `@revoked @revoked h ${E}`, isFound: false },
  { name: "no key", line: "h ssh-ed25519", isFound: false },
  { name: "no type", line: "h", isFound: false },
  { name: "a key that is no base64", line: `h ssh-ed25519 ${B}!`, isFound: false },
  { name: "a key of another type than it says", line: `h ssh-rsa ${B}`, isFound: false },
  { name: "a key that is cut off", line: "h ssh-ed25519 AAAA", isFound: false },
  { name: "a key of SSH-1", line: "h 1024 35 12345", isFound: false },
];

for (const row of ROWS) {
  Deno.test(`findKnownKeys() reads ${row.name} (sshd(8) SSH_KNOWN_HOSTS FILE FORMAT)`, () => {
    const found = findKnownKeys(`# first\n${row.line}\n`, row.find ?? "h");
    const expected = [{ type: "ssh-ed25519", blob: ED25519.blob, line: 2, isRevoked: false }];
    assert.deepEqual(found, row.isFound ? expected : []);
  });
}

/** What `ssh-keygen -H` of OpenSSH 9.2 made of `Main.Dev.alice.example.com`, `[127.0.0.1]:2222` and the list `plain,list`. */
const HASHED = [
  `|1|ueiXpGR7Z7SzJ5ybaa/k5zmFSxE=|NokMnS+nBxJFEQFpjrK0J7IHOtg= ${E}`,
  `|1|tIIWmD4GrUlaapkfEElLT4hliTI=|ToomYq63NOYGaGk4F0y7pxm1M94= ${E}`,
  `|1|mCnNTNfVC1VKSgwEyFIgQIGJxpE=|3iVgd9sNg+NRUGPg6/L1fGBC6Cw= ${E}`,
  `|1|62tOI5wI6IgyijxFkAsNvn1RCA4=|W3MLlkJx2kgtVcMWzwnXFip7pqI= ${E}`,
];

Deno.test("findKnownKeys() finds the names that ssh-keygen has hashed", () => {
  const rows = [
    ["Main.Dev.alice.example.com", 1],
    ["main.dev.alice.example.com", 1],
    ["[127.0.0.1]:2222", 2],
    ["plain", 3],
    ["list", 4],
    ["127.0.0.1", undefined],
    ["other", undefined],
  ] as const;
  for (const [name, line] of rows) {
    assert.equal(findKnownKeys(HASHED.join("\n"), name)[0]?.line, line, name);
  }
});

Deno.test("findKnownKeys() finds a name that was hashed as it was spelt", () => {
  const salt = new Uint8Array(20).fill(7);
  const hash = hmacSha1(salt, new TextEncoder().encode("Main"));
  const line = `|1|${salt.toBase64()}|${hash.toBase64()} ${E}`;
  assert.equal(findKnownKeys(line, "Main").length, 1);
});

Deno.test("findKnownKeys() passes over hashes that are none", () => {
  const [good = ""] = HASHED;
  const [field = "", ...key] = good.split(" ");
  const behind = key.join(" ");
  const bad = [
    `${field}|x ${behind}`,
    `${field.replace("|1|", "|2|")} ${behind}`,
    `${field.replace("ueiX", "ue!X")} ${behind}`,
    `|1|AAAA|NokMnS+nBxJFEQFpjrK0J7IHOtg= ${behind}`,
    `|1|| ${behind}`,
    `|1 ${behind}`,
    `${field},main.dev.alice.example.com ${behind}`,
  ];
  assert.deepEqual(findKnownKeys(bad.join("\n"), "main.dev.alice.example.com"), []);
});

Deno.test("findKnownKeys() tells all keys of a name, of all types, and the revoked ones", () => {
  const text = [
    `h ${RSA.line}`,
    `a,h ${ECDSA.line}`,
    `x ${E}`,
    `@revoked * ${E}`,
    `@revoked ${HASHED[2]}`,
  ].join("\r\n");
  const found = (name: string) =>
    findKnownKeys(text, name).map(({ type, line, isRevoked }) => [type, line, isRevoked]);
  assert.deepEqual(found("h"), [
    ["ssh-rsa", 1, false],
    ["ecdsa-sha2-nistp256", 2, false],
    ["ssh-ed25519", 4, true],
  ]);
  assert.deepEqual(found("plain"), [["ssh-ed25519", 4, true], ["ssh-ed25519", 5, true]]);
});

Deno.test("knownKeyLine() appends a line that is found again, whatever stood there", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const names = ["[main.id.host]:3000", "main.dev.alice.host"];
    const entry = { names, type: "ssh-ed25519", base64: B, comment: "alice/dev.main" };
    const grown = text + knownKeyLine(text, entry);
    assert(grown.startsWith(text));
    for (const name of names) {
      assert(findKnownKeys(grown, name).some((key) => key.blob.toBase64() === B));
    }
  }));
});

Deno.test("findKnownKeys() throws for no text at all", () => {
  const field = fc.oneof(
    fc.constantFrom("@revoked", "|1|", "h", "!h", "*", ",", B, "ssh-ed25519", "=", "\ufeff"),
    fc.string(),
  );
  const line = fc.array(field).map((fields) => fields.join(" "));
  fc.assert(fc.property(fc.array(line), (lines) => {
    for (const key of findKnownKeys(lines.join("\n"), "h")) assert.equal(key.type, "ssh-ed25519");
  }));
});

Deno.test("findKnownKeys() is not held up by a pattern of stars", () => {
  const pattern = "*a".repeat(400) + "b";
  assert.deepEqual(findKnownKeys(`${pattern} ${E}`, "a".repeat(1_000)), []);
});
