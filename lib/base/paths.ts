/** Joining of paths the way the host's system writes them, without loading a path library. */
import { trimEnd } from "./trim.ts";

/** `parts` one below the other. Only the separators between them are looked at. */
export function joinPath(os: string, ...parts: readonly string[]): string {
  const separator = os === "windows" ? "\\" : "/";
  const separators = os === "windows" ? "\\/" : "/";
  return parts.map((part, i) => {
    if (i === parts.length - 1) return part;
    return trimEnd(part, separators) + separator;
  }).join("");
}
