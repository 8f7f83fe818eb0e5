/**
 * `update`: whether there is a newer version, and how to get it. It never replaces anything. npm is asked, since it knows the
 * user's registry, proxies and certificates.
 */
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { isAtLeast } from "../../base/version.ts";
import { goQuote } from "../../coder/text.ts";
import { writeText } from "../terminal/print.ts";
import { VERSION } from "../version.ts";
import { defineCommand } from "./command.ts";

const PACKAGE = "@hawser/hawser";
const MAX_OUTPUT_BYTES = 64 * 1024;

export const command = defineCommand({
  name: "update",
  usage: "",
  summary: "Say whether there is a newer version, and how to get it.",
  description:
    "Asks npm whether there is a newer version, and says how to get it. Replaces nothing.",
  examples: [{ line: "hawser update", does: "Look" }],
  flags: {},
  positionals: { min: 0, max: 0 },
  async run(_, { host, progress }) {
    const newest = await progress.during("Asking npm for the newest version", () => askNpm(host));
    const text = isAtLeast(`v${VERSION}`, `v${newest}`)
      ? `hawser v${VERSION} is the newest.\n`
      : `hawser v${newest} is there; this is v${VERSION}.\n${await howToGet(host, newest)}\n`;
    await writeText(host.stdout, text);
    return 0;
  },
});

/** Throws `UserError` when npm is not there, or does not know. */
async function askNpm(host: Host): Promise<string> {
  const args = ["view", PACKAGE, "version", "--json"];
  // npm is a script on Windows, which only the command interpreter starts.
  const [program, ...words] = host.os === "windows"
    ? ["cmd.exe", "/d", "/c", "npm", ...args]
    : ["npm", ...args];
  const failed = (why: string, cause?: unknown) =>
    new UserError(`Cannot ask npm for the newest version: ${why}`, {
      hint: `This is v${VERSION}. Look at the releases by hand`,
      cause,
    });
  try {
    const result = await host.run(program, words, { maxOutputBytes: MAX_OUTPUT_BYTES });
    if (result.code !== 0) throw failed(whatNpmSaid(result.stderr) || `status ${result.code}`);
    const version = versionIn(new TextDecoder().decode(result.stdout));
    if (version === undefined) throw failed("it named no version");
    return version;
  } catch (error) {
    if (error instanceof HostError) throw failed(error.message, error);
    throw error;
  }
}

/** The first line of its errors that has words. */
function whatNpmSaid(stderr: Uint8Array): string {
  const lines = new TextDecoder().decode(stderr).split(/\r?\n/)
    .map((line) => line.replace(/^npm (?:error|ERR!) ?/, ""));
  return lines.find((line) => line !== "" && !line.startsWith("code ")) ?? "";
}

/** What is no version of ours is told to nobody: it would stand in a command to paste. */
function versionIn(json: string): string | undefined {
  return /^"(\d{1,9}\.\d{1,9}\.\d{1,9})"\s?$/.exec(json)?.[1];
}

/** For the way in which this program came here. */
async function howToGet(host: Host, version: string): Promise<string> {
  const words = await host.program();
  const main = words.at(-1) ?? "";
  if (/[\\/]node_modules[\\/]@hawser[\\/]/.test(main)) {
    return `Get it with: npm install -g ${PACKAGE}@${version}`;
  }
  if (main.endsWith(".ts")) return "Get it with: git pull";
  return words.length === 1
    ? `Get the executable of its release, and put it in the place of ${goQuote(main)}`
    : `Get the bundle or the archive of its release, in the place of ${goQuote(main)}`;
}
