/** Renaming and removing contexts: one at a time, and nothing is lost when it ends in the middle. */
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { goQuote } from "../../coder/text.ts";
import {
  contextDir,
  contextInUse,
  DEFAULT_CONTEXT,
  hasContext,
  namedContexts,
  noSuchContext,
  useContext,
} from "./context.ts";
import { configDir } from "./folder.ts";
import { lockLogin } from "./saved_login.ts";

/** The folder that contexts lie in. Throws `UserError` when there is none. */
export function contextBase(host: Host, options: { readonly configDir: string }): string {
  const base = configDir(host, options);
  if (base !== undefined) return base;
  throw new UserError("There is no place for contexts: no home folder is known", {
    hint: "Set CODER_CONFIG_DIR",
  });
}

/** Throws `UserError` when it cannot be done, `HostError` when the system does not let us. */
export async function renameContext(
  host: Host,
  base: string,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  for (const name of [from, to]) refuseDefault(name, "renamed, nor is another called so");
  if (!await hasContext(host, base, from)) throw await noSuchContext(host, base, from);
  using _lock = await lockLogin(host, base);
  // Some systems take names for the same that differ in capitals: then it is the same folder, and may be renamed.
  const isTaken = (await namedContexts(host, base)).includes(to);
  const isSame = from.toLowerCase() === to.toLowerCase();
  if (isTaken || (!isSame && await hasContext(host, base, to))) {
    throw new UserError(`There is a context ${goQuote(to)} already`);
  }
  const isInUse = await contextInUse(host, base) === from;
  const [old, fresh] = [folderOf(host, base, from), folderOf(host, base, to)];
  await host.files.rename(old, fresh);
  try {
    if (isInUse) await useContext(host, base, to);
  } catch (error) {
    await host.files.rename(fresh, old);
    throw error;
  }
}

/** Throws `UserError` for what there is not, and for the default one, which is the official command's. */
export async function checkRemovable(host: Host, base: string, name: string): Promise<void> {
  refuseDefault(name, "removed: 'hawser logout --context default' forgets its login");
  if ((await namedContexts(host, base)).includes(name)) return;
  throw await noSuchContext(host, base, name);
}

/** Throws `HostError` when something could not be removed, `UserError` when there is what no login has. */
export async function removeContext(host: Host, base: string, name: string): Promise<void> {
  const { files, os } = host;
  const dir = folderOf(host, base, name);
  using _lock = await lockLogin(host, base);
  const isInUse = await isNameInUse(host, base, name);
  const found = await files.list(joinPath(os, base, "contexts")) ?? [];
  // A link is somebody's own: what it leads to is not ours to clear.
  if (found.some((entry) => entry.name === name && entry.kind === "directory")) {
    const entries = await files.list(dir) ?? [];
    const folder = entries.find(({ kind }) => kind === "directory");
    if (folder !== undefined) {
      throw new UserError(
        `${goQuote(joinPath(os, dir, folder.name))} is no part of a login: nothing was removed`,
        { hint: "Move it elsewhere first" },
      );
    }
    // The token first: nothing else may be left with it.
    const ordered = entries.toSorted((a, b) => rank(a.name) - rank(b.name));
    for (const entry of ordered) await files.remove(joinPath(os, dir, entry.name));
  }
  await files.remove(dir);
  if (isInUse) await useContext(host, base, DEFAULT_CONTEXT);
}

function rank(name: string): number {
  return name === "session" ? 0 : 1;
}

/** A damaged file names nobody. */
async function isNameInUse(host: Host, base: string, name: string): Promise<boolean> {
  try {
    return await contextInUse(host, base) === name;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

function folderOf(host: Host, base: string, name: string): string {
  const dir = contextDir(host, base, name);
  if (dir === undefined) throw new HostError("not-found", `no folder for context ${name}`);
  return dir;
}

function refuseDefault(name: string, what: string): void {
  if (name !== DEFAULT_CONTEXT) return;
  throw new UserError(
    `The context "${DEFAULT_CONTEXT}" is the coder command's login, and cannot be ${what}`,
  );
}
