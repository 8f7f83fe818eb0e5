/** Where a machine keeps its authorities: machines made of a few files, and this one. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { certificatesIn, pemOf } from "../../lib/base/pem.ts";
import { type RootFiles, rootSourcesOf, systemRoots } from "../../lib/io/system_roots.ts";
import { envOf, tlsFixture } from "./support.ts";

const CA = tlsFixture("ca.crt");
const OTHER = tlsFixture("server.crt");
const [CA_ALONE = ""] = certificatesIn(CA);
const [OTHER_ALONE = ""] = certificatesIn(OTHER);
const BROKEN = CA.replace(/\n[^\n]+\n-----END/, "\n-----END");

interface Machine {
  readonly os?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Text by path; an error for what cannot be read. */
  readonly files?: Readonly<Record<string, string | Error>>;
  readonly store?: readonly string[] | Error;
}

function machine({ os = "linux", env = {}, files = {}, store }: Machine) {
  const read: string[] = [];
  const root: RootFiles = {
    os,
    env: envOf(env),
    readText(path) {
      read.push(path);
      const text = files[path] ?? new Deno.errors.NotFound(path);
      return text instanceof Error ? Promise.reject(text) : Promise.resolve(text);
    },
    async *filesIn(folder) {
      const refusal = files[folder];
      if (refusal instanceof Error) throw refusal;
      const names = Object.keys(files).filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)).filter((name) => !name.includes("/"));
      if (names.length === 0) throw new Deno.errors.NotFound(folder);
      yield* names;
    },
    systemStore() {
      read.push("store");
      return store === undefined || store instanceof Error
        ? Promise.reject(store ?? new Error("no store here"))
        : Promise.resolve(store);
    },
  };
  return { sources: rootSourcesOf(root), read };
}

Deno.test("rootSourcesOf() reads the first bundle that is there, as it is, and nothing else at first", async () => {
  for (
    const path of [
      "/etc/ssl/certs/ca-certificates.crt",
      "/etc/pki/tls/certs/ca-bundle.crt",
      "/etc/ssl/ca-bundle.pem",
      "/etc/pki/tls/cacert.pem",
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
      "/etc/ssl/cert.pem",
    ]
  ) {
    const { sources, read } = machine({
      files: { [path]: CA, "/usr/local/etc/ssl/cert.pem": OTHER },
    });
    deepStrictEqual(await sources.quick(), { certificates: [CA], stores: [path] });
    strictEqual(read.at(-1), path);
  }
});

Deno.test("rootSourcesOf() adds every folder's files, each certificate once and the broken ones left out", async () => {
  const { sources } = machine({
    files: {
      "/etc/ssl/certs/ca-certificates.crt": BROKEN + CA,
      "/etc/ssl/certs/own.pem": CA,
      "/etc/ssl/certs/gone.pem": new Deno.errors.NotFound("dangling"),
      "/etc/ssl/certs/README": "nothing",
      "/etc/pki/tls/certs/other.pem": OTHER,
    },
  });
  deepStrictEqual(await sources.all(), {
    certificates: [CA_ALONE, OTHER_ALONE],
    stores: ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs", "/etc/pki/tls/certs"],
  });
});

Deno.test("rootSourcesOf() obeys SSL_CERT_FILE and SSL_CERT_DIR, alone or together (crypto/x509)", async () => {
  const files = {
    "/etc/ssl/certs/ca-certificates.crt": OTHER,
    "/etc/ssl/certs/other.pem": OTHER,
    "/own/ca.pem": CA,
    "/a/one.pem": CA,
    "/b/two.pem": OTHER,
  };
  const file = machine({ env: { SSL_CERT_FILE: "/own/ca.pem" }, files });
  deepStrictEqual(await file.sources.quick(), { certificates: [CA], stores: ["/own/ca.pem"] });
  const folders = machine({ env: { SSL_CERT_DIR: "/a::/b" }, files });
  deepStrictEqual((await folders.sources.all()).stores, [
    "/etc/ssl/certs/ca-certificates.crt",
    "/a",
    "/b",
  ]);
  const both = machine({ env: { SSL_CERT_FILE: "/own/ca.pem", SSL_CERT_DIR: "/b" }, files });
  deepStrictEqual(await both.sources.all(), {
    certificates: [CA_ALONE, OTHER_ALONE],
    stores: ["/own/ca.pem", "/b"],
  });
});

