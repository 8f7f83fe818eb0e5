/** What is copied from where, as scp writes it: `workspace:path`, or a path here. Pure. */
import { UserError } from "../../../base/errors.ts";
import { goQuote } from "../../../coder/text.ts";

export type CopyPlace =
  | { readonly side: "here"; readonly path: string }
  | { readonly side: "there"; readonly workspace: string; readonly path: string };

/** A colon before any slash makes it a workspace's; `./a:b` is a file. A drive of Windows is no workspace. */
export function parsePlace(text: string, os: string): CopyPlace {
  const colon = text.indexOf(":");
  const slash = text.search(/[/\\]/);
  const isDrive = os === "windows" && colon === 1 && /^[A-Za-z]/.test(text);
  if (
    colon < 1 || isDrive || (slash !== -1 && slash < colon && text.includes("/") && isPath(text))
  ) {
    return { side: "here", path: text };
  }
  return { side: "there", workspace: text.slice(0, colon), path: text.slice(colon + 1) || "." };
}

/** `owner/workspace:path` has its slash before the colon, and is no path all the same. */
function isPath(text: string): boolean {
  return /^(?:\.{0,2}\/|~)/.test(text);
}

export interface CopyPlan {
  readonly workspace: string;
  readonly direction: "download" | "upload";
  readonly from: readonly string[];
  readonly to: string;
}

/** Throws `UserError` unless all of it is on one side and goes to the other. */
export function planCopy(words: readonly string[], os: string): CopyPlan {
  const places = words.map((word) => parsePlace(word, os));
  const to = places.at(-1);
  const from = places.slice(0, -1);
  const remote = places.filter((place) => place.side === "there");
  const names = new Set(remote.map(({ workspace }) => workspace));
  const [workspace] = names;
  const isOneWay = to !== undefined && from.every(({ side }) => side !== to.side);
  if (!isOneWay || workspace === undefined || names.size > 1) {
    throw new UserError("one side must be a workspace and the other this machine", {
      hint: "As in: hawser cp dev:file . or hawser cp file dev:folder/",
    });
  }
  return {
    workspace,
    direction: to.side === "here" ? "download" : "upload",
    from: from.map(({ path }) => path),
    to: to.path,
  };
}

/** The last part of a path, on whichever system. Throws `UserError` for none. */
export function nameOf(path: string, separators: RegExp): string {
  const name = path.split(separators).filter((part) => part !== "").at(-1) ?? "";
  if (name !== "" && name !== "." && name !== "..") return name;
  throw new UserError(`cannot tell what to call the copy of ${goQuote(path)}`, {
    hint: "Name the file or folder itself",
  });
}

/** Whether the workspace may give a file of its folder this name here: one that leaves the folder, or the line, is none. */
export function isPlainName(name: string, os: string): boolean {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    return false;
  }
  return os !== "windows" || !/[\\:*?"<>|]/.test(name);
}
