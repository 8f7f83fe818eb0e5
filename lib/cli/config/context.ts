/**
 * Contexts: the logins of several deployments side by side. Each named one is a whole configuration folder of the official layout,
 * `contexts/<name>` in the folder that the official command knows, which is itself the context called `default`.
 *   <folder>/url, session, …        the default context, shared with the official command
 *   <folder>/context                the name of the one in use; no file: the default
 *   <folder>/contexts/<name>/url, … a named one
 */
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { goQuote } from "../../coder/text.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import { didYouMean } from "../grammar/similar.ts";
import { configDir, readConfigFile } from "./folder.ts";

export const DEFAULT_CONTEXT = "default";
const CONTEXTS = "contexts";
const IN_USE_FILE = "context";
const MAX_NAME_CHARS = 64;
/** Devices of Windows, which are no names of files there, whatever stands behind a dot. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

export interface Context {
  readonly name: string;
  /** Its configuration folder; `undefined` when the machine has no home folder and none was named. */
  readonly dir: string | undefined;
  /** Said by flag or variable for this one call; else it is the one in use, or nobody said anything. */
  readonly chosenBy: "--context" | "HAWSER_CONTEXT" | "context use" | "nobody";
}

/** Whether this call names its context itself: then other deployments' variables do not count. */
export function isExplicit({ chosenBy }: Context): boolean {
  return chosenBy === "--context" || chosenBy === "HAWSER_CONTEXT";
}

/** The name, when it may be one. Throws `UserError`: a name becomes a folder, and nothing but that. */
export function checkContextName(name: string): string {
  // Windows drops a full stop at the end of a name.
  const isName = /^[0-9A-Za-z][0-9A-Za-z._-]*$/.test(name) && !name.endsWith(".");
  if (isName && name.length <= MAX_NAME_CHARS && !DEVICE.test(name)) return name;
  throw new UserError(`${goQuote(name)} is no name of a context`, {
    hint: `Letters, digits, "-", "_" and "." make one, at most ${MAX_NAME_CHARS} of them, ` +
      "beginning with a letter or digit",
  });
}

/** The context that a call is about, whether there is one of that name or not. Throws `UserError` for what is no name. */
export async function chooseContext(host: Host, options: GlobalOptions): Promise<Context> {
  const base = configDir(host, options);
  if (options.context !== "") {
    const name = checkContextName(options.context);
    const isVariable = options.fromEnvironment?.has("context") === true;
    const chosenBy = isVariable ? "HAWSER_CONTEXT" : "--context";
    return { name, dir: contextDir(host, base, name), chosenBy };
  }
  const name = options.isFolderFixed === true ? DEFAULT_CONTEXT : await contextInUse(host, base);
  return {
    name,
    dir: contextDir(host, base, name),
    chosenBy: name === DEFAULT_CONTEXT ? "nobody" : "context use",
  };
}

/** The folder of the context of that name, in the folder that the official command knows. */
export function contextDir(
  host: Pick<Host, "os">,
  base: string | undefined,
  name: string,
): string | undefined {
  return base === undefined || name === DEFAULT_CONTEXT
    ? base
    : joinPath(host.os, base, CONTEXTS, name);
}

/** The name of the one in use. Throws `UserError` when the file that says it is damaged. */
export async function contextInUse(host: Host, base: string | undefined): Promise<string> {
  const text = await readConfigFile(host, base, IN_USE_FILE);
  if (text === "" || base === undefined) return DEFAULT_CONTEXT;
  try {
    return checkContextName(text);
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(
      `The file ${goQuote(joinPath(host.os, base, IN_USE_FILE))} names no context`,
      { hint: `Choose one anew: hawser context use ${DEFAULT_CONTEXT}`, cause },
    );
  }
}

/** Makes another one the one in use. Throws `HostError` when it cannot be written. */
export async function useContext(host: Host, base: string, name: string): Promise<void> {
  const path = joinPath(host.os, base, IN_USE_FILE);
  if (name === DEFAULT_CONTEXT) return await host.files.remove(path);
  await host.files.replaceBytes(path, new TextEncoder().encode(`${name}\n`), {
    followsLinks: false,
  });
}

/** The named contexts there are, sorted. What lies there under another kind of name is nobody's. */
export async function namedContexts(host: Host, base: string | undefined): Promise<string[]> {
  if (base === undefined) return [];
  const entries = await host.files.list(joinPath(host.os, base, CONTEXTS)) ?? [];
  return entries.filter(({ kind }) => kind === "directory" || kind === "link")
    .map(({ name }) => name)
    .filter(isContextName)
    .toSorted();
}

/** Whether something is there that can be used. */
export async function hasContext(
  host: Host,
  base: string | undefined,
  name: string,
): Promise<boolean> {
  const dir = contextDir(host, base, name);
  if (name === DEFAULT_CONTEXT) return true;
  return dir !== undefined && (await host.files.stat(dir))?.kind === "directory";
}

/** What to say of a context that there is not. */
export async function noSuchContext(
  host: Host,
  base: string | undefined,
  name: string,
): Promise<UserError> {
  const meant = didYouMean(name, [DEFAULT_CONTEXT, ...await namesQuietly(host, base)], goQuote);
  return new UserError(`There is no context ${goQuote(name)}`, {
    hint: `${meant === undefined ? "" : `${meant} `}` +
      `'hawser context list' shows them, 'hawser login --context ${name} <url>' makes it`,
  });
}

/** For hints and completion, which are nothing to fail for. */
export async function namesQuietly(host: Host, base: string | undefined): Promise<string[]> {
  try {
    return await namedContexts(host, base);
  } catch (error) {
    if (error instanceof HostError) return [];
    throw error;
  }
}

function isContextName(name: string): boolean {
  try {
    return checkContextName(name) !== DEFAULT_CONTEXT;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
