/** Where packages are made and put to use. */
import { ok } from "node:assert/strict";
import { fromFileUrl } from "../live/names.ts";
import { type Exit, Process } from "../live/process.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
/** npm makes a folder of 190 MB, on a machine that has other things to do. */
const LIMIT_MS = 300_000;

/** A folder to make packages in, and to put them to use. */
export class Bench implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "hawser-packages-" });
  /** All but what is said to us: how packages are fetched, through whom and trusting whom, is the machine's own business. */
  readonly #env = Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !/^(?:CODER|HAWSER)_/.test(name)),
  );

  /** Runs what a task runs. */
  async make(script: string, ...args: readonly string[]): Promise<Exit> {
    const program = ["env", ...args.filter((arg) => !arg.startsWith("-") && arg.includes("="))];
    const rest = args.filter((arg) => !program.includes(arg));
    return await this.run(
      [...program, Deno.execPath(), "run", "-A", "--quiet", `.ci/${script}`].concat(
        `--dist=${this.folder}`,
        rest,
      ),
    );
  }

  /** Packs this checkout and installs what comes of it; the program. */
  async install(...flags: readonly string[]): Promise<string> {
    succeeded(await this.make("npm.ts"));
    // What the tests themselves run in came from there: nothing need be fetched.
    const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier"];
    const place = ["--prefix", this.folder, this.made()];
    succeeded(await this.run(["npm", "install", "-g", ...quiet, ...flags, ...place]));
    return `${this.folder}/bin/hawser`;
  }

  /** The one archive that was made. */
  made(): string {
    const names = [...Deno.readDirSync(this.folder)].map(({ name }) => name);
    return `${this.folder}/${names.find((name) => /\.t(?:ar\.)?gz$/.test(name))}`;
  }

  async run(argv: readonly string[]): Promise<Exit> {
    const options = { cwd: ROOT, stdin: "null", limitMs: LIMIT_MS } as const;
    await using process = new Process(argv, { ...options, env: this.#env });
    return await process.exit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

export function succeeded({ code, stdout, stderr }: Exit): void {
  ok(code === 0, `status ${code}: ${stdout}${stderr}`);
}
