/** How `--stdio` begins. Linux alone: it reads /proc. */
import type { Desk } from "../live/desk.ts";

/** No start takes so long. */
export const LIMIT_MS = 60_000;
const KIB_PER_MIB = 1_024;

/**
 * From the start of the process to the agent's first byte, in milliseconds; its largest resident size until then, in MiB. `pipe` is a line
 * of shell that pipes to the agent's SSH server, `env` is seen besides the desk's own.
 */
export async function firstByte(
  desk: Desk,
  { env = {}, pipe }: { readonly env?: Readonly<Record<string, string>>; readonly pipe: string },
): Promise<[ms: number, mib: number]> {
  const began = performance.now();
  await using process = desk.start(["sh", "-c", `echo $$ >&2; exec ${pipe}`], {
    env: { ...desk.env, ...env },
    limitMs: LIMIT_MS,
  });
  await process.stdout.untilBytes(1);
  const ms = performance.now() - began;
  const [pid] = await process.stderr.until(/^\d+$/m);
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return [ms, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / KIB_PER_MIB];
}
