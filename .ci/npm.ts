/**
 * Makes the npm package: the bundle, its launcher, and this very version of Deno as its only dependency.
 *   deno task npm [--dist=FOLDER]
 * What comes of it is `FOLDER/hawser-hawser-VERSION.tgz`; `npm install -g ./dist/…` installs it.
 */
import { VERSION } from "../lib/cli/version.ts";
import { FLAGS, optionOf, run } from "./packaging.ts";

const dist = optionOf(Deno.args, "dist") ?? "dist";
const root = `${dist}/npm`;
/** Where files go, from where they are. */
const COPIES: readonly (readonly [from: string, to: string])[] = [
  ["packaging/install.cjs", "install.cjs"],
  ["packaging/hawser.cjs", "bin/hawser.cjs"],
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

await Deno.remove(root, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
await run(Deno.execPath(), ["run", "-A", ".ci/bundle.ts", `${root}/bundle`]);
await Deno.mkdir(`${root}/bin`);
for (const [from, to] of COPIES) await Deno.copyFile(from, `${root}/${to}`);
await Deno.chmod(`${root}/bin/hawser.cjs`, 0o755);
const start = await Deno.readTextFile("packaging/start.cjs");
const started = start.replace('"@FLAGS@"', JSON.stringify(FLAGS));
await Deno.writeTextFile(`${root}/start.cjs`, started);
await Deno.writeTextFile(`${root}/package.json`, `${JSON.stringify(MANIFEST, null, 2)}\n`);
// npm takes a bare path of two words for a repository.
const folder = root.startsWith("/") ? root : `./${root}`;
await run("npm", ["pack", "--silent", "--pack-destination", dist, folder]);
