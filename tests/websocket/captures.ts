/** Reads what real deployments sent, when the captures stand beside the checkout; tests say so when they do not. */
import { CAPTURES } from "../support/captures.ts";

/** A line of a capture; which fields it has depends on its kind. */
export interface CaptureLine {
  readonly dir: "<" | ">";
  /** An HTTP head. */
  readonly http?: string;
  /** A payload. */
  readonly hex?: string;
  /** Of a DERP frame. */
  readonly type?: number;
  readonly len?: number;
  /** Of a websocket frame. */
  readonly opcode?: number;
  readonly fin?: number;
  readonly rsv?: number;
}

export interface Capture {
  readonly name: string;
  readonly lines: readonly CaptureLine[];
}

/** All wire captures whose lines fit; empty when there are none to read. */
export function readCaptures(fits: (lines: readonly CaptureLine[]) => boolean): Capture[] {
  const captures: Capture[] = [];
  for (const release of entriesOf(CAPTURES)) {
    const wire = new URL(`${release}/wire/`, CAPTURES);
    for (const file of entriesOf(wire)) {
      const text = Deno.readTextFileSync(new URL(file, wire));
      const lines: CaptureLine[] = text.trim().split("\n").map((line) => JSON.parse(line));
      if (fits(lines)) captures.push({ name: `${release}/${file}`, lines });
    }
  }
  return captures;
}

function entriesOf(folder: URL): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

export const NO_CAPTURES = "skipped: no captures at ../shared/captures";
