/**
 * Makes the code-split bundle in `dist/bundle`, or the folder that is given, which `deno run` takes from a file or a URL. What the
 * bundler writes for npm packages wants a file URL, which a module from the web has none of, and loads `node:module` at the
 * start of every program, which takes as long as all of ours: those places are mended here.
 */
import { joinChunks } from "./join_chunks.ts";

const outDir = Deno.args[0] ?? "dist/bundle";
const MENDS: readonly (readonly [RegExp, string])[] = [
  [/(\w+)\(import\.meta\.url\)/g, '$1("file:///")'],
  [/import\.meta\.dirname/g, '(import.meta.dirname??"/")'],
  [/import\.meta\.filename/g, '(import.meta.filename??"/")'],
  [
    /import\s*\{createRequire as (\w+)\}\s*from\s*"node:module";var (\w+)=\1\("file:\/\/\/"\)/g,
    'var $1,$2=(id)=>($1??=process.getBuiltinModule("node:module").createRequire("file:///"))(id)',
  ],
];

await Deno.remove(outDir, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
const parts = await Deno.realPath(await Deno.makeTempDir({ prefix: "hawser-bundle-" }));
try {
  await bundle();
  for await (const { name } of Deno.readDir(parts)) await mend(name);
  await joinChunks(parts, outDir);
} finally {
  await Deno.remove(parts, { recursive: true });
}

async function bundle(): Promise<void> {
  const externals = ["--external", "cpu-features", "--external", "*.node"];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--minify", "--code-splitting", ...externals],
      ...["--outdir", parts, "main.ts"],
    ],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The bundler failed");
}

async function mend(name: string): Promise<void> {
  const path = `${parts}/${name}`;
  let text = await Deno.readTextFile(path);
  for (const [pattern, replacement] of MENDS) text = text.replaceAll(pattern, replacement);
  if (/from\s*"node:module"/.test(text)) throw new Error(`${name} loads node:module at once`);
  await Deno.writeTextFile(path, text);
}
