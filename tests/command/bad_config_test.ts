/** Files of the configuration folder that are damaged, huge, unreadable or no files: told with their path, and nothing is changed in them. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runToEnd } from "../support/command_host.ts";
import { commandTest } from "./support.ts";

const MAX_TEXT = 4_096;
const COMMANDS = [["list"], ["whoami"], ["ssh", "myworkspace", "true"], [
  "ssh",
  "--stdio",
  "myworkspace",
]];

interface Damage {
  readonly name: string;
  readonly make: (path: string) => Promise<void>;
  /** What is said when the file is `url`, and when it is `session`. */
  readonly url: RegExp;
  readonly session: RegExp;
}

const write = (bytes: string | Uint8Array) => async (path: string) =>
  await Deno.writeFile(path, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);

const BINARY = Uint8Array.from({ length: 300 }, (_, at) => at % 256);

const DAMAGES: readonly Damage[] = [
  {
    name: "empty",
    make: write(""),
    url: /You are not logged in/,
    session: /signed out|not logged in/,
  },
  { name: "bytes of chance", make: write(BINARY), url: /url/, session: /session/ },
  {
    name: "two lines",
    make: write("https://a.test\nhttps://b.test\n"),
    url: /Cannot use URL .*: there is a line end or another control character in it/,
    session: /session/,
  },
  { name: "a megabyte", make: write("x".repeat(1_000_000)), url: /url/i, session: /session/ },
  {
    name: "a link in a circle",
    make: async (path) => await Deno.symlink(path, path),
    url: /url: too many levels of symbolic links/i,
    session: /session: too many levels of symbolic links/i,
  },
  {
    name: "a folder",
    make: async (path) => await Deno.mkdir(path),
    url: /url: is a directory/,
    session: /session: is a directory/,
  },
  {
    name: "a device without an end",
    make: async (path) => await Deno.symlink("/dev/zero", path),
    url: /url/,
    session: /session/,
  },
];

if (Deno.build.os !== "windows") {
  for (const { name, make, ...says } of DAMAGES) {
    for (const file of ["url", "session"] as const) {
      commandTest(`${file} is ${name}: said in a few words, and left as it is`, async (desk) => {
        const folder = await Deno.makeTempDir({ prefix: "hawser-bad-" });
        try {
          const good = { url: desk.sandbox.url.href, session: desk.sandbox.token };
          for (const [other, text] of Object.entries(good)) {
            if (other !== file) await Deno.writeTextFile(`${folder}/${other}`, text);
          }
          await make(`${folder}/${file}`);
          const before = await Deno.lstat(`${folder}/${file}`);
          for (const words of COMMANDS) {
            const { code, stdout, stderr } = await runToEnd(words, {
              env: { CODER_CONFIG_DIR: folder },
            });
            strictEqual(code, 1, stderr);
            strictEqual(stdout, "");
            match(stderr, /^Encountered an error running/m);
            match(stderr, says[file]);
            ok(stderr.length < MAX_TEXT, `${stderr.length} characters`);
          }
          const after = await Deno.lstat(`${folder}/${file}`);
          deepStrictEqual([after.size, after.mtime], [before.size, before.mtime]);
        } finally {
          await Deno.remove(folder, { recursive: true });
        }
      });
    }
  }
}
