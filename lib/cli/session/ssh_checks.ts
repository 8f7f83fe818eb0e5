/** Checks of `ssh` options that need no request and come before any (docs/protocol/ssh.md#remote-forwards, #environment). */
import { UserError } from "../../base/errors.ts";
import { goQuote } from "../../coder/text.ts";
import { parseEscapeChar } from "../../ssh/escape.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
  parseStdioForward,
} from "../../ssh/forward_spec.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";

export interface EnvSetting {
  readonly name: string;
  readonly value: string;
}

/** The `--env` settings. Throws `UserError` for one without `=`. */
export function parseEnvSettings(texts: readonly string[]): EnvSetting[] {
  return texts.map((text) => {
    const equals = text.indexOf("=");
    if (equals === -1) {
      throw new UserError(`invalid environment variable setting ${goQuote(text)}`, {
        hint: "Write it as -e NAME=value",
      });
    }
    return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  });
}

/** Everything that can be said before the first request. Throws `UserError`. */
export function checkSshOptions(options: SshOptions): void {
  if (options.stdio && options.remoteForwards.length > 0) {
    throw new UserError("remote-forward can't be enabled in the stdio mode");
  }
  for (const spec of options.remoteForwards) parseRemoteForward(spec);
  for (const spec of options.localForwards) parseLocalForward(spec);
  for (const spec of options.dynamicForwards) parseDynamicForward(spec);
  if (options.stdioForward !== "") parseStdioForward(options.stdioForward);
  escapeCharOf(options.escapeChar);
  parseEnvSettings(options.env);
}

/** The escape character's byte. Throws `UserError` for a text that names none. */
export function escapeCharOf(text: string): number | "none" {
  try {
    return parseEscapeChar(text) ?? "none";
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UserError(error.message, { hint: "Give --escape-char one character, ^X or none" });
  }
}
