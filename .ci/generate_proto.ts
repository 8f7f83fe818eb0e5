/**
 * Generates `lib/proto/*_pb.ts` from the `.proto` files beside them, with nothing but npm: buf compiles,
 * protoc-gen-es writes. `--check` writes nothing and fails when what is committed is not what would be generated.
 * The plugin has the version of the runtime in `deno.json`; the two must move together.
 */

const BUF = "npm:@bufbuild/buf@1.74.0";
const PLUGIN = "npm:@bufbuild/protoc-gen-es@2.17.0";
const PROTO_DIR = new URL("../lib/proto/", import.meta.url);

const TEMPLATE = {
  version: "v2",
  plugins: [{
    local: [
      "deno",
      "run",
      "--quiet",
      "--no-config",
      "--no-lock",
      "--allow-env",
      "--allow-read",
      PLUGIN,
    ],
    out: ".",
    // erasable_syntax: no TypeScript `enum`, which our compiler options refuse.
    opt: ["target=ts", "erasable_syntax=true", "import_extension=ts"],
  }],
};

async function generateInto(dir: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("deno", {
    args: [
      "run",
      "--quiet",
      "--no-config",
      "--no-lock",
      "--allow-all", // buf is a native program: Deno's permissions would not bind it anyway
      BUF,
      "generate",
      "--template",
      JSON.stringify(TEMPLATE),
      "--output",
      dir,
    ],
    cwd: PROTO_DIR,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(`Cannot generate protobuf code: ${new TextDecoder().decode(stderr).trim()}`);
  }
}

async function readGenerated(dir: string | URL): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const base = dir instanceof URL ? dir : new URL(`file://${dir}/`);
  for await (const entry of Deno.readDir(base)) {
    if (!entry.name.endsWith("_pb.ts")) continue;
    files.set(entry.name, await Deno.readTextFile(new URL(entry.name, base)));
  }
  return files;
}

async function main(args: readonly string[]): Promise<number> {
  const scratch = await Deno.makeTempDir();
  try {
    await generateInto(scratch);
    const fresh = await readGenerated(scratch);
    const committed = await readGenerated(PROTO_DIR);
    const stale = [...new Set([...fresh.keys(), ...committed.keys()])]
      .filter((name) => fresh.get(name) !== committed.get(name)).sort();
    if (args.includes("--check")) {
      for (const name of stale) report(`lib/proto/${name} is stale: run \`deno task generate\``);
      return stale.length === 0 ? 0 : 1;
    }
    for (const name of stale) {
      const text = fresh.get(name);
      const target = new URL(name, PROTO_DIR);
      if (text === undefined) await Deno.remove(target);
      else await Deno.writeTextFile(target, text);
      report(`lib/proto/${name} ${text === undefined ? "removed" : "written"}`);
    }
    return 0;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

function report(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main(Deno.args));
