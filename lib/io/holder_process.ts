/** Starts the process that holds a tunnel: in a session of its own, without our terminal, folder or streams. */
import { untilAborted } from "../base/abort.ts";
import { ExpectedError, isDefect } from "../base/errors.ts";
import { HELD, type SharingPlan } from "../base/host_network.ts";
import { encodeSettings, type HolderSettings } from "../sharing/settings.ts";
import { reasonOf } from "./host_errors.ts";

/** More of what it says than anybody needs. */
const MAX_WORD_BYTES = 1_024;

/** No tunnel is held. */
class HolderFailed extends ExpectedError {
  override name = "HolderFailed";
}

export interface StartSignals {
  /** Nobody waits any more for the process to be told what to hold. */
  readonly untold: AbortSignal;
  /** Nobody waits any more for what it says to that. */
  readonly unheard: AbortSignal;
}

/** Resolves when the tunnel is held. Rejects with `ExpectedError` when it is not, or a signal's reason. */
export async function startHolder(
  settings: HolderSettings,
  plan: SharingPlan,
  { untold, unheard }: StartSignals,
): Promise<void> {
  const bytes = encodeSettings(settings);
  const words = await plan.program();
  const child = spawn([...words, plan.command]);
  // It outlives us: nothing of ours waits for its end.
  child.unref();
  const reader = child.stdout.getReader();
  try {
    await untilAborted(tell(child, bytes), untold);
    const word = await untilAborted(hear(reader), unheard);
    if (word !== HELD) throw new HolderFailed(word === "" ? "its process ended" : word);
  } catch (error) {
    // Who was told half of it, or holds nothing, is not left behind.
    if (!unheard.aborted || untold.aborted) kill(child);
    throw error;
  } finally {
    bytes.fill(0);
    await reader.cancel();
  }
}

function spawn([program = "", ...args]: readonly string[]): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args,
      cwd: "/",
      // What it needs of secrets it is told on its standard input.
      env: { CODER_SESSION_TOKEN: "" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      detached: true,
    }).spawn();
  } catch (error) {
    if (isDefect(error)) throw error;
    throw new HolderFailed(`start ${program}: ${reasonOf(error)}`, { cause: error });
  }
}

async function tell(child: Deno.ChildProcess, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch (error) {
    if (isDefect(error)) throw error;
    throw new HolderFailed(`tell its process what to hold: ${reasonOf(error)}`, { cause: error });
  }
}

/** Its first line; what there is of it when it ends before. */
async function hear(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n") && text.length < MAX_WORD_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text.split("\n")[0] ?? "";
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended.
    if (isDefect(error) && !(error instanceof TypeError)) throw error;
  }
}
