/** The library as somebody else's program has it: the bundle of `lib/mod.ts` in a folder of its own, and nothing of this checkout. */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { testWith } from "../live/check.ts";
import { fromFileUrl } from "../live/names.ts";
import { Bench, succeeded } from "./package_bench.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

testWith("library: the examples run with its bundle alone", [], async () => {
  await using bench = new Bench();
  const folder = `${bench.folder}/outside`;
  await Deno.mkdir(`${folder}/examples`, { recursive: true });
  const bundling = ["bundle", "--quiet", "--external", "cpu-features", "--external", "*.node"];
  succeeded(
    await bench.run([
      ...[Deno.execPath(), ...bundling, "--output", `${folder}/hawser.js`, "lib/mod.ts"],
    ]),
  );
  for (const { name } of Deno.readDirSync(`${ROOT}examples`)) {
    const text = await Deno.readTextFile(`${ROOT}examples/${name}`);
    const own = text.replaceAll('"../lib/mod.ts"', '"../hawser.js"');
    ok(own !== text, name);
    await Deno.writeTextFile(`${folder}/examples/${name}`, own);
  }
  await using sandbox = await Sandbox.start({
    workspaces: [{ name: "dev", agents: [{ name: "main", shell: "sh" }] }],
  });
  const workspace = "dev";
  const run = async (name: string, ...args: readonly string[]) =>
    await bench.run([
      ...["env", `CODER_URL=${sandbox.url}`, `CODER_SESSION_TOKEN=${sandbox.token}`],
      ...[Deno.execPath(), "run", "-A", "--quiet", "--no-check", "--no-config", "--unstable-net"],
      ...[`${folder}/examples/${name}`, workspace, ...args],
    ]);
  const told = await run("run_command.ts", "echo out; echo err >&2; exit 5");
  deepStrictEqual([told.code, told.stdout, told.stderr], [5, "out\n", "err\n"]);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("a page"),
  );
  const page = await run("fetch_page.ts", String(server.addr.port));
  match(page.stdout, /^HTTP\/1\.[01] 200 OK\r\n[^]*a page$/);
  const [from, to] = [`${bench.folder}/from`, `${bench.folder}/to`];
  await Deno.writeTextFile(from, "words\n");
  succeeded(await run("copy_file.ts", from, to));
  deepStrictEqual(await Deno.readTextFile(to), "words\n");
});
