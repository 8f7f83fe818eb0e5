/** What the makers of packages have in common. */

/** How Deno starts a bundle; README.md explains the permissions. `ffi`, which elsewhere only the demo's terminal wants, is not among them. */
export const FLAGS: readonly string[] = [
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--unstable-net",
  ...["net", "env", "read", "write", "run", "sys"].map((name) => `--allow-${name}`),
];

/** What Windows wants besides: its store of secrets. */
export const WINDOWS_FLAGS: readonly string[] = ["--allow-ffi"];

/** The value of `--name=value`. */
export function optionOf(args: readonly string[], name: string): string | undefined {
  const start = `--${name}=`;
  return args.find((arg) => arg.startsWith(start))?.slice(start.length);
}

/** Runs a program that must succeed; what it says is seen. */
export async function run(program: string, args: readonly string[]): Promise<void> {
  const { code } = await new Deno.Command(program, { args: [...args], stdin: "null" }).spawn()
    .status;
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: status ${code}`);
}
