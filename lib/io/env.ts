/** The process's environment. */

/** Whether Deno was allowed to look at the variable. */
export function maySystemEnv(name: string): boolean {
  try {
    Deno.env.get(name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

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
