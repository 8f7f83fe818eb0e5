import assert from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../lib/base/errors.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
  parseStdioForward,
} from "../../lib/ssh/forward_spec.ts";
import { formatTarget, type LocalTarget } from "../../lib/ssh/host.ts";

const LOCAL = [
  ["8080:localhost:80", "localhost:8080 localhost:80"],
  ["0:db:5432", "localhost:0 db:5432"],
  ["127.0.0.1:8080:db:5432", "127.0.0.1:8080 db:5432"],
  ["[::1]:8080:[fe80::1]:80", "[::1]:8080 [fe80::1]:80"],
  ["*:8080:db:80", "*:8080 db:80"],
  [":8080:db:80", "*:8080 db:80"],
  ["8080:/run/docker.sock", "localhost:8080 /run/docker.sock"],
  ["0.0.0.0:8080:/run/docker.sock", "0.0.0.0:8080 /run/docker.sock"],
  ["/tmp/a.sock:/run/docker.sock", "/tmp/a.sock /run/docker.sock"],
  ["/tmp/a.sock:db:5432", "/tmp/a.sock db:5432"],
] as const;

for (const [spec, shown] of LOCAL) {
  Deno.test(`parseLocalForward() reads ${spec}`, () => {
    const { listen, to } = parseLocalForward(spec);
    assert.equal(`${formatTarget(listen)} ${formatTarget(to)}`, shown);
  });
}

const BAD_LOCAL = [
  "",
  "8080",
  "8080:host",
  "x:host:80",
  "8080:host:0",
  "65536:host:80",
  "8080::80",
  "1:2:3:4:5",
  "[::1:8080:host:80",
  "[::1]x:8080:host:80",
  "/a",
  "host:80:/x:/y",
  "8080:host:http",
];

for (const spec of BAD_LOCAL) {
  Deno.test(`parseLocalForward() refuses "${spec}"`, () => {
    assert.throws(() => parseLocalForward(spec), UserError);
  });
}

Deno.test("parseDynamicForward() and parseStdioForward() read OpenSSH's forms", () => {
  assert.equal(formatTarget(parseDynamicForward("1080").listen), "localhost:1080");
  assert.equal(formatTarget(parseDynamicForward("[::1]:1080").listen), "[::1]:1080");
  assert.equal(formatTarget(parseDynamicForward("*:1080").listen), "*:1080");
  assert.deepEqual(parseStdioForward("[::1]:22"), { kind: "tcp", host: "::1", port: 22 });
  for (const bad of ["", "x", "a:b:1080", "1:2:3"]) {
    assert.throws(() => parseDynamicForward(bad), UserError, bad);
  }
  for (const bad of ["", "host", "host:0", "/run/x.sock", "a:b:c"]) {
    assert.throws(() => parseStdioForward(bad), UserError, bad);
  }
});

Deno.test("parseRemoteForward() reads the two forms of coder ssh", () => {
  const rows = [
    ["8222:localhost:22", "127.0.0.1:8222 localhost:22"],
    ["8222:10.0.0.1:22", "127.0.0.1:8222 10.0.0.1:22"],
    ["8222:[::1]:22", "127.0.0.1:8222 [::1]:22"],
    ["8222:::1:22", "127.0.0.1:8222 [::1]:22"],
    ["0:localhost:22", "127.0.0.1:0 localhost:22"],
    ["/remote.sock:/local.sock", "/remote.sock /local.sock"],
  ] as const;
  for (const [spec, shown] of rows) {
    const { listen, to } = parseRemoteForward(spec);
    assert.equal(`${formatTarget(listen)} ${formatTarget(to)}`, shown);
  }
  const format = "invalid format of remote-forward, expected: remote_port:local_address:local_port";
  for (const bad of ["", "8222", "8222:localhost", "/remote.sock:local.sock", "a:b:c"]) {
    assert.throws(() => parseRemoteForward(bad), { message: format });
  }
  assert.throws(() => parseRemoteForward("70000:localhost:22"), {
    message: /^remote port is invalid: /,
  });
  assert.throws(() => parseRemoteForward("8222:localhost:70000"), {
    message: /^local port is invalid: /,
  });
});

Deno.test("forward texts either parse or are a UserError, whatever they are", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[\d:/[\]a*.]{0,20}$/));
  fc.assert(fc.property(text, (spec) => {
    for (
      const parse of [parseLocalForward, parseDynamicForward, parseRemoteForward, parseStdioForward]
    ) {
      try {
        parse(spec);
      } catch (error) {
        assert(error instanceof UserError, String(error));
      }
    }
  }));
});

/** The two forms as patterns, which take quadratic time for long texts. */
function plainRemoteForward(spec: string): string | undefined {
  const sockets = /^(\/.+):(\/.+)$/.exec(spec);
  if (sockets !== null) return `unix ${sockets[1]} unix ${sockets[2]}`;
  const ports = /^(\d+):(.+):(\d+)$/.exec(spec);
  if (ports === null) return undefined;
  const host = /^\[(.*)\]$/.exec(ports[2] ?? "")?.[1] ?? ports[2];
  const [remote, local] = [Number(ports[1]), Number(ports[3])];
  return remote > 65_535 || local > 65_535 || local === 0
    ? undefined
    : `tcp 127.0.0.1 ${remote} tcp ${host} ${local}`;
}

Deno.test("parseRemoteForward() reads what the patterns of its two forms read", () => {
  const text = fc.array(fc.constantFrom(":", "/", "[", "]", "1", "80", "a", ":/"), { maxLength: 9 })
    .map((parts) => parts.join(""));
  const show = (target: LocalTarget) =>
    target.kind === "tcp" ? `tcp ${target.host} ${target.port}` : `unix ${target.path}`;
  fc.assert(
    fc.property(text, (spec) => {
      let read: string | undefined;
      try {
        const { listen, to } = parseRemoteForward(spec);
        read = `${show(listen)} ${show(to)}`;
      } catch (error) {
        assert(error instanceof UserError);
      }
      assert.equal(read, plainRemoteForward(spec));
    }),
    { numRuns: 2_000 },
  );
});
