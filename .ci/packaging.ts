/** What the makers of packages have in common. */

/** How Deno starts a bundle, with the permissions that executables have; README.md explains them. */
export const FLAGS: readonly string[] = [
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--unstable-net",
  ...["net", "env", "read", "write", "run", "sys", "ffi"].map((name) => `--allow-${name}`),
];

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
