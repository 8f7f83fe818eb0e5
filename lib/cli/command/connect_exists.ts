/**
 * `connect exists <hostname>`, hidden: whether Coder Connect leads to a host, told by the exit code alone. OpenSSH's
 * `Match … exec` asks it (docs/protocol/ssh.md#coder-connect, #config-ssh).
 */
import { UserError } from "../../base/errors.ts";
import { isInCoderConnect, type LookupIpv6 } from "../ready/coder_connect.ts";
import type { Host } from "../../base/host.ts";
import { defineCommand } from "./command.ts";

/** Nothing runs beside this lookup, and a wrong "no" sends people around the better way. */
const BUDGET_MS = 1_000;

export interface ConnectExistsOptions {
  /** @default the system's resolver */
  readonly lookupIpv6?: LookupIpv6;
  /** @default never aborted */
  readonly signal?: AbortSignal;
}

export const command = defineCommand({
  name: "connect exists",
  usage: "<hostname>",
  summary: "Ask whether Coder Connect leads to a host.",
  description:
    "Asks whether Coder Connect leads to a host. Prints nothing: the exit code is 0 when " +
    "it does and 1 when it does not.",
  isHidden: true,
  flags: {},
  positionals: { min: 1, max: 1 },
  run: (_, { host, args: [hostname = ""] }) => connectExists(host, hostname),
});

/** 0 when the host is there, 1 when it is not. Throws `UserError` for an empty name. */
export async function connectExists(
  host: Host,
  hostname: string,
  options: ConnectExistsOptions = {},
): Promise<number> {
  if (hostname === "") throw new UserError("the hostname is empty");
  const isThere = await isInCoderConnect(hostname, {
    clock: host.clock,
    lookupIpv6: options.lookupIpv6 ?? (await import("../../io/lookup.ts")).lookupIpv6,
    budgetMs: BUDGET_MS,
    signal: options.signal ?? new AbortController().signal,
  });
  return isThere ? 0 : 1;
}
