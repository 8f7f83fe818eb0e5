/**
 * Portable archives: a folder with Deno as npm has it for a system, the bundle, and a launcher, to be unpacked anywhere.
 *   deno task archives [--dist=FOLDER] [SYSTEM …]    all systems by default, or `here` for this one
 * What comes of it is `FOLDER/hawser-VERSION-SYSTEM.tar.gz`; Windows unpacks these too.
 */
import { VERSION } from "../lib/cli/version.ts";
import { FLAGS, optionOf, run } from "./packaging.ts";

/** Systems by the name of Deno's package for them. */
const SYSTEMS = [
  "linux-x64-glibc",
  "linux-arm64-glibc",
  "darwin-x64",
  "darwin-arm64",
  "win32-x64",
];
const OS: Readonly<Record<string, string>> = { linux: "linux", darwin: "darwin", windows: "win32" };

const dist = optionOf(Deno.args, "dist") ?? "dist";
const named = Deno.args.filter((arg) => !arg.startsWith("--"));
const here = SYSTEMS.find((system) => isHere(system)) ?? "";
const wanted = named.length === 0 ? SYSTEMS : named.map((name) => name === "here" ? here : name);
const unknown = wanted.find((system) => !SYSTEMS.includes(system));
if (unknown !== undefined) {
  throw new Error(`No archive is made for "${unknown}": one of ${SYSTEMS.join(", ")}`);
}

await Deno.mkdir(dist, { recursive: true });
const work = await Deno.makeTempDir({ prefix: "hawser-archives-" });
try {
  await run(Deno.execPath(), ["run", "-A", ".ci/bundle.ts", `${work}/bundle`]);
  for (const system of wanted) await makeArchive(system);
} finally {
  await Deno.remove(work, { recursive: true });
}

async function makeArchive(system: string): Promise<void> {
  const name = `hawser-${VERSION}-${system.replace("-glibc", "")}`;
  const folder = `${work}/${name}`;
  const isWindows = system.startsWith("win32");
  await Deno.mkdir(folder);
  await Deno.copyFile(await denoFor(system), `${folder}/${isWindows ? "deno.exe" : "deno"}`);
  await run("cp", ["-r", `${work}/bundle`, `${folder}/bundle`]);
  await Deno.copyFile("LICENSE", `${folder}/LICENSE`);
  await Deno.copyFile("packaging/LICENSE-deno", `${folder}/LICENSE-deno`);
  const launcher = await Deno.readTextFile(`packaging/portable.${isWindows ? "cmd" : "sh"}`);
  const path = `${folder}/${isWindows ? "hawser.cmd" : "hawser"}`;
  await Deno.writeTextFile(path, launcher.replace("@FLAGS@", FLAGS.join(" ")), { mode: 0o755 });
  await run("tar", ["-C", work, "-czf", `${dist}/${name}.tar.gz`, name]);
  await Deno.remove(folder, { recursive: true });
}

/** Deno's executable: for this system the one that runs this. */
async function denoFor(system: string): Promise<string> {
  if (isHere(system)) return Deno.execPath();
  const folder = `${work}/deno-${system}`;
  await Deno.mkdir(folder);
  const source = `@deno/${system}@${Deno.version.deno}`;
  await run("npm", ["pack", "--silent", "--pack-destination", folder, source]);
  const [packed] = [...Deno.readDirSync(folder)];
  await run("tar", ["-C", folder, "-xzf", `${folder}/${packed?.name}`]);
  return `${folder}/package/${system.startsWith("win32") ? "deno.exe" : "deno"}`;
}

function isHere(system: string): boolean {
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  return system.startsWith(`${OS[Deno.build.os]}-${arch}`);
}
