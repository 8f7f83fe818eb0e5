/** The process's environment. */

/** The value of a variable; `undefined` when it is unset, impossible, or not allowed to be read. */
export function systemEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    // An environment that may not be read is an empty one; so is one with an impossible name.
    if (error instanceof Deno.errors.NotCapable || error instanceof TypeError) return undefined;
    throw error;
  }
}
