/**
 * The doors through which words reach standard output and standard error: whatever a server, a workspace or a file put into them,
 * the terminal behind shows it and obeys none of it. Beside these only the bytes of a session leave, untouched, and what this room
 * draws itself.
 */
import type { Host, HostOutput } from "../../base/host.ts";
import { stripControls } from "../../coder/text.ts";

/** Colours of our own, as SGR parameters (ECMA-48 §8.3.117). */
export const COLORS = { yellow: 33, red: 31 } as const;
export type Color = keyof typeof COLORS;

/** Prints text for people, of one line or several, with its line ends. */
export function printText(to: Pick<HostOutput, "print">, text: string): void {
  to.print(stripControls(text));
}

/** Writes a result, such as a page of help or a list of names. Rejects as the output does. */
export async function writeText(to: Pick<HostOutput, "write">, text: string): Promise<void> {
  await to.write(new TextEncoder().encode(stripControls(text)));
}

/** A host whose words for people go to standard output: where they are the result. */
export function onStdout(host: Host): Host {
  return { ...host, stderr: host.stdout };
}

/** Rings the bell, and prints a line of its own wherever the cursor stands: programs of the workspace may be drawing. */
export function printNotice(to: Pick<HostOutput, "print">, text: string): void {
  // In raw mode a line feed alone would not go back to the left edge.
  to.print(`\x07\r\n${stripControls(text).replaceAll("\n", " ")}\r\n`);
}

/** Of the lines of a diff, by their first character. */
const DIFF_COLORS: ReadonlyMap<string, number> = new Map([["-", 31], ["+", 32], ["@", 36]]);

/** Writes a diff: byte for byte where a program reads it, harmless and in colours, if they are wanted, on a terminal. */
export async function writeDiff(
  to: Pick<HostOutput, "write" | "isTerminal">,
  bytes: Uint8Array,
  options: { readonly useColor: boolean },
): Promise<void> {
  if (!to.isTerminal) return await to.write(bytes);
  const lines = stripControls(new TextDecoder().decode(bytes)).split("\n").map((line) => {
    const color = options.useColor ? DIFF_COLORS.get(line.charAt(0)) : undefined;
    return color === undefined ? line : `\x1b[${color}m${line}\x1b[0m`;
  });
  await to.write(new TextEncoder().encode(lines.join("\n")));
}
