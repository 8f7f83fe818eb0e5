/** Values for parameters as people give them: `name=value`, and a YAML file. */
import { type Host, HostError } from "../../base/host.ts";
import { UserError } from "../../base/errors.ts";
import { StepError } from "../../coder/errors.ts";
import type { BuildParameter } from "../../coder/workspaces.ts";

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Throws `UserError`, naming what they are, for a pair without `=`. */
export function parsePairs(pairs: readonly string[], what: string): readonly BuildParameter[] {
  return pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at === -1) {
      throw new UserError(`unable to parse ${what}: format key=value expected, but got ${pair}`);
    }
    return { name: pair.slice(0, at), value: pair.slice(at + 1) };
  });
}

/** The pairs of a file. Throws `UserError` or `StepError`. */
export async function readParameterFile(
  host: Host,
  path: string,
): Promise<readonly BuildParameter[]> {
  const what = "can't parse parameter map file";
  const text = await readFile(host, path).catch((error: unknown) => {
    throw error instanceof HostError ? new StepError(what, error) : error;
  });
  if (text === undefined) throw new UserError(`${what}: open ${path}: no such file or directory`);
  const { parse, YAMLError } = await import("yaml");
  try {
    return pairsOf(parse(text));
  } catch (error) {
    const isForeign = error instanceof YAMLError || error instanceof ReferenceError;
    if (!isForeign && !(error instanceof UserError)) throw error;
    throw new UserError(`${what}: ${error.message}`);
  }
}

async function readFile(host: Host, path: string): Promise<string | undefined> {
  const bytes = await host.files.readBytes(path, { maxBytes: MAX_FILE_BYTES });
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

function pairsOf(document: unknown): readonly BuildParameter[] {
  if (document === null) return [];
  if (typeof document !== "object" || Array.isArray(document)) {
    throw new UserError("it is not a list of names with their values");
  }
  return Object.entries(document).map(([name, value]) => ({ name, value: valueOf(name, value) }));
}

/** Texts, switches and whole numbers stand for themselves, lists become JSON (coder/coder `cli/parameter.go`). */
function valueOf(name: string, value: unknown): string {
  if (typeof value === "string" || typeof value === "boolean") return String(value);
  if (Number.isInteger(value)) return String(value);
  if (Array.isArray(value)) return JSON.stringify(value);
  throw new UserError(
    `invalid parameter type: ${name} is neither text, switch, whole number nor list`,
  );
}
