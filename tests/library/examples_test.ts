/** Every program of `examples/`, as somebody would run it, against the sandbox. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Sandbox } from "../../lib/sandbox/mod.ts";
import { fromFileUrl } from "../live/names.ts";
import { decode, sandboxTest } from "../sandbox/support.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const TESTED = ["copy_file.ts", "fetch_page.ts", "run_command.ts"];
/** What the others share. */
const SHARED = ["deployment.ts"];

async function runExample(sandbox: Sandbox | undefined, name: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--unstable-net", `examples/${name}`, ...args],
    cwd: ROOT,
    env: {
      CODER_URL: sandbox?.url.toString() ?? "",
      CODER_SESSION_TOKEN: sandbox?.token ?? "",
      NO_COLOR: "1",
    },
  }).output();
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

const nameOf = (sandbox: Sandbox) => sandbox.workspaces[0]?.name ?? "";

sandboxTest("examples/run_command.ts ends as its command does", async (sandbox) => {
  const told = await runExample(sandbox, "run_command.ts", nameOf(sandbox), "echo out; exit 5");
  deepStrictEqual(told, { code: 5, stdout: "out\n", stderr: "" });
  match((await runExample(undefined, "run_command.ts", "x", "true")).stderr, /Set CODER_URL and/);
});

sandboxTest("examples/fetch_page.ts fetches a page from a port", async (sandbox) => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => new Response(`page ${new URL(request.url).pathname}`),
  );
  const port = String(server.addr.port);
  const told = await runExample(sandbox, "fetch_page.ts", nameOf(sandbox), port, "/a");
  deepStrictEqual([told.code, told.stderr], [0, ""]);
  match(told.stdout, /^HTTP\/1\.[01] 200 OK\r\n[^]*\r\n\r\npage \/a$/);
});

sandboxTest("examples/copy_file.ts copies a file", async (sandbox) => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/from`, "words\n");
    const told = await runExample(
      sandbox,
      ...["copy_file.ts", nameOf(sandbox), `${folder}/from`, `${folder}/to`] as const,
    );
    deepStrictEqual([told.code, told.stderr], [0, ""]);
    match(told.stdout, /\/to has 6 bytes in .+\n$/);
    strictEqual(await Deno.readTextFile(`${folder}/to`), "words\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("every example is tested here", () => {
  const there = [...Deno.readDirSync(`${ROOT}examples`)].map(({ name }) => name);
  deepStrictEqual(there.toSorted(), [...TESTED, ...SHARED].toSorted());
});
