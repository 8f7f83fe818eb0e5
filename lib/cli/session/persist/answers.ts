/** What the scripts of a workspace answer. It may be anybody's words: what is no answer is none. */
import type { ShellMark } from "../../../ssh/shell_marks.ts";
import { isShellName } from "../../grammar/persist_name.ts";
import {
  type Client,
  type Keeper,
  KEEPERS,
  LIST_MARK,
  PROBE_MARK,
  SESSION_PREFIX,
} from "./scripts.ts";

export interface Probed {
  readonly keeper: Keeper;
  /** Whether the shell is there already. */
  readonly isKept: boolean;
  /** Whether some connection has forwarded an agent to it. */
  readonly hasLink: boolean;
  /** Where the forwarded agent is found over there. */
  readonly linkPath: string;
}

export interface KeptEntry {
  readonly name: string;
  readonly keeper: Keeper;
  /** Terminals that show it; `undefined` when its keeper does not say. */
  readonly clients: number | undefined;
  readonly startedAtMs: number | undefined;
}

/** Shells that are listed. */
const MAX_ENTRIES = 1_000;
const MS_PER_SECOND = 1_000;

/** `undefined` when the workspace has no `sh` to ask. */
export function parseProbe(output: string): Probed | undefined {
  const line = linesOf(output, PROBE_MARK).at(-1);
  if (line === undefined) return undefined;
  const [word = "", kept, link, ...path] = line.split(";");
  const keeper = keeperOf(word);
  if (keeper === undefined) return undefined;
  return {
    keeper,
    isKept: kept === "kept",
    hasLink: link === "link",
    linkPath: path.join(";"),
  };
}

export function parseList(output: string): KeptEntry[] {
  return linesOf(output, LIST_MARK).slice(0, MAX_ENTRIES).flatMap((line) => {
    const [session = "", word = "", clients = "", started = ""] = line.split(";");
    const keeper = keeperOf(word);
    const name = session.slice(SESSION_PREFIX.length);
    if (keeper === undefined || !session.startsWith(SESSION_PREFIX) || !isShellName(name)) {
      return [];
    }
    const startedAt = countOf(started);
    return [{
      name,
      keeper,
      clients: countOf(clients),
      startedAtMs: startedAt === undefined ? undefined : startedAt * MS_PER_SECOND,
    }];
  });
}

/** The terminal over there that a connection of ours got. */
export function clientOf(mark: ShellMark & { readonly kind: "begin" }): Client | undefined {
  const [tty = "", since = ""] = mark.rest;
  const isOne = /^\/dev\/[A-Za-z0-9/._-]{1,64}$/.test(tty) && countOf(since) !== undefined;
  return isOne ? { tty, since } : undefined;
}

function linesOf(output: string, mark: string): string[] {
  return output.split(/\r?\n/).filter((line) => line.startsWith(mark))
    .map((line) => line.slice(mark.length));
}

function keeperOf(word: string): Keeper | undefined {
  return KEEPERS.find((known) => known === word);
}

function countOf(text: string): number | undefined {
  return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}
