/** Logins in the store of macOS and of Windows, as the official command has them there (coder/coder cli/sessionstore). */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { HostCredentials } from "../../../lib/base/host.ts";
import { HostError } from "../../../lib/base/host.ts";
import { UserError } from "../../../lib/base/errors.ts";
import { readKeyring } from "../../../lib/cli/config/keyring.ts";
import { removeFromKeyring, writeKeyring } from "../../../lib/cli/config/keyring_changes.ts";
import { main } from "../../../lib/cli/main.ts";
import { FakeCoder } from "../../support/fake_coder.ts";
import { FakeHost, type FakeProgram } from "../../support/fake_host.ts";

const URL_A = new URL("https://Coder.Example.com:8443");
const URL_B = new URL("https://b.example.com");
const SERVICE = "coder-v2-credentials";
const MAC_DIR = "/home/alice/Library/Application Support/coderv2";
const WINDOWS_DIR = "C:\\Users\\alice\\AppData\\Roaming\\coderv2";

/** `security` with one item, and what `-i` reads from standard input. */
class Keychain {
  item: string | undefined;
  readonly lines: string[] = [];
  /** Answers every call instead. */
  fails: number | undefined;
  isForgetful = false;

  readonly program: FakeProgram = (args, options) => {
    if (this.fails !== undefined) return Promise.resolve({ code: this.fails });
    const [verb] = args;
    if (verb === "-i") {
      const line = new TextDecoder().decode(options.stdin);
      this.lines.push(line);
      const said = /^add-generic-password -U -s (\S+) -a (\S+) -w (\S+)\n$/.exec(line);
      deepStrictEqual(said?.slice(1, 3), [SERVICE, "coder-login-credentials"], line);
      if (!this.isForgetful) this.item = said?.[3];
      return Promise.resolve({});
    }
    deepStrictEqual(args.slice(1, 5), ["-s", SERVICE, "-a", "coder-login-credentials"]);
    if (this.item === undefined) return Promise.resolve({ code: 44 });
    if (verb === "find-generic-password") return Promise.resolve({ stdout: `${this.item}\n` });
    strictEqual(verb, "delete-generic-password");
    this.item = undefined;
    return Promise.resolve({});
  };

  get json(): unknown {
    return this.item === undefined ? undefined : JSON.parse(atob(this.item));
  }
}

/** Windows' store, and what it may not do. */
class Credentials implements HostCredentials {
  readonly blobs = new Map<string, Uint8Array>();
  problem: HostError | undefined;

  read = (name: string) => this.#do(() => this.blobs.get(name));
  write = (name: string, blob: Uint8Array) => this.#do(() => void this.blobs.set(name, blob));
  remove = (name: string) => this.#do(() => void this.blobs.delete(name));

  get json(): unknown {
    const blob = this.blobs.get(SERVICE);
    return blob === undefined ? undefined : JSON.parse(new TextDecoder().decode(blob));
  }

  #do<T>(work: () => T): Promise<T> {
    return this.problem === undefined ? Promise.resolve(work()) : Promise.reject(this.problem);
  }
}

function mac(coder?: FakeCoder) {
  const keychain = new Keychain();
  const host = new FakeHost({
    os: "darwin",
    ...(coder === undefined ? {} : { transport: coder.transport() }),
  });
  host.programs.set("/usr/bin/security", keychain.program);
  return { host, keychain, dir: MAC_DIR };
}

function windows(coder?: FakeCoder) {
  const keychain = new Credentials();
  const host = new FakeHost({
    os: "windows",
    env: { APPDATA: "C:\\Users\\alice\\AppData\\Roaming" },
    ...(coder === undefined ? {} : { transport: coder.transport() }),
  });
  host.credentials = keychain;
  return { host, keychain, dir: WINDOWS_DIR };
}

const SYSTEMS = { mac, windows };

