/**
 * `connect exists <hostname>`, hidden: whether Coder Connect leads to a host, told by the exit code alone. OpenSSH's
 * `Match … exec` asks it (behaviour §2.10, §3.5).
 */
import { UserError } from "../../base/errors.ts";
import { goList } from "../../coder/text.ts";
import { parseArgs } from "../grammar/args.ts";
import { isInCoderConnect, type LookupIpv6 } from "../ready/coder_connect.ts";
import { GLOBAL_FLAGS, readGlobalOptions } from "../grammar/flags_global.ts";
import { renderHelp } from "../grammar/help.ts";
import type { Host } from "../../base/host.ts";

const COMMAND = "hawser connect exists";
/** Nothing runs beside this lookup, and a wrong "no" sends people around the better way. */
const BUDGET_MS = 1_000;

export interface ConnectExistsOptions {
  /** @default the system's resolver */
  readonly lookupIpv6?: LookupIpv6;
  /** @default never aborted */
  readonly signal?: AbortSignal;
}

/** Runs with the arguments behind `connect`; 0 when the host is there, 1 when it is not. Throws `UserError`. */
export async function run(
  args: readonly string[],
  host: Host,
  options: ConnectExistsOptions = {},
): Promise<number> {
  const shown = ["connect", ...args];
  const env = (name: string) => host.env(name);
  const parsed = parseArgs(args, { flags: GLOBAL_FLAGS, env, command: COMMAND, shown });
  const [word, ...hosts] = parsed.positionals;
  if (readGlobalOptions(parsed).help || word === undefined) return await printHelp(host);
  if (word !== "exists") {
    throw new UserError(`unknown subcommand ${JSON.stringify(word)} of connect`, {
      hint: "There is one: hawser connect exists <hostname>",
    });
  }
  const [hostname = ""] = hosts;
  if (hosts.length !== 1 || hostname === "") {
    throw new UserError(`wanted 1 args but got ${hosts.length} ${goList(hosts)}`);
  }
  const isThere = await isInCoderConnect(hostname, {
    clock: host.clock,
    lookupIpv6: options.lookupIpv6 ?? (await import("../../io/lookup.ts")).lookupIpv6,
    budgetMs: BUDGET_MS,
    signal: options.signal ?? new AbortController().signal,
  });
  return isThere ? 0 : 1;
}

async function printHelp(host: Host): Promise<number> {
  const page = renderHelp({
    usage: "hawser connect exists <hostname>",
    summary:
      "Asks whether Coder Connect leads to a host. Prints nothing: the exit code is 0 when " +
      "it does and 1 when it does not.",
    flags: [],
    globalFlags: GLOBAL_FLAGS,
  }, host.stdout.size()?.columns ?? 100);
  await host.stdout.write(new TextEncoder().encode(page));
  return 0;
}
