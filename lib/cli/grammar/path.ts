/**
 * Paths as people write them where no shell reads them first: in ssh_config, in an editor's settings, behind `=`. `~` at the beginning,
 * `${NAME}` (ssh_config(5), "ENVIRONMENT VARIABLES") and `$NAME` mean what they mean in a shell. What a variable holds is not read again.
 */
import { FlagValueError } from "./flag_error.ts";

export interface PathOptions {
  readonly env: (name: string) => string | undefined;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;

/** The path that `text` means. Throws `FlagValueError` for what cannot be known. */
export function expandPath(text: string, { env }: PathOptions): string {
  if (!text.startsWith("~")) return withVariables(text, env);
  const [tilde = ""] = text.split(/[/\\]/, 1);
  if (tilde !== "~") {
    throw new FlagValueError(`whose home folder ${tilde} is cannot be known: only ~ is understood`);
  }
  const home = env("HOME") || env("USERPROFILE");
  if (!home) throw new FlagValueError("no home folder is known for ~: HOME is not set");
  return home + withVariables(text.slice(tilde.length), env);
}

function withVariables(text: string, env: PathOptions["env"]): string {
  let path = "";
  for (let at = 0;;) {
    const dollar = text.indexOf("$", at);
    if (dollar === -1) return path + text.slice(at);
    const reference = referenceAt(text, dollar);
    path += text.slice(at, dollar) + (reference === undefined ? "$" : valueOf(reference.name, env));
    at = reference?.end ?? dollar + 1;
  }
}

/** `${NAME}` or `$NAME`; a dollar before anything else is just that, as in the names of Windows' hidden shares. */
function referenceAt(
  text: string,
  dollar: number,
): { readonly name: string; readonly end: number } | undefined {
  const isBraced = text[dollar + 1] === "{";
  NAME.lastIndex = dollar + (isBraced ? 2 : 1);
  const name = NAME.exec(text)?.[0] ?? "";
  if (!isBraced) return name === "" ? undefined : { name, end: dollar + 1 + name.length };
  const end = dollar + 2 + name.length;
  if (name === "" || text[end] !== "}") {
    throw new FlagValueError("after ${ comes the name of an environment variable and }");
  }
  return { name, end: end + 1 };
}

function valueOf(name: string, env: PathOptions["env"]): string {
  const value = env(name);
  if (value === undefined) throw new FlagValueError(`environment variable ${name} is not set`);
  if (value === "") throw new FlagValueError(`environment variable ${name} is empty`);
  return value;
}
