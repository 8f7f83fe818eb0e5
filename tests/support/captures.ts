/**
 * Recordings of real deployments, which live beside the repository, or where `HAWSER_CAPTURES` says, and are not part of it.
 * Tests that replay them are skipped, with the reason in their name, where there are none.
 */
import { concatBytes, fromHex } from "../../lib/base/bytes.ts";

/** The folder, whether it is there or not. */
export const CAPTURES = folderOfCaptures();

/** One line of `wire/*.jsonl`. */
export interface WireLine {
  readonly t: number;
  /** `>` client to server, `<` server to client. */
  readonly dir: ">" | "<";
  readonly opcode?: number;
  /** Bits before the opcode: 4 is compressed. */
  readonly rsv?: number;
  readonly hex?: string;
  /** What came out of a compressed message, at its last frame. */
  readonly inflated?: string;
}

/** A test over the capture `path`, given its text. */
export function captureTest(name: string, path: string, run: (text: string) => void): void {
  const url = new URL(path, CAPTURES);
  const isThere = exists(url);
  Deno.test({
    name: isThere ? name : `${name} [skipped: no ${path} beside the repository]`,
    ignore: !isThere,
    fn: () => run(Deno.readTextFileSync(url)),
  });
}

/** The text of a capture; `undefined` where there is none. */
export function captureText(path: string): string | undefined {
  const url = new URL(path, CAPTURES);
  return exists(url) ? Deno.readTextFileSync(url) : undefined;
}

export function parseWire(jsonl: string): WireLine[] {
  return jsonl.trim().split("\n").map((line): WireLine => JSON.parse(line));
}

/** Payloads of the binary websocket messages in one direction. */
export function binaryPayloads(lines: readonly WireLine[], dir: ">" | "<"): Uint8Array[] {
  const binary = lines.filter((line) => line.dir === dir && line.opcode === 2);
  return binary.map((line) => fromHex(line.hex ?? ""));
}

/** The data of one direction, message by message, fragments put together and compressed ones as they were before. */
export function dataMessages(lines: readonly WireLine[], dir: ">" | "<"): Uint8Array[] {
  const messages: Uint8Array[][] = [];
  let isCompressed = false;
  for (const { opcode, rsv = 0, hex = "", inflated, ...line } of lines) {
    if (line.dir !== dir || opcode === undefined || opcode > 2 || opcode === 1) continue;
    if (opcode === 2) {
      messages.push([]);
      isCompressed = (rsv & 4) !== 0;
    }
    if (inflated !== undefined) messages.at(-1)?.push(new TextEncoder().encode(inflated));
    else if (!isCompressed) messages.at(-1)?.push(fromHex(hex));
  }
  return messages.map((parts) => concatBytes(...parts));
}

function folderOfCaptures(): URL {
  const named = Deno.env.get("HAWSER_CAPTURES") ?? "";
  if (named === "") return new URL("../../../shared/captures/", import.meta.url);
  return new URL(`file://${named.replace(/\/?$/, "/")}`);
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
