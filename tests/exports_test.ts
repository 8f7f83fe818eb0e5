/** Nothing lives through tests alone: what a file of `lib/` exports is used by the program, or says here why not. */
import { deepStrictEqual, ok } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** Exports that no other code of `lib/` names, and why they are there. `lib/mod.ts` is the library: others use it. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ["lib/base/core.ts Core", "the shape of a core, which is being put on all of them"],
  ["lib/cli/grammar/flags_ssh.ts SSH_FLAGS", "the largest table of flags, for the grammar's tests"],
  ["lib/crypto/blake2s.ts kdf1", "one of the whitepaper's three, for the vectors of all three"],
  [
    "lib/disco/stun.ts decodeStunRequest",
    "the server's half: a simulated STUN server reads with it",
  ],
  ["lib/disco/stun.ts encodeStunResponse", "likewise"],
]);

async function* sourcesUnder(dir: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(dir)) {
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), dir);
    if (entry.isDirectory) yield* sourcesUnder(url);
    else if (entry.name.endsWith(".ts")) yield url;
  }
}

/** Code without comments and without what it only passes on. */
function codeOf(text: string, path: string): string {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
  return path === "lib/mod.ts"
    ? code
    : code.replace(/export (?:type )?\{[^}]*\} from "[^"]+";/g, "");
}

Deno.test("every export of lib is used by the program", async () => {
  const sources = new Map<string, string>();
  for (const root of ["main.ts", "lib/"]) {
    const url = new URL(root, ROOT);
    for await (const file of root.endsWith("/") ? sourcesUnder(url) : [url]) {
      const path = file.pathname.slice(ROOT.pathname.length);
      // Generated code has a function for each message and direction; AssemblyScript exports for the build.
      if (path.startsWith("lib/proto/") || path.startsWith("lib/crypto/wasm/")) continue;
      sources.set(path, codeOf(await Deno.readTextFile(file), path));
    }
  }
  const counts = new Map<string, number>();
  for (const code of sources.values()) {
    for (const [word] of code.matchAll(/[A-Za-z_$][\w$]*/g)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const unused: string[] = [];
  let exported = 0;
  const declarations =
    /^export (?:async )?(?:abstract )?(?:function\*?|const|class|interface|type) (\w+)/gm;
  for (const [path, code] of sources) {
    for (const [, name = ""] of code.matchAll(declarations)) {
      exported++;
      if (counts.get(name) === 1 && !EXCEPTIONS.has(`${path} ${name}`)) {
        unused.push(`${path} ${name}`);
      }
    }
  }
  ok(exported > 500, `only ${exported} exports found: does the search still work?`);
  deepStrictEqual(unused, []);
});
