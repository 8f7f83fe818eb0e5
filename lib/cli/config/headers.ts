/** Extra headers of every request: `--header` and what `--header-command` prints (docs/protocol/ssh.md#global-flags). */
import { UserError } from "../../base/errors.ts";
import { goList, goQuote, HIDDEN } from "../../coder/text.ts";
import type { HttpHeaders } from "../../base/http.ts";
import { type Host, HostError } from "../../base/host.ts";

export interface HeaderOptions {
  /** `key=value` texts. */
  readonly headers: readonly string[];
  /** Run by the system's shell: the user's own words. Empty for none. */
  readonly headerCommand: string;
  /** Given to the command as `CODER_URL`. */
  readonly url: URL;
}

/** Headers that describe the message itself: Go's client leaves these out silently as well (`net/http` `reqWriteExcludeHeader`). */
const NOT_THE_USERS: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "trailer",
]);

/** Throws `UserError` for a malformed header or a command that fails. */
export async function readHeaders(
  host: Host,
  options: HeaderOptions,
  signal?: AbortSignal,
): Promise<HttpHeaders> {
  const headers = options.headers.map((text) => parseHeader(text, "--header"));
  if (options.headerCommand !== "") {
    const lines = await runHeaderCommand(host, options, signal);
    headers.push(...lines.map((line) => parseHeader(line, "--header-command")));
  }
  return headers.filter(([name]) => !NOT_THE_USERS.has(name.toLowerCase()));
}

async function runHeaderCommand(
  host: Host,
  options: HeaderOptions,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const [program, flag] = host.os === "windows" ? ["cmd.exe", "/c"] : ["sh", "-c"];
  const args = [flag, options.headerCommand];
  const failed = (reason: string, cause?: unknown) =>
    new UserError(
      `create header transport: failed to run ${goList([program, ...args])}: ${reason}`,
      { hint: "Run the command of --header-command by hand to see what it prints", cause },
    );
  try {
    const result = await host.run(program, args, {
      // Go's client hands the URL over without the slash that ours always ends a bare host with.
      env: { CODER_URL: options.url.href.replace(/\/$/, "") },
      maxOutputBytes: 64 * 1024,
      ...(signal === undefined ? {} : { signal }),
    });
    if (result.code !== 0) throw failed(`exit status ${result.code}`);
    const text = new TextDecoder().decode(result.stdout);
    return text.split(/\r?\n/).filter((line) => line !== "");
  } catch (error) {
    if (error instanceof HostError) throw failed(error.message, error);
    throw error;
  }
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // RFC 9110 §5.6.2
// deno-lint-ignore no-control-regex
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/; // RFC 9110 §5.5

/** One `key=value`; `source` is the flag that it came from. Values go out as UTF-8, a character for each byte. */
function parseHeader(text: string, source: string): readonly [string, string] {
  const equals = text.indexOf("=");
  if (equals === -1) {
    throw new UserError(
      `create header transport: split header ${goQuote(shownHeader(text))} had less than two parts`,
      { hint: `Write the headers of ${source} as key=value` },
    );
  }
  const name = text.slice(0, equals).trim();
  const value = text.slice(equals + 1);
  if (!NAME.test(name)) {
    throw new UserError(
      `create header transport: ${goQuote(shownHeader(text))} of ${source} is no valid header`,
    );
  }
  if (FORBIDDEN_IN_VALUE.test(value)) {
    // The value may be a secret: only the name is shown.
    throw new UserError(
      `create header transport: the value of header ${goQuote(name)} of ${source} holds a line ` +
        "end or another control character",
    );
  }
  return [name, String.fromCharCode(...new TextEncoder().encode(value))];
}

/** A header that cannot be read, up to where its secret may begin: people write `Authorization: Bearer …` as well. */
function shownHeader(text: string): string {
  const end = text.search(/[=:]/);
  // At the end it is no separator but the padding of a token's base64.
  return end === -1 || text.endsWith("=") ? HIDDEN : text.slice(0, end + 1) + HIDDEN;
}
