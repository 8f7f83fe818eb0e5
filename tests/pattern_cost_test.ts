/** No text of a peer meets a pattern that goes back over what it read: the rule, and the whole of `lib/` under it. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { patternsIn, superLinearReason } from "./support/pattern_cost.ts";

const ROOT = new URL("../", import.meta.url);

Deno.test("superLinearReason() refuses what backtracks, and nothing that does not", async (t) => {
  const rows: { pattern: RegExp; isRefused: boolean }[] = [
    { pattern: /\n+$/, isRefused: true },
    { pattern: /^[ \t]+|[ \t]+$/g, isRefused: true },
    { pattern: /\/+$/, isRefused: true },
    { pattern: /[-+].*$/, isRefused: true },
    { pattern: /a+b/, isRefused: true },
    { pattern: /[ \t]*\n/g, isRefused: true },
    { pattern: /certificate.*expired/i, isRefused: true },
    { pattern: /<script.*?>/, isRefused: true },
    { pattern: /^(?:a+)+$/, isRefused: true },
    { pattern: /^a*a*b/, isRefused: true },
    { pattern: /^(\/.+):(\/.+)$/, isRefused: true },
    { pattern: /^(a|ab)*c$/, isRefused: true },
    { pattern: /^(?:a?a)*$/, isRefused: true },
    { pattern: /x(?=a*b)/, isRefused: true },
    { pattern: /(\d+\.?\d*|\.\d+)(ns|us)/y, isRefused: true },
    { pattern: /\d{1,1000}x/, isRefused: true },
    { pattern: /^ *x$/m, isRefused: false },
    { pattern: /^[^,]*x/m, isRefused: true },
    { pattern: /\n+/g, isRefused: false },
    { pattern: /\s+/, isRefused: false },
    { pattern: /^[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*$/, isRefused: false },
    { pattern: /^v?(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+\S*)?$/, isRefused: false },
    { pattern: /^([+-]?)(.*)$/s, isRefused: false },
    { pattern: /=(.*)/s, isRefused: false },
    { pattern: /x\d*y/, isRefused: false },
    { pattern: /E\[[0-?]*[@-~]?/g, isRefused: false },
    { pattern: /^HTTP\/(1\.[01]) ([1-9][0-9]{2})(?: (.*))?$/, isRefused: false },
    { pattern: /^([^ ]+) ([^ ]+) HTTP\/(1\.[01])$/, isRefused: false },
    { pattern: /^S(\/.*)$/m, isRefused: false },
    { pattern: /\r?\n/, isRefused: false },
    { pattern: /.{1,64}/g, isRefused: false },
  ];
  for (const { pattern, isRefused } of rows) {
    await t.step(String(pattern), () => {
      const reason = superLinearReason(pattern.source, pattern.flags);
      strictEqual(reason !== undefined, isRefused, reason ?? "not refused");
    });
  }
});

async function* sources(dir: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(dir)) {
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), dir);
    if (entry.isDirectory) yield* sources(url);
    else if (entry.name.endsWith(".ts")) yield url;
  }
}

Deno.test("every pattern in lib takes linear time, and none is put together at run time", async () => {
  const wrong: string[] = [];
  let count = 0;
  for await (const url of sources(new URL("lib/", ROOT))) {
    const path = url.pathname.slice(ROOT.pathname.length);
    // Generated code has no patterns, AssemblyScript none of ours.
    if (path.startsWith("lib/proto/") || path.startsWith("lib/crypto/wasm/")) continue;
    const { found, built } = patternsIn(await Deno.readTextFile(url));
    count += found.length;
    if (built > 0) wrong.push(`${path}: RegExp() makes a pattern that nobody can check here`);
    for (const { pattern, flags } of found) {
      const reason = superLinearReason(pattern, flags);
      if (reason !== undefined) wrong.push(`${path}: ${reason}`);
    }
  }
  ok(count > 50, `only ${count} patterns found: does the search still work?`);
  deepStrictEqual(wrong, []);
});