for (const [name, make] of Object.entries(SYSTEMS)) {
  Deno.test(`${name}: a login is kept beside others, read, and removed alone`, async () => {
    const { host, keychain, dir } = make();
    const entry = (host: string, token: string) => ({ coder_url: host, api_token: token });
    strictEqual(await writeKeyring(host, dir, { url: URL_A, token: "token-a" }), undefined);
    deepStrictEqual(keychain.json, {
      "coder.example.com:8443": entry("coder.example.com:8443", "token-a"),
    });
    await writeKeyring(host, dir, { url: URL_B, token: "token-b" });
    await writeKeyring(host, dir, { url: URL_A, token: "token-c" });
    deepStrictEqual(keychain.json, {
      "coder.example.com:8443": entry("coder.example.com:8443", "token-c"),
      "b.example.com": entry("b.example.com", "token-b"),
    });
    strictEqual(await readKeyring(host, URL_A), "token-c");
    strictEqual(await readKeyring(host, new URL("https://coder.example.com")), undefined);
    await removeFromKeyring(host, dir, URL_A);
    deepStrictEqual(keychain.json, { "b.example.com": entry("b.example.com", "token-b") });
    await removeFromKeyring(host, dir, URL_A);
    await removeFromKeyring(host, dir, URL_B);
    strictEqual(keychain.json, undefined, "nothing is left of it");
    await removeFromKeyring(host, dir, URL_B);
    const words = JSON.stringify(host.runs.map(({ program, args }) => [program, args]));
    ok(!/token-|[A-Za-z0-9+/]{40}/.test(words), `no secret in ${words}`);
  });

  Deno.test(`${name}: login and logout leave no session file, and the official entry`, async () => {
    const coder = new FakeCoder();
    coder.routes.set("GET /users/first", () => ({ body: {} }));
    const me = { id: crypto.randomUUID(), username: "alice", organization_ids: [], roles: [] };
    coder.routes.set("GET /users/me", () => ({ body: me }));
    coder.routes.set("POST /users/me/keys", () => ({ status: 201, body: { key: "fresh-key" } }));
    coder.routes.set("POST /users/logout", () => ({ body: {} }));
    const { host, keychain, dir } = make(coder);
    const slash = name === "windows" ? "\\" : "/";
    await host.files.mkdir(dir);
    await host.files.writeText(`${dir}${slash}session`, "old-token");
    const login = ["login", "--token", "given-token", "https://coder.example.com"];
    strictEqual(await main(login, host), 0, host.stderr.text);
    deepStrictEqual(keychain.json, {
      "coder.example.com": { coder_url: "coder.example.com", api_token: "fresh-key" },
    });
    strictEqual(await host.files.readText(`${dir}${slash}session`), undefined);
    strictEqual(await host.files.readText(`${dir}${slash}url`), "https://coder.example.com");
    strictEqual(await main(["whoami"], host), 0, host.stderr.text);
    const asked = coder.requests.at(-1)?.headers.find(([key]) => /^coder-session/i.test(key));
    strictEqual(asked?.[1], "fresh-key");
    strictEqual(await main(["logout", "--yes"], host), 0, host.stderr.text);
    strictEqual(keychain.json, undefined);
    strictEqual(await host.files.readText(`${dir}${slash}url`), undefined);
    // Switched off, and for a folder of one's own, it is a file as everywhere.
    strictEqual(await main([...login, "--use-keyring=false"], host), 0, host.stderr.text);
    strictEqual(await host.files.readText(`${dir}${slash}session`), "fresh-key");
    strictEqual(await main([...login, "--global-config", `${dir}x`], host), 0, host.stderr.text);
    strictEqual(keychain.json, undefined);
    host[Symbol.dispose]();
  });

  Deno.test(`${name}: what is damaged or too long is refused, and nothing is lost`, async () => {
    const { host, keychain, dir } = make();
    await writeKeyring(host, dir, { url: URL_A, token: "token-a" });
    const before = keychain.json;
    await rejects(writeKeyring(host, dir, { url: URL_B, token: "x".repeat(4_000) }), (error) => {
      ok(error instanceof UserError);
      match(error.message, /data passed to Set was too big/);
      match(error.hint ?? "", /--use-keyring=false/);
      return true;
    });
    deepStrictEqual(keychain.json, before);
    for (const damaged of ["{", "[]x", "3", ""]) {
      if (keychain instanceof Keychain) keychain.item = btoa(damaged);
      else keychain.blobs.set(SERVICE, new TextEncoder().encode(damaged));
      const writing = writeKeyring(host, dir, { url: URL_B, token: "t" });
      if (damaged === "") strictEqual(await writing, undefined, "an empty one is none");
      else await rejects(writing, /parse existing credentials/);
    }
  });
}

Deno.test("an entry of another shape leaves those beside it", async () => {
  const { host, keychain, dir } = mac();
  keychain.item = btoa(JSON.stringify({ "b.example.com": { later: [1] }, __proto__x: 1 }));
  await writeKeyring(host, dir, { url: URL_A, token: "token-a" });
  strictEqual(await readKeyring(host, URL_A), "token-a");
  strictEqual(await readKeyring(host, URL_B), undefined);
  deepStrictEqual(Object.keys(Object(keychain.json)).length, 3);
  strictEqual(await readKeyring(host, new URL("https://constructor")), undefined);
});

Deno.test("a store that may not be used costs nothing but itself; one that fails is told", async () => {
  const { host, dir } = mac();
  host.programs.clear();
  match(await writeKeyring(host, dir, { url: URL_A, token: "t" }) ?? "", /no such program/);
  const refused = windows();
  refused.keychain.problem = new HostError("not-permitted", "not permitted (--allow-ffi)");
  match(
    await writeKeyring(refused.host, refused.dir, { url: URL_A, token: "t" }) ?? "",
    /--allow-ffi/,
  );
  strictEqual(await readKeyring(refused.host, URL_A), undefined);
  const locked = mac();
  locked.keychain.fails = 51;
  await rejects(writeKeyring(locked.host, locked.dir, { url: URL_A, token: "t" }), {
    message: "use keyring: read the keychain: security ended with status 51",
  });
  strictEqual(await readKeyring(locked.host, URL_A), undefined);
  const forgetful = mac();
  forgetful.keychain.isForgetful = true;
  await rejects(writeKeyring(forgetful.host, forgetful.dir, { url: URL_A, token: "t" }), {
    message: "write credentials to keyring: it does not keep them",
  });
});
