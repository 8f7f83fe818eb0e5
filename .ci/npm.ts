/**
 * Makes the npm package: the bundle, its launcher, and this very version of Deno as its only dependency. What comes of it is
 * `dist/<name>-<version>.tgz`; a folder that is given as argument takes the place of `dist`.
 */
import { VERSION } from "../lib/cli/version.ts";

const DIST = Deno.args[0] ?? "dist";
const ROOT = `${DIST}/npm`;
/** Where files go, from where they are. */
const COPIES: readonly (readonly [from: string, to: string])[] = [
  ["npm/start.cjs", "start.cjs"],
  ["npm/install.cjs", "install.cjs"],
  ["npm/hawser.cjs", "bin/hawser.cjs"],
  ["LICENSE", "LICENSE"],
  ["README.md", "README.md"],
];

const MANIFEST = {
  name: "@hawser/hawser",
  version: VERSION,
  description: "SSH into Coder workspaces without the coder binary",
  license: "MIT",
  bin: { hawser: "bin/hawser.cjs" },
  files: ["bin", "bundle", "start.cjs", "install.cjs"],
  engines: { node: ">=16" },
  dependencies: { deno: Deno.version.deno },
  scripts: { postinstall: "node ./install.cjs" },
};

await Deno.remove(ROOT, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
await run(Deno.execPath(), ["run", "-A", ".ci/bundle.ts", `${ROOT}/bundle`]);
await Deno.mkdir(`${ROOT}/bin`);
for (const [from, to] of COPIES) await Deno.copyFile(from, `${ROOT}/${to}`);
await Deno.chmod(`${ROOT}/bin/hawser.cjs`, 0o755);
await Deno.writeTextFile(`${ROOT}/package.json`, `${JSON.stringify(MANIFEST, null, 2)}\n`);
await run("npm", [
  "pack",
  "--silent",
  "--pack-destination",
  DIST,
  `./${ROOT}`.replace(/^\.\/\//, "/"),
]);

async function run(program: string, args: readonly string[]): Promise<void> {
  const { code } = await new Deno.Command(program, { args: [...args] }).output();
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: status ${code}`);
}