Deno.test("rootSourcesOf() asks the system's own store on macOS and Windows, last", async () => {
  for (const [os, name] of [["darwin", /keychains/], ["windows", /store of Windows/]] as const) {
    const { sources, read } = machine({ os, store: [CA, "nonsense"] });
    deepStrictEqual(await sources.quick(), { certificates: [], stores: [] });
    deepStrictEqual(read, []);
    const all = await sources.all();
    deepStrictEqual(all.certificates, [CA_ALONE]);
    match(all.stores.join(), name);
    const named = machine({
      os,
      env: { SSL_CERT_FILE: "ca.pem" },
      files: { "ca.pem": OTHER },
      store: [CA],
    });
    deepStrictEqual((await named.sources.all()).certificates, [OTHER_ALONE, CA_ALONE]);
  }
});

Deno.test("rootSourcesOf() says why a store cannot be read, and never fails for it", async () => {
  const named = machine({ env: { SSL_CERT_FILE: "/typo.pem" } });
  deepStrictEqual((await named.sources.quick()).stores, ["/typo.pem (no such file or directory)"]);
  const refused = machine({
    files: {
      "/etc/ssl/certs/ca-certificates.crt": new Deno.errors.NotCapable("no"),
      "/etc/ssl/ca-bundle.pem": new Deno.errors.PermissionDenied("no"),
      "/etc/ssl/certs": new Deno.errors.NotCapable("no"),
    },
  });
  deepStrictEqual((await refused.sources.all()).stores, [
    "/etc/ssl/certs/ca-certificates.crt (not permitted)",
    "/etc/ssl/ca-bundle.pem (permission denied)",
    "/etc/ssl/certs (not permitted)",
  ]);
  const store = machine({ os: "darwin", store: new Deno.errors.NotCapable("no") });
  deepStrictEqual((await store.sources.all()).stores, ["the keychains of macOS (not permitted)"]);
  const nothing = machine({});
  deepStrictEqual(await nothing.sources.all(), { certificates: [], stores: [] });
  const bug = machine({ files: { "/etc/ssl/cert.pem": new TypeError("a bug") } });
  await rejects(bug.sources.quick(), TypeError);
});

Deno.test("systemRoots() reads the files of this machine", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.pem`, CA);
    if (Deno.build.os !== "windows") await Deno.symlink("a.pem", `${folder}/hash.0`);
    await Deno.mkdir(`${folder}/below`);
    const roots = systemRoots(envOf({ SSL_CERT_FILE: `${folder}/a.pem`, SSL_CERT_DIR: folder }));
    deepStrictEqual(await roots.first(), { certificates: [CA], stores: [`${folder}/a.pem`] });
    const all = await roots.all();
    ok(all.certificates.includes(CA_ALONE));
    strictEqual(await roots.first(), all);
    const notFile = systemRoots(envOf({ SSL_CERT_FILE: folder }));
    deepStrictEqual((await notFile.first()).stores, [`${folder} (not a file)`]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("certificatesIn() finds what is well-formed among what is not", async (t) => {
  const body = CA_ALONE.split("\n").slice(1, -2).join("\n");
  const block = (inside: string, kind = "CERTIFICATE") =>
    `-----BEGIN ${kind}-----\n${inside}\n-----END ${kind}-----\n`;
  const rows: readonly (readonly [name: string, text: string, count: number])[] = [
    ["one", CA, 1],
    ["two", CA + OTHER, 2],
    ["twice the same", CA + CA, 1],
    ["line ends of DOS", CA.replaceAll("\n", "\r\n"), 1],
    ["byte order mark and words around", `\ufeff# Corp\n${CA}\nend é\n`, 1],
    [
      "no line ends",
      `-----BEGIN CERTIFICATE-----${body.replaceAll("\n", "")}-----END CERTIFICATE-----`,
      1,
    ],
    ["no base64", block("!!!!"), 0],
    ["no certificate", block("AAAA"), 0],
    ["empty", block(""), 0],
    ["cut", BROKEN, 0],
    ["cut before a good one", BROKEN + CA, 1],
    ["never closed before a good one", `-----BEGIN CERTIFICATE-----\nAAAA\n${CA}`, 1],
    ["never closed", `-----BEGIN CERTIFICATE-----\n${body}`, 0],
    ["bytes behind it", pemOf(new Uint8Array([...derOf(CA_ALONE), 0])), 0],
    ["length beyond the end", block(btoa("\x30\x84\xff\xff\xff\xff")), 0],
    ["length of no length", block(btoa("\x30\x80")), 0],
    ["length of too many bytes", block(btoa("\x30\x89123456789")), 0],
    ["a key", tlsFixture("client.key"), 0],
    ["OpenSSL's trusted form", block(body, "TRUSTED CERTIFICATE"), 0],
    ["nothing", "", 0],
  ];
  for (const [name, text, count] of rows) {
    await t.step(name, () => strictEqual(certificatesIn(text).length, count));
  }
  strictEqual(certificatesIn(pemOf(derOf(CA_ALONE))).length, 1);
});

function derOf(pem: string): Uint8Array {
  const base64 = pem.split("\n").filter((line) => !line.startsWith("-----")).join("");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
